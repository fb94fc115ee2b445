import pytest

from tests.contract.ledger.kept_dataset import KeptDataset
from tests.fakes.bigquery_proxy import running_proxy


@pytest.fixture(scope="module")
def dataset(bigquery_emulator, tmp_path_factory):
    kept = KeptDataset(bigquery_emulator, tmp_path_factory.mktemp("kept"))
    yield kept
    kept.close()


@pytest.fixture
def proxy(bigquery_emulator, dataset):
    with running_proxy(bigquery_emulator.url) as running:
        yield running
    dataset.clean()
