"""Processes that die, stand still or are told to stop while a window grows by a day: before or after, and never in between.

`test_worker_kills` runs one and the same window again and again. Here every run changes what the books say, so that the old window and the
new one can be told apart by every reader, while the process dies and afterwards.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.observed import rows, until
from tests.acceptance.test_bill_again import ordered
from tests.acceptance.test_bill_journey import OVER, Customer, Money, invoices, right
from tests.acceptance.test_worker_kills import moment
from tests.fakes.running import RunningService

CI_KILLS, PROOF_KILLS, KILLS_OF_ONE = 4, 100, 20
LEASE_SECONDS = 2.0
SLOW_MACHINE = 58.0  # what a busy machine may add to a lease; the longest wait is printed
FIRST = date(2026, 9, 1)
GROWN = timedelta(days=1)

Books = dict[tuple[str, date], Money]


@dataclass
class Reader:
    """Somebody who looks all the time. He is told of the old window or of the new one, and once of the new one, always of that."""

    customer: Customer
    old: Books
    new: Books
    answers: int = 0
    cut_off: int = 0
    wrong: list[str] = field(default_factory=list)
    seen_new: bool = False
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        for name, read in (("daily", self.customer.daily), ("gcp_cost_daily", self._download)):
            try:
                told = read()
            except (httpx2.TransportError, AssertionError) as broken:
                self.cut_off += 1
                if isinstance(broken, AssertionError) and "503" not in str(broken):
                    self.wrong.append(f"{name}: {broken}")
                continue
            self.answers += 1
            if told == self.new:
                self.seen_new = True
            elif told != self.old:
                self.wrong.append(f"{name}: neither old nor new: {len(told)} days")
            elif self.seen_new:
                self.wrong.append(f"{name}: the old window after the new one")

    def _download(self) -> Books:
        found: dict[tuple[str, date], list[Any]] = {}
        for row in (
            self.customer.table("gcp_cost_daily").select(["currency", "usage_date", "cost", "credits", "net_cost", "row_count"]).to_pylist()
        ):
            held = found.setdefault((row["currency"], row["usage_date"]), [Decimal(), Decimal(), Decimal(), 0])
            for place, name in enumerate(("cost", "credits", "net_cost", "row_count")):
                held[place] += row[name]
        return {key: Money(*held) for key, held in found.items()}

    @contextmanager
    def looking(self):
        def work() -> None:
            while not self._over.is_set():
                self.look()
                time.sleep(0.2)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()


@dataclass
class Growing:
    """An organisation that knows one load day more with every run, and reads the two before it again."""

    customer: Customer
    last: date = FIRST
    whole: float = 0.0

    @property
    def from_day(self) -> date:
        return max(FIRST, self.last - GROWN)

    @classmethod
    def begun(cls, service: RunningService, slug: str) -> "Growing":
        customer = Customer.of(service, slug, subscription_plan="PROFESSIONAL")
        customer.loaded(FIRST, FIRST, late_days=0)
        here = cls(customer)
        for _ in range(2):
            started = time.monotonic()
            customer.settled(here.ask())
            here.last += GROWN
            here.whole = time.monotonic() - started
        return here

    def reader(self) -> Reader:
        return Reader(self.customer, right("demo", FIRST, self.last), right("demo", FIRST, self.last + GROWN))

    def ask(self) -> str:
        return self.customer.accepted(self.from_day, self.last + GROWN, late_days=0, reload=True)

    def settle(self, run: dict[str, Any], reader: Reader) -> None:
        """The run is over: what it says of itself, its books, its slot and the readers agree."""
        manifests = run["manifests"]
        assert not reader.wrong, (run["pipeline_logging_id"], len(reader.wrong), reader.wrong[:5])
        assert self.customer.quota()["running"]["used"] == 0
        if run["status"] == "SUCCESS":
            assert self.customer.daily() == reader.new
            assert len(manifests) == 1
            assert manifests[0]["rows_read"] == manifests[0]["rows_written"]
            net = {(one["currency"], one["invoice_month"]): Decimal(one["net_cost"]) for one in manifests[0]["totals"]}
            assert net == {key: one.net for key, one in invoices("demo", self.from_day, self.last + GROWN).items()}
            self.last += GROWN
        else:
            assert run["status"] == "FAILED"
            assert run["error"]["message"]
            assert not manifests
            assert self.customer.daily() == reader.old

    def like_one_that_nobody_killed(self) -> None:
        calm = Customer.of(self.customer.service, f"calm_{self.customer.slug}")
        calm.loaded(FIRST, self.last, late_days=0)
        for name in ("gcp_billing_daily_raw", "gcp_cost_daily"):
            assert ordered(self.customer.table(name)) == ordered(calm.table(name)), name
        history = [
            (row["grain"], row["period"], row["currency"], row["pipeline_logging_id"])
            for row in self.customer.table("x_cost_history").to_pylist()
        ]
        assert len(history) == len(set(history))


def sandboxed(folder: Path, **settings: str) -> RunningService:
    given = {"SANDBOX": "true", "WORKER_LEASE_SECONDS": str(LEASE_SECONDS), "WORKER_POLL_SECONDS": "0.1", "WORKER_TAKEOVERS": "20"}
    return RunningService(folder / "data", {**given, **settings}).start().bootstrap()


def begun(customer: Customer, run_id: str) -> bool:
    return bool(customer.run(run_id)["attempt"])


def taken_over(customer: Customer, run_id: str, attempt: int) -> bool:
    run = customer.run(run_id)
    return run["status"] in OVER or run["attempt"] > attempt


@dataclass
class Killer:
    """Kills at random moments, and writes down what it met."""

    service: RunningService
    seed: int
    waits: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def kill(self, here: Growing, number: int, kills: int) -> None:
        case, reader = (self.seed, number), here.reader()
        with reader.looking():
            run_id = here.ask()
            time.sleep(moment(self._chance, number % kills, kills) * here.whole)
            before = here.customer.run(run_id)
            self.service.kill()
            killed = datetime.now(UTC)
            self.service.start()
            self.waits.append(until(partial(taken_over, here.customer, run_id, before["attempt"]), LEASE_SECONDS + SLOW_MACHINE))
            run = here.customer.settled(run_id)
        reader.look()
        assert run["status"] == "SUCCESS", (case, run)
        assert reader.answers >= 2, case
        here.settle(run, reader)
        published = datetime.fromisoformat(run["manifests"][0]["published_at"]) < killed
        self.ends[f"{before['state']}{', published' if published else ''}, then attempt {run['attempt']}"] += 1


def prove(folder: Path, kills: int, seed: int) -> None:
    service = sandboxed(folder)
    killer = Killer(service, seed)
    try:
        for turn in range(0, kills, KILLS_OF_ONE):
            here = Growing.begun(service, f"killed_{turn}")
            for number in range(turn, min(turn + KILLS_OF_ONE, kills)):
                killer.kill(here, number, min(kills, KILLS_OF_ONE))
            here.like_one_that_nobody_killed()
    finally:
        service.stop()
    waited = f"in living hands {max(killer.waits):.2f} s after the start at most"
    print(f"\nseed {seed}: {kills} kills, {dict(killer.ends)}, {waited}")  # noqa: T201 - a proof's result


def test_killed_while_a_window_grows(tmp_path):
    prove(tmp_path, CI_KILLS, seed=random.randrange(2**32))


@pytest.mark.proof
def test_killed_a_hundred_times_while_a_window_grows(tmp_path):
    prove(tmp_path, PROOF_KILLS, seed=random.randrange(2**32))


def test_a_process_that_stood_still_past_its_lease_publishes_nothing_of_that_attempt(tmp_path):
    service = sandboxed(tmp_path)
    try:
        here = Growing.begun(service, "still_corp")
        for moment in (0.05, 0.4):
            reader = here.reader()
            with reader.looking():
                run_id = here.ask()
                until(partial(begun, here.customer, run_id))
                time.sleep(moment * here.whole)
                assert service.process is not None
                stopped = datetime.now(UTC)
                os.kill(service.process.pid, signal.SIGSTOP)
                time.sleep(LEASE_SECONDS + 1)
                os.kill(service.process.pid, signal.SIGCONT)
                run = here.customer.settled(run_id)
            reader.look()
            here.settle(run, reader)
            published = [datetime.fromisoformat(one["published_at"]) for one in run["manifests"]]
            # an attempt that had published before it was stopped had nothing left to publish
            assert run["status"] == "FAILED" or run["attempt"] >= 2 or published[0] <= stopped, (moment, run)
            loads = [step for step in run["steps"] if step["step_id"] == "load_billing" and step["status"] == "SUCCESS"]
            assert bool(loads) == bool(published)
            # one that had published and was stopped before that was written down is found published by the next
            assert len([load for load in loads if datetime.fromisoformat(load["started_at"]) <= published[0]]) <= 1
        here.like_one_that_nobody_killed()
    finally:
        service.stop()


@pytest.mark.parametrize(("drain", "moments"), [("0", (0.05, 0.4)), ("120", (0.05,))])
def test_a_process_told_to_stop_hands_its_run_back_or_ends_it(tmp_path, drain, moments):
    service = sandboxed(tmp_path, WORKER_DRAIN_SECONDS=drain, WORKER_LEASE_SECONDS="60")
    ends: list[str] = []
    try:
        here = Growing.begun(service, "stopped_corp")
        for moment in moments:
            reader = here.reader()
            run_id = here.ask()
            until(partial(begun, here.customer, run_id))
            time.sleep(moment * here.whole)
            process, started = service.process, time.monotonic()
            assert process is not None
            service.stop()
            seconds = time.monotonic() - started
            [left] = rows(service, "SELECT status FROM org_meta_pipeline_runs WHERE pipeline_logging_id = ?", run_id)
            ends.append(left["status"])
            service.start()
            run = here.customer.settled(run_id)
            reader.look()

            assert process.returncode in (0, -signal.SIGTERM)
            assert seconds < 60
            assert run["status"] == "SUCCESS", run
            assert (left["status"], run["attempt"]) in (("SUCCESS", 1), ("QUEUED", 2)), (moment, left, run)
            here.settle(run, reader)
        assert ends[0] == ("QUEUED" if drain == "0" else "SUCCESS")
        quota = here.customer.quota()
        assert (quota["day"]["used"], quota["running"]["used"]) == (3 + len(moments), 0)
    finally:
        service.stop()
