import json
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import update

from src.core.base.faults import Conflict, Missing, NotYours, PaymentNeeded, QuotaExceeded, Rejected
from src.core.base.window import Window
from src.core.ledger.plans import Plan
from src.core.ledger.tables import orgs, queue, quotas, runs, subscriptions
from src.core.scheduler.refusals import reset_of
from tests.contract.ledger.rivals import at_once
from tests.core.scheduler.parts import DAY, NOON

FIRST = date(2026, 1, 1)
SLUGS = count()


def usual_window(today):
    return Window.day(today - timedelta(days=1))


def day(number):
    return Window.day(FIRST + timedelta(days=number))


def used(work, slug="acme"):
    return work.ledger.read(quotas.usage, slug, NOON.date())


def rows(work, table):
    with work.ledger.reading() as unit:
        return [row._asdict() for row in unit.rows(unit.tables[table].select())]


def test_an_accepted_run_waits_in_the_queue_with_its_trigger(work):
    accepted = work.accept(inputs={"who": "Ada Lovelace"}, priority=3)
    run = accepted.run
    assert (accepted.fresh, run.status, run.attempt, run.user_id, run.request_id) == (True, "QUEUED", 0, "user-7", "req-9")
    entry = work.ledger.read(queue.get, run.pipeline_logging_id)
    assert (entry.state, entry.priority, entry.pipeline_id, entry.max_retries) == ("QUEUED", 3, "acme-gcp-cost", 2)
    assert entry.parameters == {"stage": "plain", "who": "Ada Lovelace"}
    [trigger] = rows(work, "org_scheduled_pipeline_runs")
    assert (trigger["state"], trigger["trigger_type"], trigger["pipeline_logging_id"]) == ("QUEUED", "api", run.pipeline_logging_id)
    assert "Ada" not in json.dumps([run.parameters, trigger["parameters"]])
    assert (used(work).run_today, used(work).running) == (1, 1)


def test_the_same_window_asked_for_by_many_at_once_is_one_run(work):
    work.tenant()
    answers = at_once(20, work.accept)
    assert len({answer.run.pipeline_logging_id for answer in answers}) == 1
    assert sum(answer.fresh for answer in answers) == 1
    assert used(work).running == 1


def test_of_two_hundred_at_once_exactly_as_many_as_the_plan_allows_are_admitted(work):
    work.tenant("acme", Plan("P", 1000, 1000, 7))
    numbers = count()

    def ask():
        try:
            return work.accept(window=day(next(numbers))).fresh
        except QuotaExceeded as refused:
            return refused.facts["reason"]

    answers = at_once(200, ask)
    assert answers.count(True) == 7
    assert answers.count("concurrent") == 193
    assert (used(work).running, used(work).run_today) == (7, 7)
    assert len(rows(work, queue.QUEUE)) == 7


def test_work_that_is_over_may_be_asked_for_again(work):
    first = work.accept().run
    work.ledger.write(runs.finish, first.pipeline_logging_id, status="FAILED", at=NOON)
    again = work.accept()
    assert (again.fresh, again.run.pipeline_logging_id != first.pipeline_logging_id) == (True, True)


def test_an_idempotency_key_names_its_run_also_when_that_is_over_and_no_other_work(work):
    first = work.accept(idempotency_key="k1").run
    work.ledger.write(runs.finish, first.pipeline_logging_id, status="SUCCESS", at=NOON)
    again = work.accept(idempotency_key="k1")
    assert (again.fresh, again.run.pipeline_logging_id, again.run.status) == (False, first.pipeline_logging_id, "SUCCESS")
    with pytest.raises(Conflict, match=first.pipeline_logging_id):
        work.accept(idempotency_key="k1", window=day(3))
    assert work.accept("other", idempotency_key="k1").fresh


def test_the_same_request_for_the_usual_day_is_the_same_work_after_midnight(work):
    def ask(**more: Any):
        today = work.clock.now().date()
        return work.accept(**{"idempotency_key": "k1", "window": usual_window(today), "usual_window": usual_window, **more})

    first = ask().run
    work.clock.at = 13 * 3600
    again = ask()
    assert (again.fresh, again.run.pipeline_logging_id, again.run.window_start) == (False, first.pipeline_logging_id, DAY.start)
    with pytest.raises(Conflict):
        ask(inputs={"stage": "other"})
    with pytest.raises(Conflict):
        ask(window=day(3), usual_window=None)
    work.accept(idempotency_key="k2", window=day(3))
    with pytest.raises(Conflict):
        ask(idempotency_key="k2")


def test_other_inputs_are_other_work(work):
    assert work.accept().run.pipeline_logging_id != work.accept(inputs={"stage": "other"}).run.pipeline_logging_id


@pytest.mark.parametrize(
    ("plan", "reason", "resets", "says"),
    [
        (Plan("STARTER", 1, 9, 9), "daily", "2026-11-22T00:00:00+09:00", "PROFESSIONAL allows 25"),
        (Plan("STARTER", 9, 1, 9), "monthly", "2026-12-01T00:00:00+09:00", "PROFESSIONAL allows 750"),
        (Plan("STARTER", 9, 9, 1), "concurrent", None, "PROFESSIONAL allows 3"),
    ],
)
def test_a_refusal_says_what_is_used_when_it_resets_and_which_plan_has_more(work, plan, reason, resets, says):
    work.tenant("acme", plan)
    work.clock.at = 4 * 3600  # past midnight in Tokyo
    with work.ledger.writing() as unit:
        profile = unit.tables["org_profiles"]
        unit.change(profile.update().values(timezone="Asia/Tokyo"))
    work.accept()
    with pytest.raises(QuotaExceeded, match=says) as refused:
        work.accept(window=day(3))
    assert (refused.value.facts["reason"], refused.value.facts["used"], refused.value.facts["limit"]) == (reason, 1, 1)
    assert refused.value.facts.get("resets_at") == resets
    assert refused.value.retry_after is not None
    assert refused.value.retry_after > 0
    assert len(rows(work, queue.QUEUE)) == 1


@pytest.mark.parametrize(
    ("status", "trial_end", "fault", "says"),
    [
        ("SUSPENDED", None, PaymentNeeded, "suspended"),
        ("TRIAL", date(2026, 11, 19), PaymentNeeded, "ended on 2026-11-19"),
        ("CANCELLED", None, NotYours, "cancelled"),
    ],
)
def test_a_blocked_subscription_says_why_and_what_to_do(work, status, trial_end, fault, says):
    work.tenant()
    work.ledger.write(subscriptions.set_status, "acme", status, NOON)
    work.ledger.write(subscriptions.set_trial_end, "acme", trial_end, NOON)
    with pytest.raises(fault, match=says) as refused:
        work.accept()
    assert "/api/v1/organizations/acme/subscription" in str(refused.value)
    assert used(work).running == 0


def test_a_trial_runs_through_its_last_day(work):
    work.tenant()
    work.ledger.write(subscriptions.set_status, "acme", "TRIAL", NOON)
    work.ledger.write(subscriptions.set_trial_end, "acme", NOON.date(), NOON)
    assert work.accept().fresh


@pytest.mark.parametrize(("zone", "last_hours"), [("Asia/Tokyo", 3), ("UTC", 12), ("America/New_York", 17)])
def test_a_trial_ends_with_its_last_day_where_its_organisation_is(work, zone, last_hours):
    work.tenant()
    with work.ledger.writing() as unit:
        unit.change(update(unit.tables["org_profiles"]).values(timezone=zone))
    work.ledger.write(subscriptions.set_status, "acme", "TRIAL", NOON)
    work.ledger.write(subscriptions.set_trial_end, "acme", NOON.date(), NOON)

    work.clock.at = last_hours * 3600 - 1
    assert work.accept().fresh
    work.clock.at = last_hours * 3600
    with pytest.raises(PaymentNeeded, match="the trial of acme ended on 2026-11-20"):
        work.accept(window=day(1))


def test_nothing_runs_for_an_organisation_that_leaves(work):
    work.tenant()
    work.ledger.write(orgs.begin_offboarding, "acme", NOON)
    with pytest.raises(Missing, match="off-boarded"):
        work.accept()


def test_an_input_that_looks_like_a_secret_never_enters_the_queue(work):
    with pytest.raises(Rejected, match="stage looks like a secret"):
        work.accept(inputs={"stage": "acme_api_0123456789abcdEF"})
    with pytest.raises(Rejected, match="not an input"):
        work.accept(inputs={"stge": "x"})
    assert rows(work, queue.QUEUE) == []


@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, "a", "b"])), max_size=12))
def test_there_is_never_more_than_one_run_of_the_same_work(work, asked):
    slug = f"org{next(SLUGS)}"
    by_window: dict[Any, Any] = {}
    by_key: dict[Any, Any] = {}
    for window, key in asked:
        try:
            run = work.accept(slug, window=day(window), idempotency_key=key).run.pipeline_logging_id
        except Conflict:
            assert by_key[key][0] != window
            continue
        assert by_window.setdefault(window, run) == run
        if key is not None and work.ledger.read(runs.of_request, slug, key):
            by_key.setdefault(key, (window, run))
    assert used(work, slug).running == len(by_window)


@given(at=st.dates(date(2020, 1, 1), date(2030, 1, 1)), zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Apia"]))
def test_a_counter_begins_anew_at_a_midnight_of_the_organisation(at, zone):
    daily, monthly = reset_of("daily", at, zone), reset_of("monthly", at, zone)
    assert (daily.date(), daily.hour) == (at + timedelta(days=1), 0)
    assert (monthly.day, monthly.hour) == (1, 0)
    assert at < monthly.date() <= at + timedelta(days=31)
    assert DAY
