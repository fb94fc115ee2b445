from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from src.core.ledger.plans import Plan
from src.core.ledger.tables import orgs, quotas, subscriptions
from tests.contract.ledger.rivals import race
from tests.contract.ledger.samples import AT, CROWD, TODAY, org

SLUGS = count()


def reserve(ledger, slug="acme", day=TODAY):
    """None, or the reason it was refused for."""
    refused = ledger.write(quotas.reserve, slug, day=day, at=AT)
    return refused and refused.reason


def used(ledger, slug="acme", day=TODAY):
    found = ledger.read(quotas.usage, slug, day)
    return found.run_today, found.run_month, found.running


@pytest.mark.parametrize(
    ("plan", "reason"),
    [(Plan("P", 37, 1000, 1000), "daily"), (Plan("P", 1000, 1000, 23), "concurrent")],
    ids=["daily", "concurrent"],
)
@pytest.mark.process
def test_two_processes_of_a_hundred_threads_are_admitted_up_to_the_limit_exactly(ledger, settings, crowd, plan, reason):
    plan = Plan("P", *(limit * crowd // CROWD for limit in (plan.daily_runs, plan.monthly_runs, plan.concurrent_runs)))
    limit = min(plan.daily_runs, plan.concurrent_runs)
    ledger.write(org, "acme", plan=plan)
    answers = race("reserve", settings, processes=2, threads=crowd)
    assert len(answers) == 2 * crowd
    assert sum(answers) == limit
    assert reserve(ledger) == reason
    assert used(ledger) == (limit, limit, limit)


class Counted:
    """The rule in plain words: days move forward only, each admission counts for the latest day seen."""

    def __init__(self, plan) -> None:
        self.plan, self.day, self.today, self.month, self.running = plan, date.min, 0, 0, 0

    def reserve(self, day):
        today = 0 if day > self.day else self.today
        month = 0 if day.replace(day=1) > self.day else self.month
        if today >= self.plan.daily_runs or month >= self.plan.monthly_runs or self.running >= self.plan.concurrent_runs:
            return False
        self.day, self.today, self.month, self.running = max(day, self.day), today + 1, month + 1, self.running + 1
        return True

    def release(self):
        self.running = max(0, self.running - 1)


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    limits=st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 3)),
    acts=st.lists(st.one_of(st.none(), st.integers(-3, 40)), max_size=30),
)
def test_days_and_months_roll_over_in_the_reservation_itself(ledger, enough, limits, acts):
    if enough():
        return
    plan, slug, day = Plan("P", *limits), f"org_{next(SLUGS)}", TODAY
    counted = Counted(plan)
    with ledger.writing() as unit:
        org(unit, slug, plan=plan)
        for act in acts:
            if act is None:
                quotas.release(unit, slug, AT)
                counted.release()
                continue
            day = max(TODAY, day + timedelta(days=act))
            admitted = quotas.reserve(unit, slug, day=day, at=AT) is None
            used = quotas.usage(unit, slug, day)
            assert admitted is counted.reserve(day)
            assert used.running == counted.running
            if admitted:
                assert (used.run_today, used.run_month) == (counted.today, counted.month)


def test_a_caller_that_still_thinks_it_is_yesterday_resets_nothing(ledger):
    ledger.write(org, "acme", plan=Plan("P", 2, 100, 100))
    tomorrow = TODAY + timedelta(days=1)
    days = [tomorrow, TODAY, tomorrow, TODAY]
    assert [reserve(ledger, day=day) for day in days] == [None, None, "daily", "daily"]


def test_a_new_month_begins_at_nought_and_a_new_day_keeps_the_month(ledger):
    ledger.write(org, "acme", plan=Plan("P", 5, 3, 100))
    days = [date(2026, 11, 29), date(2026, 11, 30), date(2026, 11, 30), date(2026, 11, 30), date(2026, 12, 1)]
    assert [reserve(ledger, day=day) for day in days] == [None, None, None, "monthly", None]
    assert used(ledger, day=days[-1])[:2] == (1, 1)


def test_of_several_limits_the_one_that_lasts_longest_is_named(ledger):
    ledger.write(org, "acme", plan=Plan("P", 1, 1, 1))
    reserve(ledger)
    assert reserve(ledger) == "monthly"
    ledger.write(subscriptions.set_plan, "acme", Plan("Q", 1, 9, 1), AT)
    assert reserve(ledger) == "daily"
    ledger.write(subscriptions.set_plan, "acme", Plan("R", 9, 9, 1), AT)
    assert reserve(ledger) == "concurrent"


@pytest.mark.parametrize(("status", "admitted"), [("TRIAL", True), ("ACTIVE", True), ("SUSPENDED", False), ("CANCELLED", False)])
def test_the_billing_status_decides_whether_anything_runs(ledger, acme, status, admitted):
    ledger.write(subscriptions.set_status, acme, status, AT)
    assert reserve(ledger) == (None if admitted else "blocked")
    assert used(ledger)[-1] == (1 if admitted else 0)


def test_an_organisation_that_leaves_or_never_came_runs_nothing(ledger, acme):
    ledger.write(orgs.begin_offboarding, acme, AT)
    assert reserve(ledger) == "blocked"
    assert reserve(ledger, slug="nobody") == "blocked"


def test_releasing_frees_one_slot_and_never_goes_below_nought(ledger):
    ledger.write(org, "acme", plan=Plan("P", 9, 9, 1))
    for _ in range(2):
        ledger.write(quotas.release, "acme", AT)
    assert [reserve(ledger), reserve(ledger)] == [None, "concurrent"]
    ledger.write(quotas.release, "acme", AT)
    assert reserve(ledger) is None


def test_usage_tells_of_the_day_asked_for(ledger, acme):
    reserve(ledger)
    assert ledger.read(quotas.usage, acme, TODAY).run_today == 1
    later = ledger.read(quotas.usage, acme, TODAY + timedelta(days=1))
    assert (later.run_today, later.run_month, later.running, later.daily_limit) == (0, 1, 1, 100)
    assert ledger.read(quotas.usage, acme, date(2026, 12, 1)).run_month == 0


def test_one_organisation_uses_nothing_of_another(ledger, acme):
    ledger.write(org, "other", plan=Plan("P", 1, 1, 1))
    reserve(ledger, "other")
    assert reserve(ledger, "other") == "monthly"
    assert ledger.read(quotas.usage, acme, TODAY).run_today == 0
