"""Channels that are tried while the caller waits: few at once, for a receiver may be silent for as long as a sending may take."""

from typing import Final

from fastapi import Request

from src.app.edge.concurrency import Places

PER_ORGANISATION: Final = 2
ALL: Final = 16
FULL: Final = "{limit} channels of {org} are being tried already, the most there may be; let one end, and try again"
CROWDED: Final = "{limit} channels are being tried already, the most there may be at once; try again"


def trial_places() -> Places:
    return Places(PER_ORGANISATION, FULL, ALL, CROWDED)


def trial_places_of(request: Request) -> Places:
    places: Places = request.scope["app"].state.trial_places
    return places
