"""Two API processes and three workers on PostgreSQL and the BigQuery emulator, killed at random while customers load bills.

`python -m tests.chaos --minutes 5` prints what came of it. Whatever was accepted is settled exactly once, no quota is passed or kept, and
the books are those of the load days whose runs succeeded.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from tests.acceptance.test_bill_journey import BILLING, OVER, Customer, Money, credential, right
from tests.engines.emulator import BigQueryEmulator, running_emulator
from tests.engines.postgres import PostgresServer, running_postgres
from tests.fakes.running import ROOT, RunningService, environment

APIS, WORKERS = 2, 3
LEASE_SECONDS = 6.0
KILL_EVERY = (4.0, 14.0)  # seconds: a bill takes the emulator most of a minute here, and some are to come through at the first try
SETTLE_SECONDS = 600.0
FIRST = date(2026, 8, 1)
# the first always asks for one more than its plan admits at once
AT_ONCE = {"chaos_one": 4, "chaos_two": 1, "chaos_three": 1}
PLANS = {"chaos_one": "PROFESSIONAL", "chaos_two": "SCALE", "chaos_three": "SCALE"}
LIMITS = {"PROFESSIONAL": 3, "SCALE": 10}
RETRY_SECONDS = 0.5
NOTHING = Money(Decimal(), Decimal(), Decimal(), 0)


@dataclass
class WorkerProcess:
    data: Path
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.data.parent / "workers.log"

    def start(self) -> "WorkerProcess":
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "src.cli.main", "worker"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment(self.data, **self.settings), stdout=out, stderr=subprocess.STDOUT
            )
        return self

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(how)
            self.process.wait(60)
            self.process = None


@dataclass
class Cluster:
    apis: list[RunningService]
    workers: list[WorkerProcess]

    @classmethod
    def built(cls, folder: Path, server: PostgresServer, emulator: BigQueryEmulator, database: str) -> "Cluster":
        settings = {
            **emulator.settings,
            "LEDGER_URL": server.url(database),
            "WAREHOUSE": "bigquery",
            "SANDBOX": "true",
            "WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
            "WORKER_POLL_SECONDS": "0.2",
            "WORKER_TAKEOVERS": "20",
            "WORKER_SLOTS": "2",
            "SCRATCH_DIR": str(folder / "scratch"),
        }
        data = folder / "data"
        apis = [RunningService(data, {**settings, "WORKER_ENABLED": "false"}) for _ in range(APIS)]
        return cls(apis, [WorkerProcess(data, settings) for _ in range(WORKERS)])

    @contextmanager
    def running(self) -> Iterator["Cluster"]:
        try:
            # the first makes the keyring and the sandbox's keys; the others find them
            self.apis[0].start().bootstrap()
            for one in self.processes[1:]:
                one.start()
            yield self
        finally:
            for one in self.processes:
                one.stop()

    @property
    def processes(self) -> list[RunningService | WorkerProcess]:
        return [*self.apis, *self.workers]


@dataclass
class Killer:
    cluster: Cluster
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(120)

    def _work(self) -> None:
        chance = random.Random(self.seed)
        while not self._over.wait(chance.uniform(*KILL_EVERY)):
            # workers are met more often: they are who has something in hand
            chosen = chance.choice([*self.cluster.processes, *self.cluster.processes[APIS:]])
            chosen.kill()
            self.kills["worker" if isinstance(chosen, WorkerProcess) else "api"] += 1
            chosen.start()


@dataclass
class Shopper:
    """An organisation that loads one day after another, several at once, and repeats under the same key what got no answer."""

    cluster: Cluster
    slug: str
    key: str
    chance: random.Random
    accepted: dict[str, date] = field(default_factory=dict)
    endings: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0
    repeated: int = 0
    wrong: list[str] = field(default_factory=list)
    _days: int = 0

    def shop(self, until: float) -> None:
        try:
            while time.monotonic() < until:
                open_ones = [run for run in self.accepted if run not in self.endings]
                if len(open_ones) < AT_ONCE[self.slug]:
                    self._ask()
                self._look(open_ones)
                time.sleep(RETRY_SECONDS)
        except AssertionError as wrong:
            self.wrong.append(str(wrong))

    def settle(self, deadline: float) -> None:
        while open_ones := [run for run in self.accepted if run not in self.endings]:
            if time.monotonic() > deadline:
                self.wrong.append(f"not over within {SETTLE_SECONDS} s: {open_ones}")
                return
            self._look(open_ones)
            time.sleep(RETRY_SECONDS)

    def _ask(self) -> None:
        day = FIRST + timedelta(days=self._days)
        body = {"start_date": str(day), "end_date": str(day), "late_days": 0}
        word = f"{self.slug}-{day}"
        answer = self._call("POST", f"/pipelines/run/{self.slug}/{BILLING}", body, Idempotency_Key=word)
        if answer.status_code == 429:
            self.refused += 1
            return
        assert answer.status_code == 202, answer.text
        run_id = answer.json()["pipeline_logging_id"]
        assert run_id not in self.accepted, f"{run_id} was given twice"
        self.accepted[run_id] = day
        self._days += 1

    def _look(self, run_ids: list[str]) -> None:
        for run_id in run_ids:
            answer = self._call("GET", f"/pipelines/runs/{self.slug}/{run_id}")
            assert answer.status_code == 200, answer.text
            if answer.json()["status"] in OVER:
                self.endings[run_id] = answer.json()

    def _call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """At any of the APIs, again until one answers; a busy one says so and is asked again."""
        while True:
            service = self.chance.choice(self.cluster.apis)
            with suppress(httpx2.TransportError):
                answer = service.call(method, f"/api/v1{path}", key=self.key, json=body, **headers)
                if answer.status_code not in (500, 502, 503):
                    return answer
                if answer.status_code == 500:
                    self.wrong.append(f"{method} {path}: {answer.text}")
                    return answer
            self.repeated += 1
            time.sleep(RETRY_SECONDS)

    @property
    def customer(self) -> Customer:
        return Customer(self.cluster.apis[0], self.slug, self.key)

    def books(self) -> list[str]:
        """What is wrong with them."""
        found = list(self.wrong)
        if len(self.endings) < len(self.accepted):
            return found
        done = {run: day for run, day in self.accepted.items() if self.endings[run]["status"] == "SUCCESS"}
        if self.customer.daily(str(FIRST - timedelta(days=100)), str(FIRST + timedelta(days=200))) != merged(done.values()):
            found.append(f"{self.slug}: the books are not those of the {len(done)} days that succeeded")
        for run_id in self.accepted:
            manifests = self.endings[run_id]["manifests"]
            if len(manifests) != (1 if run_id in done else 0):
                found.append(f"{run_id} is {self.endings[run_id]['status']} and has {len(manifests)} manifests")
        quota = self.customer.quota()
        if quota["running"]["used"] != 0 or quota["day"]["used"] != len(self.accepted):
            found.append(f"{self.slug}: {len(self.accepted)} accepted, and the quota says {quota['day']}, {quota['running']}")
        return found


def merged(days: Any) -> dict[tuple[str, date], Money]:
    whole: dict[tuple[str, date], Money] = {}
    for day in days:
        for key, money in right("demo", day, day).items():
            known = whole.get(key, NOTHING)
            whole[key] = Money(known.billed + money.billed, known.credits + money.credits, known.net + money.net, known.rows + money.rows)
    return whole


@dataclass
class Ledger:
    dsn: str
    over: list[str] = field(default_factory=list)
    most: Counter[str] = field(default_factory=Counter)

    def asked(self, sql: str) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql.encode()).fetchall()

    def watch(self, over: threading.Event) -> None:
        """Whether more runs hold a slot than the plan has, at any moment."""
        while not over.wait(0.1):
            for slug, running in self.asked("SELECT org_slug, concurrent_pipelines_running FROM org_usage_quotas"):
                self.most[slug] = max(self.most[slug], running)
                if running > LIMITS[PLANS[slug]]:
                    self.over.append(f"{slug} has {running} slots")

    def wrong(self, accepted: int) -> list[str]:
        finished = self.asked("SELECT resource, count(*) FROM org_audit_logs WHERE action = 'runs.finished' GROUP BY 1")
        runs = self.asked("SELECT count(*) FROM org_meta_pipeline_runs WHERE document = 'gcp/cost/billing'")[0][0]
        waiting = self.asked("SELECT count(*) FROM org_pipeline_execution_queue WHERE state <> 'DEAD'")[0][0]
        found = [f"{run} was settled {times} times" for run, times in finished if times != 1]
        if len(finished) != accepted or runs != accepted:
            found.append(f"{accepted} accepted, {runs} recorded, {len(finished)} settled")
        return found + ([f"{waiting} entries are left in the queue"] if waiting else []) + self.over[:5]


def chaos(minutes: float, seed: int, say: Callable[[str], None]) -> list[str]:
    """What went wrong."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="convergence-chaos-")))
        server = stack.enter_context(running_postgres(durable=True))
        emulator = stack.enter_context(running_emulator())
        database = server.create_database()
        cluster = stack.enter_context(Cluster.built(folder, server, emulator, database).running())
        ledger = Ledger(server.dsn(database))
        shoppers = [_shopper(cluster, slug, plan, seed) for slug, plan in PLANS.items()]
        killer, watching = Killer(cluster, seed), threading.Event()
        until = time.monotonic() + 60 * minutes
        threads = [threading.Thread(target=shopper.shop, args=(until,)) for shopper in shoppers]
        threads.append(watcher := threading.Thread(target=ledger.watch, args=(watching,)))
        with killer.at_work():
            for thread in threads:
                thread.start()
            for thread in threads:
                if thread is not watcher:
                    thread.join()
        deadline = time.monotonic() + SETTLE_SECONDS
        for shopper in shoppers:
            shopper.settle(deadline)
        watching.set()
        watcher.join()
        accepted = sum(len(shopper.accepted) for shopper in shoppers)
        wrong = ledger.wrong(accepted) + [each for shopper in shoppers for each in shopper.books()]
        _report(say, killer, shoppers, ledger, minutes)
        if wrong and os.environ.get("KEEP_LOGS"):
            say((folder / "workers.log").read_text()[-20_000:])
        return wrong


def _shopper(cluster: Cluster, slug: str, plan: str, seed: int) -> Shopper:
    key = cluster.apis[0].key_of(slug, subscription_plan=plan)
    customer = Customer(cluster.apis[0], slug, key)
    stored = customer.call("POST", f"/integrations/{slug}/gcp/setup", {"credential": credential(cluster.apis[0], "demo")})
    assert stored.status_code == 200, stored.text
    return Shopper(cluster, slug, key, random.Random(f"{seed}{slug}"))


def _report(say: Callable[[str], None], killer: Killer, shoppers: list[Shopper], ledger: Ledger, minutes: float) -> None:
    endings = [end for shopper in shoppers for end in shopper.endings.values()]
    say(f"{minutes:g} minutes, {sum(killer.kills.values())} kills: {dict(killer.kills)}")
    say(f"accepted {sum(len(each.accepted) for each in shoppers)}, ended {dict(Counter(end['status'] for end in endings))}")
    say(f"attempts needed {dict(sorted(Counter(end['attempt'] for end in endings).items()))}")
    say(f"calls repeated {sum(each.repeated for each in shoppers)}, refused for quota {sum(each.refused for each in shoppers)}")
    say(f"most slots held at once {dict(ledger.most)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=20261121)
    given = parser.parse_args()
    wrong = chaos(given.minutes, given.seed, _say)
    ending = "\n".join(["", "WRONG:", *wrong]) if wrong else "\nEvery accepted run was settled once, quotas are exact, books are closed."
    _say(ending)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
