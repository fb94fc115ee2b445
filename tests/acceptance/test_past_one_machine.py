"""Two API processes and workers beside them, on PostgreSQL and BigQuery: what is promised of them, seen from outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.acceptance.observed import problem, until
from tests.acceptance.test_bill_journey import BILLING, Customer, events
from tests.engines import places
from tests.engines.emulator import BigQueryEmulator, running_emulator
from tests.engines.postgres import ACCOUNT, PostgresServer, running_postgres
from tests.fakes.running import ROOT, ROOT_KEY, RunningService, environment

CLI = [sys.executable, "-m", "src.cli.main"]
SLUG = "shared_floor"
PASSWORD = "tell-nobody-of-9f2c"
AUTH_CACHE_SECONDS = 2.0
SETTLE_SECONDS = 400.0  # a day's bill is hundreds of the emulator's jobs, and the machine may be busy
PATIENCE = 60.0  # the longest that anybody waits to be told of an outage
AT_ONCE = 10  # the plan SCALE


class Floor:
    def __init__(self, folder: Path, postgres: PostgresServer, emulator: BigQueryEmulator) -> None:
        self.folder, self.postgres, self.emulator, self.bigquery = folder, postgres, emulator, emulator.process
        self.database = postgres.create_database()
        hba = postgres.folder / "data" / "pg_hba.conf"
        hba.write_text(f"host all convergence 127.0.0.1/32 scram-sha-256\n{hba.read_text()}")
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE convergence LOGIN PASSWORD '{PASSWORD}'".encode())
            connection.execute(f"ALTER DATABASE {self.database} OWNER TO convergence".encode())
            connection.execute("SELECT pg_reload_conf()")
        self.one, self.two = (RunningService(folder / "data", {**self.settings(), "WORKER_ENABLED": "false"}) for _ in range(2))
        self.alone = RunningService(folder / "alone", {"SANDBOX": "true", "WORKER_POLL_SECONDS": "0.1"})
        self.apis = (self.one, self.two)
        self.workers: list[subprocess.Popen[bytes]] = []
        self._days = (date(2026, 9, 1) + timedelta(days=number) for number in count())

    def settings(self, password: str = PASSWORD) -> dict[str, str]:
        return {
            **self.emulator.settings,
            "LEDGER_URL": f"postgresql+psycopg://convergence:{password}@127.0.0.1:{self.postgres.port}/{self.database}",
            "WAREHOUSE": "bigquery",
            "SANDBOX": "true",
            "LOCAL_KEYRING": str(self.folder / "keys" / "keyring.json"),
            "SCRATCH_DIR": str(self.folder / "scratch"),
            "AUTH_CACHE_SECONDS": f"{AUTH_CACHE_SECONDS:g}",
            "WORKER_LEASE_SECONDS": "10",
            "WORKER_TAKEOVERS": "20",
            "WORKER_POLL_SECONDS": "0.2",
            "WORKER_DRAIN_SECONDS": "1",
        }

    def begin(self) -> None:
        """The first process makes the keyring and the sandbox's keys, and the rest find them."""
        self.one.start().bootstrap()
        with ThreadPoolExecutor() as threads:
            second, alone = threads.submit(self.two.start), threads.submit(self.alone.start)
            self.first = Customer.of(self.one, SLUG, "second", subscription_plan="SCALE")
            self.second = Customer(second.result(), SLUG, self.first.key)
            self.oracle = Customer.of(alone.result().bootstrap(), SLUG, "second", subscription_plan="SCALE")
        self.customers = (self.first, self.second)

    def end(self) -> None:
        self.without_workers()
        for service in (*self.apis, self.alone):
            service.stop()
        for process in (self.postgres.process, self.bigquery):
            ended(process, signal.SIGINT)

    def another_worker(self) -> subprocess.Popen[bytes]:
        with (self.folder / "workers.log").open("ab") as out:
            settings = environment(self.folder / "data", **self.settings())
            self.workers.append(subprocess.Popen([*CLI, "worker"], cwd=ROOT, env=settings, stdout=out, stderr=out))
        return self.workers[-1]

    def worker(self) -> subprocess.Popen[bytes]:
        return self.workers[-1] if self.workers else self.another_worker()

    def without_workers(self) -> list[int]:
        codes = [ended(process, signal.SIGTERM) for process in self.workers]
        self.workers.clear()
        return codes

    def window(self, days: int = 1) -> tuple[date, date]:
        chosen = [next(self._days) for _ in range(days)]
        return chosen[0], chosen[-1]

    def taken_up(self) -> tuple[str, tuple[date, date]]:
        """A run that a worker is in the middle of, and its window."""
        window = self.window()
        run_id = self.first.accepted(*window, late_days=0)
        until(lambda: "writing" in (self.second.run(run_id)["progress"]["doing"] or ""), SETTLE_SECONDS)
        return run_id, window

    def settled_once(self, run_id: str, window: tuple[date, date]) -> dict[str, Any]:
        """Over, in the books to the cent as the embedded service has them, and nothing held."""
        run = self.second.settled(run_id, SETTLE_SECONDS)
        assert run["status"] == "SUCCESS", run
        assert len(run["manifests"]) == 1
        self.oracle.loaded(*window, late_days=0)
        right = self.oracle.daily()
        for customer in self.customers:
            assert customer.daily() == right
            assert customer.quota()["running"]["used"] == 0
        return run

    @contextmanager
    def no_postgres(self) -> Iterator[None]:
        ended(self.postgres.process, signal.SIGINT)
        try:
            yield
        finally:
            account: dict[str, Any] = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}
            self.postgres.process = again(self.postgres.process, cwd=self.postgres.folder, **account)

    @contextmanager
    def no_bigquery(self) -> Iterator[None]:
        ended(self.bigquery, signal.SIGTERM)
        try:
            yield
        finally:
            self.bigquery = again(self.bigquery, env={"HOME": str(places.HOME / "home"), "PATH": os.environ["PATH"]})


def again(process: subprocess.Popen[bytes], **more: Any) -> subprocess.Popen[bytes]:
    """The same program on the same ports and files."""
    return subprocess.Popen(process.args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def ended(process: subprocess.Popen[bytes], how: signal.Signals) -> int:
    process.send_signal(how)
    return process.wait(60)


def together(call: Callable[..., httpx2.Response], asked: Iterable[tuple[Any, ...]]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(2 * AT_ONCE) as threads:
        return [future.result() for future in [threads.submit(call, *each) for each in asked]]


def ask(customer: Customer, first: date, last: date, word: str | None = None) -> httpx2.Response:
    body = {"start_date": str(first), "end_date": str(last), "late_days": 0}
    named = {} if word is None else {"Idempotency_Key": word}
    return customer.call("POST", f"/pipelines/run/{SLUG}/{BILLING}", body, **named)


def cancelled(customer: Customer, run_id: str) -> httpx2.Response:
    return customer.call("POST", f"/pipelines/runs/{SLUG}/{run_id}/cancel")


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    """Engines of its own: tests stop them."""
    for engine, place in (("PostgreSQL", places.postgres_bin()), ("the BigQuery emulator", places.emulator())):
        if place is None:
            (pytest.fail if places.required() else pytest.skip)(f"{engine} is not there; {places.MEND}")
    with ExitStack() as stack:
        postgres, emulator = stack.enter_context(running_postgres()), stack.enter_context(running_emulator())
        made = Floor(tmp_path_factory.mktemp("floor"), postgres, emulator)
        stack.callback(made.end)
        made.begin()
        yield made


def test_what_one_process_stored_the_other_answers_at_once(floor):
    floor.without_workers()
    first, second = floor.customers

    assert second.get("/whoami") == first.get("/whoami")
    assert second.get(f"/integrations/{SLUG}/gcp") == first.get(f"/integrations/{SLUG}/gcp")
    assert second.call("POST", f"/integrations/{SLUG}/gcp/validate").json()["validation_status"] == "VALID"

    for asked, answering in ((first, second), (second, first)):
        run_id = asked.accepted(*floor.window(), late_days=0)
        assert answering.run(run_id)["state"] == "QUEUED"
        assert answering.get(f"/pipelines/runs/{SLUG}?limit=1") == asked.get(f"/pipelines/runs/{SLUG}?limit=1")
        assert answering.quota()["running"]["used"] == 1
        assert cancelled(answering, run_id).status_code == 202
        assert asked.run(run_id)["status"] == "CANCELLED"
        assert asked.quota()["running"]["used"] == 0


def test_a_price_book_is_one_on_both_and_what_it_is_embedded(floor):
    for customer in (floor.first, floor.oracle):
        key = (customer.service.data / "sandbox" / "credentials" / "openai-demo.txt").read_text()
        assert customer.call("POST", f"/integrations/{SLUG}/openai/setup", {"credential": key}).status_code == 200

    def change(customer: Customer, method: str, path: str, body: Any = None) -> httpx2.Response:
        return customer.call(method, f"/integrations/{SLUG}/openai/pricing{path}", body)

    def listed(customer: Customer) -> list[str]:
        answer = customer.call("GET", f"/integrations/{SLUG}/openai/pricing?format=csv")
        assert answer.status_code == 200, answer.text
        return sorted(answer.text.splitlines())

    new = {"model": "our-own-model", "token_kind": "input", "price": "1.5"}
    answers = together(change, [(customer, "POST", "", new) for customer in floor.customers * 3])
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5, [answer.text for answer in answers]
    assert change(floor.oracle, "POST", "", new).status_code == 200

    later = {"price": "2.7182", "token_kind": "input", "effective_from": "2027-01-01"}
    for method, path, body in (
        ("PUT", "/gpt-5.4", later),
        ("DELETE", "/gpt-5.4?withdraw=true", None),
        ("PUT", "/gpt-5.4", later),
        ("DELETE", "/our-own-model?effective_from=2027-02-01", None),
    ):
        for customer in (floor.second, floor.oracle):
            answer = change(customer, method, path, body)
            assert answer.status_code == 200, answer.text
    assert listed(floor.first) == listed(floor.second) == listed(floor.oracle)

    for customer in (floor.first, floor.oracle):
        assert change(customer, "POST", "/reset").status_code == 200
    seed = listed(floor.oracle)
    assert listed(floor.second) == seed
    assert not [line for line in seed if "our-own-model" in line or "2.7182" in line.split(",")]


def refused_soon(service: RunningService, key: str) -> None:
    began = asked = time.monotonic()
    while service.call("GET", "/api/v1/whoami", key=key).status_code != 401:
        # an answer may be long on its way: what counts is when it was asked for
        assert asked - began <= AUTH_CACHE_SECONDS, "the other process still accepts the key"
        time.sleep(0.05)
        asked = time.monotonic()


def test_a_rotated_key_and_an_off_boarded_organisation_are_refused_by_the_other(floor):
    old = floor.two.key_of("leaving_soon")
    for service in floor.apis:
        assert service.call("GET", "/api/v1/whoami", key=old).status_code == 200

    turned = floor.one.call("POST", "/api/v1/organizations/leaving_soon/keys/rotate", key=old, json={"grace_hours": 0})
    new = turned.json()["api_key"]

    assert floor.two.call("GET", "/api/v1/whoami", key=new).status_code == 200
    assert floor.one.call("GET", "/api/v1/whoami", key=old).status_code == 401
    refused_soon(floor.two, old)

    gone = floor.two.admin("DELETE", "/api/v1/organizations/leaving_soon", {"confirm": "leaving_soon"})
    assert gone.status_code == 200, gone.text
    assert floor.two.call("GET", "/api/v1/whoami", key=new).status_code == 401
    refused_soon(floor.one, new)


def test_the_same_request_at_both_at_once_is_one_run(floor):
    floor.without_workers()
    for _ in range(4):
        window = floor.window()
        answers = together(ask, [(customer, *window) for customer in floor.customers * 4])
        assert {answer.status_code for answer in answers} == {202}
        (run_id,) = {answer.json()["pipeline_logging_id"] for answer in answers}
        assert [answer.json()["reused"] for answer in answers].count(False) == 1
        assert floor.first.quota()["running"]["used"] == 1
        assert cancelled(floor.second, run_id).status_code == 202


def test_the_same_idempotency_key_at_both_at_once_is_one_run_also_when_it_is_over(floor):
    floor.without_workers()
    first, last = floor.window()
    word = f"word-of-{first}"
    answers = together(ask, [(customer, first, last, word) for customer in floor.customers * 4])
    assert {answer.status_code for answer in answers} == {202}
    (run_id,) = {answer.json()["pipeline_logging_id"] for answer in answers}
    assert cancelled(floor.first, run_id).status_code == 202

    for customer in floor.customers:
        assert ask(customer, first, last, word).json()["pipeline_logging_id"] == run_id
        problem(ask(customer, first - timedelta(days=1), last, word), 409, "conflict")
    assert floor.second.quota()["running"]["used"] == 0


def test_the_plans_limit_of_runs_at_once_holds_across_both(floor):
    floor.without_workers()
    before = floor.first.quota()["day"]["used"]
    answers = together(ask, [(customer, *floor.window()) for customer in floor.customers * AT_ONCE])

    runs = {answer.json()["pipeline_logging_id"] for answer in answers if answer.status_code == 202}
    assert len(runs) == AT_ONCE
    for answer in answers:
        if answer.status_code != 202:
            refused = problem(answer, 429, "quota-exceeded")
            assert (refused["used"], refused["limit"]) == (AT_ONCE, AT_ONCE)
            assert "concurrent" in refused["reason"].lower()
            assert int(answer.headers["retry-after"]) > 0
    for customer in floor.customers:
        quota = customer.quota()
        assert (quota["running"]["used"], quota["day"]["used"] - before) == (AT_ONCE, AT_ONCE)

    for customer, run_id in zip(floor.customers * AT_ONCE, runs, strict=False):
        assert cancelled(customer, run_id).status_code == 202
    assert floor.first.quota()["running"]["used"] == 0


def test_a_run_is_worked_on_by_a_worker_followed_at_the_other_and_right_to_the_cent(floor):
    window = floor.window(2)
    asked = ask(floor.first, *window)
    assert (asked.status_code, asked.json()["state"]) == (202, "QUEUED")
    floor.worker()

    _, told = events(floor.two, floor.first.key, asked.json()["links"]["events"])

    assert [name for name, _ in told] == ["progress"] * (len(told) - 1) + ["end"]
    assert told[-1][1]["status"] == "SUCCESS", told[-1]
    run = floor.settled_once(asked.json()["pipeline_logging_id"], window)
    assert run["attempt"] == 1
    assert "load_billing" in str(floor.first.get(f"/pipelines/runs/{SLUG}/{run['pipeline_logging_id']}/logs"))


def test_a_run_that_a_worker_has_is_cancelled_from_the_other_and_publishes_nothing(floor):
    floor.worker()
    before = floor.first.daily()
    run_id, _ = floor.taken_up()

    assert cancelled(floor.second, run_id).status_code == 202
    run = floor.first.settled(run_id)
    assert (run["status"], run["manifests"]) == ("CANCELLED", [])
    assert floor.first.daily() == before
    assert floor.first.quota()["running"]["used"] == 0
    problem(cancelled(floor.first, run_id), 409, "conflict")


def test_what_a_killed_worker_had_another_settles_once(floor):
    killed = floor.worker()
    run_id, window = floor.taken_up()
    used = floor.first.quota()["day"]["used"]
    floor.workers.remove(killed)
    floor.another_worker()
    ended(killed, signal.SIGKILL)

    run = floor.settled_once(run_id, window)

    assert run["attempt"] >= 2
    assert floor.first.quota()["day"]["used"] == used


def test_a_worker_that_is_told_to_stop_hands_its_run_back(floor):
    stopping = floor.worker()
    run_id, _ = floor.taken_up()
    stopping.terminate()

    until(lambda: floor.first.run(run_id)["state"] == "QUEUED")
    assert floor.without_workers() == [0]
    assert floor.first.run(run_id)["manifests"] == []
    assert cancelled(floor.second, run_id).status_code == 202
    floor.worker()
    assert floor.first.settled(run_id)["status"] == "CANCELLED"
    assert floor.second.quota()["running"]["used"] == 0


def timely(service: RunningService, method: str, path: str, key: str | None = None, json: Any = None) -> httpx2.Response:
    began = time.monotonic()
    answer = service.call(method, path, key=key, json=json)
    assert time.monotonic() - began < PATIENCE, f"{method} {path} was answered after {time.monotonic() - began:.0f} s"
    assert not [never for never in ("Traceback", PASSWORD) if never in answer.text]
    return answer


def says(service: RunningService, path: str, status: int, key: str | None = None) -> bool:
    return timely(service, "GET", path, key).status_code == status


def test_postgresql_may_go_and_come_back_in_the_middle_of_a_run(floor):
    run, worker = {"date": "2026-08-01"}, floor.worker()
    run_id, window = floor.taken_up()
    paths = (f"/organizations/{SLUG}/quota", f"/pipelines/runs/{SLUG}", f"/pipelines/run/{SLUG}/{BILLING}")
    with floor.no_postgres():
        for service in floor.apis:
            for method, path in zip(("GET", "GET", "POST"), paths, strict=True):
                told = problem(timely(service, method, f"/api/v1{path}", floor.first.key, run), 503, "unavailable")
                assert "PostgreSQL" in told["detail"]
            until(partial(says, service, "/health/ready", 503))
            told = problem(timely(service, "GET", "/health/ready"), 503, "not-ready")
            assert told["checks"]["ledger"]["status"] == "failed"
            assert timely(service, "GET", "/health/live").status_code == 200
    for service in floor.apis:
        until(partial(says, service, "/health/ready", 200))
        until(partial(says, service, f"/api/v1/organizations/{SLUG}/quota", 200, floor.first.key))

    floor.settled_once(run_id, window)
    assert worker.poll() is None
    assert not [path for path in floor.folder.glob("*.log") if PASSWORD in path.read_text()]


def test_bigquery_may_go_and_come_back(floor):
    books = floor.first.daily()
    with floor.no_bigquery():
        for service in floor.apis:
            until(partial(says, service, "/health/ready", 503))
            told = problem(timely(service, "GET", "/health/ready"), 503, "not-ready")
            assert told["checks"]["warehouse"]["status"] == "failed"
            assert told["checks"]["ledger"]["status"] == "ok"
            assert timely(service, "GET", "/health/live").status_code == 200
            for path in ("/whoami", f"/organizations/{SLUG}/quota", f"/pipelines/runs/{SLUG}"):
                assert timely(service, "GET", f"/api/v1{path}", floor.first.key).status_code == 200
        path = f"/api/v1/costs/{SLUG}/daily?from=2026-09-01&to=2026-09-03"
        for answer in together(timely, [(service, "GET", path, floor.first.key) for service in floor.apis]):
            assert "BIGQUERY" in problem(answer, 503, "unavailable")["detail"]
    for service in floor.apis:
        until(partial(says, service, "/health/ready", 200))
    assert [customer.daily() for customer in floor.customers] == [books, books]


# with each of them the password is wrong too: the last two mistakes are that alone
MISTAKES: list[tuple[str, dict[str, str], str]] = [
    ("worker", {"WAREHOUSE": "duckdb"}, "WAREHOUSE"),
    ("worker", {"ENVIRONMENT": "staging", "SANDBOX": "false", "LOCAL_KEYRING": ""}, "LOCAL_KEYRING"),
    ("worker", {"LEDGER_URL": f"mysql://convergence:{PASSWORD}@127.0.0.1/ledger"}, "LEDGER_URL"),
    ("worker", {}, "LEDGER_URL"),
    ("check", {}, "LEDGER_URL"),
]


@pytest.mark.parametrize(("program", "mistake", "named"), MISTAKES, ids=["duckdb", "keyring", "scheme", "password", "password-checked"])
def test_what_is_set_up_wrongly_is_refused_with_the_setting_named(floor, program, mistake, named):
    settings = environment(floor.folder / "mistaken", **{**floor.settings(f"{PASSWORD}-wrong"), **mistake})

    answer = subprocess.run([*CLI, program], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=180, check=False)

    assert answer.returncode != 0
    assert named in answer.stderr
    assert not [never for never in ("Traceback", PASSWORD, ROOT_KEY) if never in answer.stdout + answer.stderr]
