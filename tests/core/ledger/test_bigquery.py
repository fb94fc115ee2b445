"""What the ledger does with BigQuery's refusals and silences. They are injected on the way to the emulator."""

import json
import threading
from contextlib import closing, contextmanager

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from sqlalchemy import insert
from sqlalchemy.engine import make_url

from src.core.base.faults import Fault, Misconfigured, Throttled, Unavailable
from src.core.base.settings import ROOT, Settings
from src.core.ledger.bigquery import jobs as bigquery_jobs
from src.core.ledger.bigquery.engine import open_engine
from src.core.ledger.model import load_model
from src.core.ledger.plans import Plan, Plans
from src.core.ledger.store import Ledger
from src.core.ledger.tables import orgs, quotas, runs
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT, TODAY, org, run
from tests.fakes.bigquery_proxy import is_job

CROWDED = "Resources exceeded during query execution: Too many DML statements outstanding against table t, limit is 20."
RACED = "Could not serialize access to table t due to concurrent update"


@pytest.fixture
def ledger(dataset, proxy):
    with opened(dataset, proxy) as ledger:
        yield ledger


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(bigquery_jobs, "PATIENCE_SECONDS", 1.0)


@contextmanager
def opened(dataset, proxy):
    settings = dataset.settings.model_copy(update={"platform_bigquery_url": proxy.url})
    model = load_model(ROOT / "configs" / "setup" / "bootstrap")
    engine = open_engine(settings, make_url(settings.ledger), model)
    ledger = Ledger(engine, model, Plans.load(ROOT / "configs" / "system" / "plans.yml"))
    yield ledger
    ledger.close()


def beside(emulator):
    """A client that asks the emulator itself."""
    return bigquery.Client("local", AnonymousCredentials(), client_options={"api_endpoint": emulator.url}, location="US")


def writes(*starts: str):
    return lambda sent: is_job(sent) and sent.sql.startswith(starts or ("INSERT", "UPDATE", "DELETE"))


def written(proxy, start):
    return [sent for sent in proxy.jobs if sent.sql.startswith(start)]


def ids(sent):
    return [one.body["jobReference"]["jobId"] for one in sent]


@pytest.mark.parametrize(("reason", "message"), [("resourcesExceeded", CROWDED), ("invalidQuery", RACED)])
def test_a_job_that_failed_for_a_crowd_is_made_anew_under_another_id(ledger, proxy, reason, message):
    ledger.write(org, "acme", plan=Plan("P", 9, 9, 9))
    proxy.fail_job(writes("UPDATE"), reason, message, times=2)
    assert ledger.write(quotas.reserve, "acme", day=TODAY, at=AT) is None
    assert ledger.read(quotas.usage, "acme", TODAY).running == 1
    assert len(set(ids(written(proxy, "UPDATE")))) == 3


def test_an_insert_that_failed_for_a_crowd_takes_the_next_attempt(ledger, proxy):
    proxy.fail_job(writes("INSERT INTO `org_meta_pipeline_runs`"), "invalidQuery", RACED)
    assert ledger.write(runs.accept, run("r1", active_key="x"))
    assert [job_id[-2:] for job_id in ids(written(proxy, "INSERT"))] == ["_0", "_1"]


@pytest.mark.parametrize("act", ["UPDATE", "INSERT INTO `org_meta_pipeline_runs`"])
def test_a_change_whose_answer_was_lost_is_looked_up_and_done_once(ledger, proxy, act):
    ledger.write(org, "acme", plan=Plan("P", 9, 9, 9))
    proxy.drop(writes(act))
    assert ledger.write(quotas.reserve, "acme", day=TODAY, at=AT) is None
    used = ledger.read(quotas.usage, "acme", TODAY)
    assert (used.running, used.run_today) == (1, 1)
    assert ledger.write(runs.accept, run("r1", active_key="x"))
    assert not ledger.write(runs.accept, run("r2", active_key="x"))
    assert len(set(ids(written(proxy, act)))) == 1


def test_a_change_that_never_arrived_is_sent_again_under_the_same_id(ledger, proxy):
    ledger.write(org, "acme", plan=Plan("P", 9, 9, 9))
    proxy.refuse(writes("UPDATE"), "backendError", "Error encountered during execution. Retrying may solve the problem.")
    assert ledger.write(quotas.reserve, "acme", day=TODAY, at=AT) is None
    assert ledger.read(quotas.usage, "acme", TODAY).run_today == 1
    sent = ids(written(proxy, "UPDATE"))
    assert (len(sent), len(set(sent))) == (2, 1)


def test_of_two_processes_with_one_work_one_is_told_that_it_is_its_own(dataset, proxy, ledger):
    with opened(dataset, proxy) as other:
        numbers = iter([(ledger, "r1"), (other, "r2"), (ledger, "r3"), (other, "r4")])

        def accept():
            place, run_id = next(numbers)
            return run_id, place.write(runs.accept, run(run_id, active_key="x"))

        told = at_once(4, accept)
    [mine] = [run_id for run_id, fresh in told if fresh]
    assert ledger.read(runs.working, "x").pipeline_logging_id == mine
    found = [run_id for run_id, _ in told if ledger.read(runs.get, run_id)]
    assert found == [mine]
    # the emulator cannot show two inserts that do not see each other; that all four were one job is what keeps BigQuery from it
    sent = ids(written(proxy, "INSERT"))
    assert (len(sent), len(set(sent))) == (4, 1)


def test_who_shares_only_the_request_key_gives_way(ledger, proxy):
    assert ledger.write(runs.accept, run("r1", active_key="x", idempotency_key="k"))
    assert not ledger.write(runs.accept, run("r2", active_key="y", idempotency_key="k"))
    assert ledger.read(runs.get, "r2") is None


def test_who_finds_another_with_the_same_request_key_beside_its_own_gives_way(ledger, proxy):
    other = run("r1", active_key="x", idempotency_key="k")
    held = proxy.hold(writes("INSERT"))
    told: list[bool] = []
    mine = threading.Thread(target=lambda: told.append(ledger.write(runs.accept, run("r2", active_key="y", idempotency_key="k"))))
    mine.start()
    assert held.held.wait(60)
    with ledger.writing() as unit:
        # as one whose snapshot was older
        table = unit.tables["org_meta_pipeline_runs"]
        unit.change(insert(table), {name: getattr(other, name) for name in runs.NEW_RUN_COLUMNS} | {"parameters": {}, "attempt": 0})
    held.release.set()
    mine.join(60)
    assert told == [False]
    assert (ledger.read(runs.get, "r2"), ledger.read(runs.get, "r1").status) == (None, "QUEUED")


def test_a_row_that_came_and_went_comes_again_after_few_questions(ledger, proxy):
    for turn in range(9):
        assert ledger.write(runs.accept, run(f"r{turn}", active_key="x"))
        assert ledger.write(runs.finish, f"r{turn}", status="SUCCESS", at=AT)
    before = len(proxy.sent)
    assert ledger.write(runs.accept, run("r9", active_key="x"))
    assert len(proxy.sent) - before < 20


def test_reservations_at_once_among_conflicts_admit_what_the_plan_allows(ledger, proxy):
    ledger.write(org, "acme", plan=Plan("P", 3, 9, 9))
    proxy.fail_job(writes("UPDATE"), "invalidQuery", RACED, times=3)
    answers = at_once(6, lambda: ledger.write(quotas.reserve, "acme", day=TODAY, at=AT) is None)
    assert sum(answers) == 3
    assert ledger.read(quotas.usage, "acme", TODAY).run_today == 3


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("reason", "message", "fault", "mend"),
    [
        ("resourcesExceeded", CROWDED, Throttled, "retry in a moment"),
        ("rateLimitExceeded", "Exceeded rate limits", Throttled, "retry in a moment"),
        ("jobRateLimitExceeded", "Job exceeded rate limits", Throttled, "retry in a moment"),
        ("quotaExceeded", "Quota exceeded: too many queries a day", Throttled, "Quotas"),
        ("backendError", "Backend error", Unavailable, "did not answer"),
        ("accessDenied", "Access Denied: Table p:d.t", Misconfigured, "roles/bigquery.dataEditor"),
        ("notFound", "Not found: Dataset p:d was not found in location EU", Misconfigured, "BIGQUERY_LOCATION"),
        ("billingNotEnabled", "Billing has not been enabled for this project", Misconfigured, "billing"),
        ("bytesBilledLimitExceeded", "Query exceeded limit for bytes billed: 1", Misconfigured, "BIGQUERY_MAXIMUM_BYTES_BILLED"),
    ],
)
def test_what_bigquery_refuses_is_a_fault_that_names_its_mend(dataset, proxy, reason, message, fault, mend):  # noqa: PLR0917
    with opened(dataset, proxy) as ledger:
        proxy.refuse(writes(), reason, message, times=99)
        with pytest.raises(Fault, match=mend) as caught:
            ledger.write(quotas.release, "acme", AT)
    assert type(caught.value) is fault
    assert (caught.value.retry_after is not None) is (fault is not Misconfigured)


def test_every_job_is_labelled_bounded_and_in_its_place(ledger, proxy):
    ledger.write(org, "acme")
    ledger.read(orgs.get, "acme")
    told = [sent.configuration for sent in proxy.jobs]
    asked = [sent.body for sent in proxy.sent if "/queries" in sent.path and sent.method == "POST"]
    assert told
    assert asked
    for one, query in [*((one, one["query"]) for one in told), *((one, one) for one in asked)]:
        assert (one["labels"]["service"], one["labels"]["part"]) == ("convergence", "ledger")
        assert query["maximumBytesBilled"] == str(Settings(_env_file=None).bigquery_maximum_bytes_billed)
        assert int(one["jobTimeoutMs"]) == 900_000
    assert {sent.body["jobReference"]["location"] for sent in proxy.jobs} == {"US"}


def test_a_table_that_bigquery_was_too_busy_to_make_is_made_again(dataset, ledger, proxy, bigquery_emulator):
    name = dataset.settings.ledger.removeprefix("bigquery://").replace("/", ".")
    with closing(beside(bigquery_emulator)) as client:
        client.delete_table(f"{name}.org_kms_keys", timeout=60)
    busy = proxy.refuse(lambda sent: sent.method == "POST" and "/tables?" in sent.path, "tableUnavailable", "Try again later", times=2)
    assert list(ledger.bootstrap().tables_created) == ["org_kms_keys"]
    assert busy.times == 0


def test_tables_are_partitioned_and_clustered_as_the_configuration_says(dataset, bigquery_emulator):
    name = dataset.settings.ledger.removeprefix("bigquery://").replace("/", ".")
    with closing(beside(bigquery_emulator)) as client:
        runs_table = client.get_table(f"{name}.org_meta_pipeline_runs", timeout=60)
    assert (runs_table.time_partitioning.field, runs_table.time_partitioning.type_) == ("accepted_at", "DAY")
    assert runs_table.clustering_fields == ["org_slug", "pipeline_id"]


@pytest.mark.parametrize(
    "url", ["bigquery://", "bigquery://user:secret@project/dataset", "bigquery://project/data-set", "bigquery://project/d?x=1"]
)
def test_an_address_that_names_no_dataset_is_refused_with_an_example(url):
    model = load_model(ROOT / "configs" / "setup" / "bootstrap")
    with pytest.raises(Misconfigured, match=r"LEDGER_URL.*bigquery://my-project/organizations") as caught:
        open_engine(Settings(_env_file=None), make_url(url), model)
    assert "secret" not in json.dumps(str(caught.value))
