"""The round trips of a run's way through the ledger in PostgreSQL, by name: what each says, and how long its answer takes."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

from bench import queue_cycle
from bench.queue_cycle import ACME, ACTOR, DAY, Desk
from src.core.ledger.postgresql.wire import PostgresqlWire, Said
from src.core.scheduler.acceptance import accept
from src.core.scheduler.claims import next_claim

TABLE = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM|FROM) (?!OF\b)(\w+)")
VERBS = {"INSERT INTO": "insert", "UPDATE": "update", "DELETE FROM": "delete", "FROM": "read"}


class Trips:
    def __init__(self) -> None:
        self.step = ""
        self.number = 0
        self.seconds: dict[tuple[str, int, str], list[float]] = defaultdict(list)

    def begin(self, step: str) -> None:
        self.step, self.number = step, 0

    def took(self, name: str, seconds: float) -> None:
        self.number += 1
        self.seconds[self.step, self.number, name].append(seconds)


def told(url: str, cycles: int) -> float:
    """Prints them; how many seconds of a cycle they are."""
    desk, trips = queue_cycle.opened(url), Trips()
    asyncio.run(queue_cycle.cycles(desk, queue_cycle.WARM_UP))
    say = PostgresqlWire.say
    PostgresqlWire.say = _noted(trips, say)  # type: ignore[method-assign]
    try:
        whole = asyncio.run(_cycles(desk, cycles, trips))
    finally:
        PostgresqlWire.say = say  # type: ignore[method-assign]
        desk.ledger.close()
    print(f"\nround trips of a cycle on PostgreSQL, median of {cycles}")
    print(f"{'step':10}{'ms':>8}  says")
    usual = {key: median(found) for key, found in trips.seconds.items() if len(found) > cycles / 2}
    for (step, _, name), seconds in usual.items():
        print(f"{step:10}{seconds * 1000:8.2f}  {name}")
    print(f"{'in all':10}{sum(usual.values()) * 1000:8.2f}  {len(usual)} round trips, of {whole / cycles * 1000:.2f} ms that a cycle takes")
    return sum(usual.values())


async def _cycles(desk: Desk, cycles: int, trips: Trips) -> float:
    began = time.perf_counter()
    for _ in range(cycles):
        trips.begin("accept")
        accept(desk, desk.catalog, tenant=ACME, actor=ACTOR, entry=desk.entry, window=DAY, inputs={})
        trips.begin("claim")
        claim = next_claim(desk, "bench")
        assert claim is not None
        trips.begin("settle")
        queue_cycle.settled(desk, claim)
    return time.perf_counter() - began


def _noted(trips: Trips, say: Callable[..., Any]) -> Callable[..., Any]:
    def noted(self: PostgresqlWire, sql: bytes, name: bytes = b"", values: Any = None) -> Any:
        batch = [*self._later, Said(sql, name, values)]
        began = time.perf_counter()
        try:
            return say(self, sql, name, values)
        finally:
            trips.took(", ".join(_named(said.sql.decode()) for said in batch), time.perf_counter() - began)

    return noted


def _named(sql: str) -> str:
    found = dict.fromkeys((VERBS[verb], table.removeprefix("org_")) for verb, table in TABLE.findall(sql))
    if "pg_advisory_xact_lock" in sql:
        return "lock"
    if sql.startswith(("BEGIN", "COMMIT", "SET LOCAL")) or not found:
        return " ".join(sql.split()[: 1 if sql.startswith("BEGIN") else 3])
    [(verb, table), *others] = found
    # a change may look at other tables too; a look tells all of them
    return " ".join([verb, table, *(other for _, other in others if verb == "read")])
