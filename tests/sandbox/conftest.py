from datetime import UTC, date, datetime, timedelta

import pytest

from src.sandbox.gcp.export import FolderExport
from src.sandbox.gcp.worlds import DATASET, DOLLARS, EUROS, detailed_table, standard_table
from src.sandbox.server import Sandbox

TODAY = date(2026, 11, 21)
CONNECTION = {"project": "sandbox-billing", "dataset": DATASET}
STANDARD, EURO, DETAILED = standard_table(DOLLARS), standard_table(EUROS), detailed_table(DOLLARS)
TABLES = (STANDARD, EURO, DETAILED)


class HeldClock:
    """Stands still until it is moved."""

    def __init__(self, day: date = TODAY) -> None:
        self.at = datetime(day.year, day.month, day.day, 9, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def pass_by(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Sandbox:
    """Shared by tests that only read: its files are made once."""
    return Sandbox(tmp_path_factory.mktemp("sandbox") / "sandbox", HeldClock())


@pytest.fixture
def export(kept) -> FolderExport:
    return FolderExport(kept.gcp, CONNECTION)
