from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.step.gcp.bigquery_export import BigQueryExport
from src.sandbox.gcp.accounts import DATASET, DOLLARS, EUROS, detailed_table, standard_table
from src.sandbox.server import Sandbox
from tests.fakes import made_once
from tests.fakes.exports import open_export

TODAY = date(2026, 11, 21)
CONNECTION = {"project": "sandbox-billing", "dataset": DATASET}
STANDARD, EURO, DETAILED = standard_table(DOLLARS), standard_table(EUROS), detailed_table(DOLLARS)
TABLES = (STANDARD, EURO, DETAILED)
ACME = Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT)


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


@contextmanager
def sandboxed(folder: Path, clock: HeldClock) -> Iterator[Sandbox]:
    """Running, with keys that were made before."""
    folder.mkdir()
    (folder / "credentials").symlink_to(made_once.sandbox() / "credentials")
    sandbox = Sandbox(folder, clock)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Iterator[Sandbox]:
    """Shared by tests that only read: its files are made once."""
    with sandboxed(tmp_path_factory.mktemp("sandbox") / "sandbox", HeldClock()) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def export(kept) -> Iterator[BigQueryExport]:
    with closing(opened(kept)) as export:
        yield export


def opened(sandbox: Sandbox, account: str = "demo", **connection: str) -> BigQueryExport:
    """As a run opens it: with the client of production, over HTTP and gRPC."""
    settings = Settings(_env_file=None).model_copy(update=dict(sandbox.endpoints))
    return open_export(settings, ACME, Secret(sandbox.service_account(account)), {**CONNECTION, **connection})
