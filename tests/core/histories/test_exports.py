"""Any history of a cloud's exports, and of credentials that open them: no day is whole that a plain model calls partial, no money twice."""

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

from tests.core.histories.clouds import ACCOUNTS, BEGIN, CUSTOMER, OTHER, RESELLER, SINCE, Clouds
from tests.core.histories.exports import Export
from tests.fakes.billing import History, billing

AGES = st.sampled_from([0, 0, 1, 2, 5, 9, 30])
WAITS_DAYS = (1, 1, 2, 5, 12, 40)
WAITS = st.sampled_from(WAITS_DAYS)
PROVEN = int(os.environ.get("HISTORIES", "1000"))
CREDENTIALS = ("first", "second", "third")


class ExportHistories(RuleBasedStateMachine):
    begun: ClassVar[History]
    folder: ClassVar[Path]
    tally: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        place = self.stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder))
        here = self.stack.enter_context(billing(Path(place), SINCE, history=self.begun, sandbox=False))
        self.world = Clouds(here, self.tally)

    def teardown(self) -> None:
        self.tally["histories"] += 1
        try:
            if self.world.sound:
                self.world.finish()
        finally:
            self.stack.close()

    def export(self, at: int) -> Export:
        exports = list(self.world.exports.values())
        return exports[at % len(exports)]

    @initialize(accounts=st.sampled_from([(OTHER,), (OTHER, CUSTOMER), (RESELLER,), (RESELLER, CUSTOMER)]), closed=st.booleans())
    def begins(self, *, accounts: tuple[str, ...], closed: bool) -> None:
        """`closed`: a first month is whole before anything else comes."""
        for account in accounts:
            self.world.begin(account)
        for account in ACCOUNTS:
            self.world.charge(account, SINCE)
        self.world.pass_days((BEGIN - SINCE).days)
        self.world.store(CREDENTIALS[0], self.export(0))
        if closed:
            self.reads_all(40)

    @rule(account=st.sampled_from(ACCOUNTS), age=AGES)
    def charges(self, account: str, age: int) -> None:
        self.world.charge(account, max(SINCE, self.world.here.clock.today - timedelta(age)))

    @rule(
        account=st.sampled_from(ACCOUNTS),
        kind=st.sampled_from(["standard", "detailed"]),
        dataset=st.sampled_from(["one", "two"]),
        told=st.sampled_from(["nothing", "half", "whole", "as it was"]),
    )
    def switches_on(self, account: str, kind: str, dataset: str, told: str) -> None:
        self.world.begin(account, kind, dataset, told=told)

    @rule(what=st.sampled_from(["fill", "restate", "put away"]), at=st.integers(0, 5), which=st.integers(0, 20))
    def rewrites(self, what: str, at: int, which: int) -> None:
        export = self.export(at)
        if what == "fill":
            self.world.fill_again(export)
        elif export.parts:
            load_day = sorted(export.parts)[which % len(export.parts)]
            if what == "restate":
                self.world.restate(min(export.accounts), load_day)
            else:
                self.world.put_away(export, load_day)

    @rule(name=st.sampled_from(CREDENTIALS), at=st.integers(0, 5))
    def stores(self, name: str, at: int) -> None:
        self.world.store(name, self.export(at))
        self.world.check()

    @precondition(lambda self: self.world.stored)
    @rule(which=st.integers(0, 2))
    def removes(self, which: int) -> None:
        names = sorted(self.world.stored)
        self.world.remove(names[which % len(names)])
        self.world.check()

    @rule(days=WAITS)
    def reads_all(self, days: int) -> None:
        """As a schedule does, of every credential."""
        self.world.pass_days(days)
        for name in sorted(self.world.stored):
            self.world.run(name, SINCE, self.world.here.clock.today)
        self.world.check()

    @precondition(lambda self: self.world.stored)
    @rule(
        days=st.sampled_from([0, *WAITS_DAYS]),
        which=st.integers(0, 2),
        since=st.sampled_from([0, 0, 3, 8]),
        whole=st.booleans(),
        late_days=st.sampled_from([None, None, None, 0]),
        reload=st.booleans(),
        fails=st.sampled_from([False, False, False, True]),
    )
    def reads(self, *, days: int, which: int, since: int, whole: bool, late_days: int | None, reload: bool, fails: bool) -> None:
        self.world.pass_days(days)
        names, today = sorted(self.world.stored), self.world.here.clock.today
        first = min(today, SINCE + timedelta(since))
        last = today if whole else min(today, first + timedelta(6))
        self.world.run(names[which % len(names)], first, last, late_days=late_days, reload=reload, fails=fails)
        self.world.check()


def told_of(begun: History, folder: Path, examples: settings) -> Counter[str]:
    tally = Counter[str]()
    run_state_machine_as_test(type("Exports", (ExportHistories,), {"begun": begun, "folder": folder, "tally": tally}), settings=examples)
    return tally


def test_no_day_is_whole_that_lacks_and_no_money_counts_twice(onboarded_once: History, tmp_path: Path):
    tally = told_of(onboarded_once, tmp_path, settings(max_examples=5, stateful_step_count=10, derandomize=True))
    assert tally["days complete"] > 0


@pytest.mark.proof
def test_thousands_of_histories(onboarded_once: History, tmp_path: Path):
    tally = told_of(onboarded_once, tmp_path, settings(max_examples=PROVEN, stateful_step_count=14))
    print(dict(tally))  # noqa: T201 - its purpose
