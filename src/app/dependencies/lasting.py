"""Calls that last longer than a key is believed: streams, waiting, downloads. They end with the key that opened them."""

import asyncio
from dataclasses import dataclass

from fastapi import Request

from src.app.dependencies.auth import CurrentOrg, caller_of, door_of
from src.core.base.faults import Unauthenticated
from src.core.ledger.tables.keys import KeyRecord


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long a call may go on: until the service stops, or its key ends."""

    request: Request
    stopping: asyncio.Event

    async def wait(self) -> None:
        ends = [asyncio.ensure_future(self.stopping.wait()), asyncio.ensure_future(key_ends(self.request))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)


async def key_ends(request: Request) -> None:
    """Returns when the key of this request opens nothing any more; the root key lives as long as its process."""
    key = _key_of(request)
    if key is not None:
        await door_of(request).keys.ends(key)
    else:
        await asyncio.get_running_loop().create_future()


async def require_key(request: Request) -> None:
    """Asked after a wait, before it is answered."""
    key = _key_of(request)
    if key is not None and await door_of(request).keys.living(key) is None:
        raise Unauthenticated("the key of this request ended while it waited; the run goes on, ask for it with a newer key")


def _key_of(request: Request) -> KeyRecord | None:
    caller = caller_of(request)
    return caller.key if isinstance(caller, CurrentOrg) else None
