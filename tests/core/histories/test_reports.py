"""The same of providers that are asked by the day of use, and of exports that are delivered by the month."""

import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.core.histories.reports import ACCOUNTS, AXES, SINCE, Reports, books
from tests.fakes.billing import History, billing

WAITS = (1, 1, 2, 3, 5, 12, 40)
CREDENTIALS = ("first", "second", "third")
PROVEN = int(os.environ.get("HISTORIES", "1000"))


class ReportHistories(RuleBasedStateMachine):
    begun: ClassVar[History]
    folder: ClassVar[Path]
    tally: ClassVar[Counter[str]]
    axis: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        place = self.stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder))
        here = self.stack.enter_context(billing(Path(place), SINCE, history=self.begun, sandbox=False))
        configs = books(here, self.axis)
        self.world = Reports(here, configs, by_month=self.axis == "period", tally=self.tally)

    def teardown(self) -> None:
        self.tally["histories"] += 1
        try:
            if self.world.sound:
                self.world.finish()
        finally:
            self.stack.close()

    @initialize(closed=st.booleans())
    def begins(self, *, closed: bool) -> None:
        """`closed`: first days are whole before anything else comes."""
        self.world.pass_days(4)
        self.world.deliver(ACCOUNTS[0], f"{SINCE:%Y-%m}")
        self.world.store(CREDENTIALS[0], ACCOUNTS[0])
        if closed:
            self.reads_all(40)

    @rule(account=st.sampled_from(ACCOUNTS), age=st.integers(0, 3), cost=st.sampled_from([0, 0, 2, 3]))
    def tells(self, account: str, age: int, cost: int) -> None:
        self.world.tell(account, self.world.today - timedelta(age), cost)

    @rule(account=st.sampled_from(ACCOUNTS), age=st.sampled_from([0, 0, 15, 40]), there=st.booleans())
    def delivers(self, account: str, age: int, there: bool) -> None:
        month = f"{self.world.today - timedelta(age):%Y-%m}"
        (self.world.deliver if there else self.world.put_away)(account, month)

    @rule(name=st.sampled_from(CREDENTIALS), account=st.sampled_from(ACCOUNTS))
    def stores(self, name: str, account: str) -> None:
        self.world.store(name, account)
        self.world.check()

    @precondition(lambda self: self.world.stored)
    @rule(which=st.integers(0, 2))
    def removes(self, which: int) -> None:
        names = sorted(self.world.stored)
        self.world.remove(names[which % len(names)])
        self.world.check()

    @rule(days=st.sampled_from(WAITS))
    def reads_all(self, days: int) -> None:
        """As a schedule does, of every credential."""
        self.world.pass_days(days)
        for name in sorted(self.world.stored):
            self.world.run(name, SINCE, self.world.today)
        self.world.check()

    @precondition(lambda self: self.world.stored)
    @rule(
        days=st.sampled_from([0, *WAITS]),
        which=st.integers(0, 2),
        since=st.sampled_from([0, 0, 3, 8]),
        length=st.sampled_from([0, 2, 400]),
        reload=st.booleans(),
        fails=st.sampled_from([False, False, False, True]),
    )
    def reads(self, *, days: int, which: int, since: int, length: int, reload: bool, fails: bool) -> None:
        self.world.pass_days(days)
        names, today = sorted(self.world.stored), self.world.today
        first = min(today, SINCE + timedelta(since))
        self.world.run(names[which % len(names)], first, min(today, first + timedelta(length)), reload=reload, fails=fails)
        self.world.check()


def told_of(begun: History, folder: Path, axis: str, examples: settings) -> Counter[str]:
    tally = Counter[str]()
    given = {"begun": begun, "folder": folder, "tally": tally, "axis": axis}
    run_state_machine_as_test(type("Reports", (ReportHistories,), given), settings=examples)
    return tally


@pytest.mark.parametrize("axis", AXES)
def test_no_day_is_whole_that_lacks_and_no_money_counts_twice(axis: str, onboarded_once: History, tmp_path: Path):
    tally = told_of(onboarded_once, tmp_path, axis, settings(max_examples=4, stateful_step_count=10, derandomize=True))
    assert tally["days complete"] > 0


@pytest.mark.proof
@pytest.mark.parametrize("axis", AXES)
def test_thousands_of_histories(axis: str, onboarded_once: History, tmp_path: Path):
    tally = told_of(onboarded_once, tmp_path, axis, settings(max_examples=PROVEN, stateful_step_count=14))
    print(axis, dict(tally))  # noqa: T201 - its purpose
