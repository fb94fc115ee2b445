import psycopg
import pytest

from src.core.base.settings import Settings
from src.core.ledger.store import open_ledger
from tests.fakes.bigquery_proxy import running_proxy


@pytest.fixture
def dataset(kept_dataset):
    return kept_dataset


@pytest.fixture
def proxy(bigquery_emulator, dataset):
    with running_proxy(bigquery_emulator.url) as running:
        yield running
    dataset.clean()


@pytest.fixture(scope="module")
def database(postgres_server):
    """Bootstrapped once; who writes into it empties it first."""
    name = postgres_server.create_database()
    ledger = open_ledger(Settings(_env_file=None, ledger_url=postgres_server.url(name)))
    ledger.bootstrap()
    ledger.close()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def server(postgres_server, database):
    """As its administrator sees it, from outside the ledger."""
    with psycopg.connect(postgres_server.dsn(database), autocommit=True) as connection:
        yield connection
