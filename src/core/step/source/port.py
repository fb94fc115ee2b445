"""What the engine asks of a source: which slices it has by now, and the rows of those that it wants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from src.core.base.window import Window
from src.core.engine.port import RemoteRows
from src.core.providers.slices import Listing, OnBytes, Slice


class Source(Protocol):
    """Opened for one run and one organisation; shares nothing with another."""

    @property
    def name(self) -> str:
        """What it is known as in the organisation's dataset."""
        ...

    @property
    def marks(self) -> bool:
        """Whether its rows say of which slice they are; else each is staged alone, and the step's query names it by `@source_slice`."""
        ...

    def slices(self, wanted: Window, everything: Window) -> Listing:
        """Those that hold something, the oldest first: of the wanted ones, or of everything where that costs no more."""
        ...

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        """Puts these slices into `into` as Parquet files, whole and as they are, and tells how many bytes each took.

        A slice that is no longer of the named version is a SourceChanged.
        """
        ...

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:
        """Where an engine may find these rows itself; None where it cannot.

        A place is named only when these rows were proven readable with the source's own credential: what an engine reads, it reads
        with the platform's, which may see more.
        """
        ...
