from itertools import count

import pytest

from src.core.base.settings import Settings
from src.core.ledger.store import open_ledger
from tests.contract.ledger import patience
from tests.contract.ledger.samples import CROWD, SCALE, org
from tests.engines.kept_dataset import new_name, settings_of

FEW = 3
ENGINES = ["sqlite", "postgresql", "bigquery"]


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    for module, name in patience.WAITS:
        monkeypatch.setattr(module, name, patience.SECONDS)


@pytest.fixture(params=ENGINES)
def settings(request):
    """Of a ledger that nobody has touched yet."""
    return request.getfixturevalue(f"{request.param}_settings")


@pytest.fixture
def sqlite_settings(tmp_path):
    return Settings(_env_file=None, ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}", embedded_data_dir=tmp_path)


@pytest.fixture
def postgresql_settings(postgres_server, tmp_path):
    database = postgres_server.create_database()
    yield Settings(_env_file=None, ledger_url=postgres_server.url(database), embedded_data_dir=tmp_path)
    postgres_server.drop_database(database)


@pytest.fixture
def bigquery_settings(request, bigquery_emulator, tmp_path):
    if "ledger" not in request.fixturenames:
        dataset = new_name()
        yield settings_of(bigquery_emulator, dataset, tmp_path)
        bigquery_emulator.drop(dataset)
        return
    kept = request.getfixturevalue("kept_dataset")
    yield kept.settings
    kept.clean()


@pytest.fixture
def crowd(settings):
    """How many at once an engine can be asked to bear in a test."""
    return CROWD // 10 if settings.ledger_engine == "bigquery" else CROWD


@pytest.fixture
def enough(settings):
    """True once an engine has been given as many examples as it has time for: one job takes BigQuery's emulator as long as a hundred
    statements take the others."""
    given = count(1)
    return lambda: settings.ledger_engine == "bigquery" and next(given) > FEW


@pytest.fixture
def empty(settings):
    ledger = open_ledger(settings)
    yield ledger
    ledger.close()


@pytest.fixture
def ledger(empty):
    if empty.missing():
        empty.bootstrap()
    return empty


@pytest.fixture
def acme(ledger):
    """The slug of an organisation with wide limits."""
    with ledger.writing() as unit:
        assert org(unit, "acme", plan=SCALE)
    return "acme"
