"""A bootstrapped BigQuery dataset that many tests use one after the other: making one takes the emulator seconds."""

import re
import secrets

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from src.core.base.settings import Settings
from src.core.ledger.store import open_ledger

WRITTEN = re.compile(r"^(?:INSERT INTO|UPDATE|DELETE FROM) `(\w+)`")
SECONDS = 60
RETRY = bigquery.DEFAULT_RETRY.with_timeout(SECONDS)


def settings_of(emulator, dataset, folder):
    url = f"bigquery://{emulator.project}/{dataset}"
    return Settings(_env_file=None, ledger_url=url, embedded_data_dir=folder, **emulator.named)


def new_name():
    return f"ledger_{secrets.token_hex(6)}"


class KeptDataset:
    def __init__(self, emulator, folder) -> None:
        self._emulator = emulator
        self.settings = settings_of(emulator, new_name(), folder)
        self._client = bigquery.Client(
            project=emulator.project, credentials=AnonymousCredentials(), client_options={"api_endpoint": emulator.url}, location="US"
        )
        ledger = open_ledger(self.settings)
        ledger.bootstrap()
        ledger.close()
        self._tables = {table.table_id for table in self._client.list_tables(self._named, retry=RETRY, timeout=SECONDS)}
        self.clean()

    @property
    def _named(self):
        return self.settings.ledger.removeprefix("bigquery://").replace("/", ".")

    def clean(self):
        """What was written is gone, and so is BigQuery's memory of the jobs that wrote it."""
        written = set()
        for job in self._client.list_jobs(retry=RETRY, timeout=SECONDS):
            # other suites have jobs in the same project too: loads, that have no statement, and changes of tables that are not ours
            if isinstance(job, bigquery.QueryJob) and (found := WRITTEN.match(job.query)):
                written.add(found[1])
        if emptied := [f"TRUNCATE TABLE `{self._named}`.{table}" for table in written & self._tables]:
            self._client.query_and_wait(";".join(emptied), retry=RETRY, wait_timeout=SECONDS)
        self._emulator.forget_jobs()

    def close(self):
        self._client.close()
