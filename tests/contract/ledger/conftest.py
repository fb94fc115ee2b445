from pathlib import Path

import pytest

from src.core.base.settings import Settings
from src.core.ledger.store import open_ledger
from tests.contract.ledger.samples import SCALE, org

ENGINES = ["sqlite"]


def ledger_url(engine: str, folder: Path) -> str:
    return {"sqlite": f"sqlite:///{folder / 'ledger.db'}"}[engine]


@pytest.fixture(params=ENGINES)
def settings(request, tmp_path):
    return Settings(_env_file=None, ledger_url=ledger_url(request.param, tmp_path), embedded_data_dir=tmp_path)


@pytest.fixture
def empty(settings):
    ledger = open_ledger(settings)
    yield ledger
    ledger.close()


@pytest.fixture
def ledger(empty):
    empty.bootstrap()
    return empty


@pytest.fixture
def acme(ledger):
    """The slug of an organisation with wide limits."""
    with ledger.writing() as unit:
        assert org(unit, "acme", plan=SCALE)
    return "acme"
