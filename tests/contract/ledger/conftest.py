import secrets

import pytest

from src.core.base.settings import Settings
from src.core.ledger.store import open_ledger
from tests.contract.ledger.samples import SCALE, org

# "bigquery" joins by its name here.
ENGINES = ["sqlite", "postgresql"]


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
def bigquery_settings(bigquery_emulator, tmp_path):
    settings = {name.lower(): value for name, value in bigquery_emulator.settings.items()}
    url = f"bigquery://{bigquery_emulator.project}/ledger_{secrets.token_hex(6)}"
    return Settings(_env_file=None, ledger_url=url, embedded_data_dir=tmp_path, **settings)


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
