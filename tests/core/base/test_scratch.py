"""Where files lie on their way to BigQuery: one folder for an installation's processes, and no other installation's."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from src.core.base.clock import SystemClock
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.bigquery.staging import FOLDER

HOME = {"ledger_url": "postgresql+psycopg://convergence:old@db:5432/ledger", "warehouse": "bigquery", "gcp_project_id": "acme"}


def installation(**more: Any):
    return Settings(_env_file=None, **{**HOME, **more})


def test_all_processes_of_an_installation_have_the_same_one():
    api, worker = installation(), installation(worker_enabled=False, embedded_data_dir="/elsewhere")
    rotated = installation(ledger_url="postgresql+psycopg://convergence:new@db:5432/ledger")

    assert api.scratch == worker.scratch == rotated.scratch
    assert api.scratch.parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize(
    "other",
    [
        {"ledger_url": "postgresql+psycopg://convergence:old@db:5432/other"},
        {"ledger_url": "postgresql+psycopg://convergence:old@db:5433/ledger"},
        {"ledger_url": None, "embedded_data_dir": "/srv/data"},
        {"gcp_project_id": "other"},
        {"platform_bigquery_url": "http://127.0.0.1:9050"},
        {"environment": "staging"},
    ],
)
def test_another_installation_on_the_machine_has_another(other):
    assert installation(**other).scratch != installation().scratch


def test_two_installations_on_sqlite_have_two_by_their_data():
    one, two = (installation(ledger_url=None, embedded_data_dir=folder) for folder in ("/srv/one", "/srv/two"))

    assert one.scratch != two.scratch


def test_the_one_that_is_named_counts(tmp_path):
    assert installation(scratch_dir=tmp_path).scratch == tmp_path


def test_what_a_warehouse_takes_away_is_its_installations_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine, other = installation(ledger_url=None, embedded_data_dir="/srv/one"), installation(ledger_url=None, embedded_data_dir="/srv/two")
    left = [settings.scratch / "acme_corp_dev" / f"{FOLDER}left" for settings in (mine, other)]
    for folder in left:
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))

    open_warehouse(mine, SystemClock()).close()

    assert [folder.exists() for folder in left] == [False, True]
