"""Which of Google's accounts asks what, where organisations have accounts of their own: what each may do is no more than it needs."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials, Credentials
from google.oauth2.credentials import Credentials as Token

from src.core.base.clock import SystemClock
from src.core.base.faults import Misconfigured
from src.core.engine import open_warehouse
from src.core.engine.bigquery import clients as bq_clients
from src.core.engine.port import Fence, Warehouse
from tests.contract.warehouse.conftest import PLACE, settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, days, publish, row, stored
from tests.fakes.bigquery_proxy import BigQueryProxy, Sent, running_proxy

ACME = tenant_named("acme_corp")
TEMPLATE = "cdp-{org}@platform.iam.gserviceaccount.com"
ACCOUNT = "cdp-acme-corp@platform.iam.gserviceaccount.com"
DENIED = "Access Denied: Dataset {0}: Permission bigquery.datasets.get denied on dataset {0} (or it may not exist)."


class Iam:
    """Lets the organisation's account run jobs, and into its dataset once that says so; refuses it all else as BigQuery does."""

    def __init__(self, proxy: BigQueryProxy, project: str) -> None:
        self.proxy, self._project = proxy, f"/bigquery/v2/projects/{project}"
        proxy.refuse(self.forbidden, "accessDenied", DENIED.format(f"{project}:{ACME.dataset}"), times=999)

    def forbidden(self, sent: Sent) -> bool:
        path = urlsplit(sent.path).path.removeprefix("/upload").removeprefix(self._project)
        if sent.token != ACCOUNT or path.startswith(("/jobs", "/queries")):
            return False
        return not path.startswith(f"/datasets/{ACME.dataset}/tables") or not self.admitted

    @property
    def admitted(self) -> bool:
        told = [sent.body["access"] for sent in self.proxy.sent if sent.method == "PATCH" and "access" in sent.body]
        wanted: dict[str, Any] = {"role": "WRITER", "userByEmail": ACCOUNT}
        return any(wanted in access for access in told)


@pytest.fixture
def iam(bigquery_emulator, tmp_path) -> Iterator[Iam]:
    project = bigquery_emulator.emptied("trial")
    with running_proxy(bigquery_emulator.url) as proxy:
        given = {**bigquery_emulator.named, "platform_bigquery_url": proxy.url, "gcp_project_id": project}
        (tmp_path / PLACE).write_text(json.dumps(given))
        yield Iam(proxy, project)


@pytest.fixture
def warehouse(iam, tmp_path, monkeypatch) -> Iterator[Warehouse]:
    monkeypatch.setattr(bq_clients, "impersonated", named)
    settings = settings_for("bigquery", tmp_path, org_service_account=TEMPLATE)
    with contextlib.closing(open_warehouse(settings, SystemClock())) as opened:
        yield opened


def named(source: Credentials, account: str) -> Credentials:
    """The emulator asks for no token, so an account's name can be its own."""
    assert isinstance(source, AnonymousCredentials)
    token: Credentials = Token(token=account)
    return token


def test_an_account_that_may_see_nothing_yet_keeps_nobody_from_being_onboarded(warehouse):
    assert warehouse.has_dataset(ACME) is False
    assert warehouse.last_generation(ACME, "costs") == 0
    with pytest.raises(Misconfigured, match="is lost"):
        warehouse.tables(ACME)
    assert warehouse.ensure_dataset(ACME) is True
    assert warehouse.has_dataset(ACME) is True
    assert warehouse.tables(ACME) == ()


def test_the_organisations_account_needs_jobs_and_its_dataset_alone(warehouse, iam):
    warehouse.ensure_dataset(ACME)
    warehouse.ensure_table(ACME, COSTS)
    warehouse.ensure_view(ACME, "seen", "SELECT service FROM costs")
    publish(warehouse, ACME, [row(MONDAY)], 1)
    publish(warehouse, ACME, [row(MONDAY, "2")], 2, days(MONDAY, MONDAY))
    with warehouse.publication(ACME, "run_3", Fence("costs", 3)) as publication:
        publication.execute("UPDATE costs SET cost = cost + 1 WHERE TRUE")
    assert stored(warehouse, ACME) == [(MONDAY, "compute", 3)]
    assert warehouse.last_generation(ACME, "costs") == 3
    assert warehouse.measure(ACME, "costs").rows
    assert [one.num_rows for one in warehouse.stream(ACME, "SELECT * FROM seen")] == [1]
    assert warehouse.drop_table(ACME, "costs") is True
    assert any("parentJobId" in sent.path for sent in iam.proxy.sent if sent.token == ACCOUNT)
    assert [sent.path for sent in iam.proxy.sent if iam.forbidden(sent)] == []
    assert {sent.token for sent in iam.proxy.jobs} == {ACCOUNT}
    assert warehouse.drop_dataset(ACME).existed is True
