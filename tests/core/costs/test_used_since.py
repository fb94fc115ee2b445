"""A month is not whole while a provider was never asked for it, unless the organisation says since when it is used."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.window import Window
from src.core.costs.completeness import STATUSES, calendar_of, together
from src.core.costs.daily import read_daily
from src.core.costs.model_sources import ModelSources
from src.core.costs.models import ModelQuestion, read_models
from src.core.costs.question import CostQuestion, Filters, GroupName
from src.core.costs.reader import CostReader
from src.core.costs.run_sight import RunSight
from src.core.costs.sight import CredentialSight, SeenDays, UnreadSource
from src.core.costs.statement import read_statement
from src.core.costs.summary import read_summary
from src.core.costs.used_since import UsedSince
from src.core.ledger.tables.credentials import CredentialRecord
from tests.core.costs.bills import CONFIGS, NOW, cost, mark, marks, publish, reader

OCTOBER = Window(date(2026, 10, 1), date(2026, 10, 31))
NOVEMBER = Window(date(2026, 11, 1), date(2026, 11, 20))
FIFTH = date(2026, 11, 5)
NOTHING_HELD = "openai holds no row of this day; no run can bring it"
SAY_SO = 'where it was not used yet, say so: PUT /api/v1/costs/acme_corp/used-since/openai {"since": "2026-11-05"}'


@pytest.fixture
def added(warehouse, acme):
    """Google's October and November are whole; OpenAI was asked for November, and told of it from the 5th on."""
    days = [*OCTOBER, *NOVEMBER]
    empty = [mark(day, "missing", "openai", completeness_reason=NOTHING_HELD) for day in Window(NOVEMBER.start, date(2026, 11, 4))]
    used = [mark(day, provider="openai") for day in Window(FIFTH, NOVEMBER.end)]
    month = {"provider": "gcp", "invoice_month": "202610", "currency": "USD", "billed_cost": Decimal(31), "credits": Decimal(0)}
    month |= {"net_cost": Decimal(31), "row_count": 31, "completeness": "complete", "pipeline_logging_id": "run", "published_at": NOW}
    publish(warehouse, acme, gcp_cost_daily=[cost(day) for day in days], x_cost_daily=[*marks(days), *empty, *used], x_cost_monthly=[month])
    return reader(warehouse, acme)


def since(asked: CostReader, day: date, provider: str = "openai") -> CostReader:
    return replace(asked, used=UsedSince({provider: day}))


def words(asked: CostReader, window: Window, *groups: GroupName, provider: str | None = None) -> list[str]:
    return [line.standing.status for line in read_daily(asked, CostQuestion(window, Filters(provider), groups), 500).lines]


def test_a_month_that_a_provider_was_never_asked_for_is_not_whole_wherever_it_is_told(added):
    assert words(added, OCTOBER) == ["partial"] * 31
    first = read_daily(added, CostQuestion(OCTOBER), 1).lines[0].standing.reason
    assert first == f"gcp: complete; openai: nobody has asked for this day; run the pipeline from 2026-10-01 to 2026-10-01; {SAY_SO}"
    assert words(added, OCTOBER, "provider") == ["complete", "missing"] * 31
    assert words(added, OCTOBER, provider="gcp") == ["complete"] * 31
    statement = read_statement(added, CostQuestion(OCTOBER), [], 10)
    assert (statement.untold, statement.closed) == (("openai",), False)
    assert statement.trust.startswith("Not yet: 31 days of October 2026 are not complete, the first 2026-10-01: partial (")
    summary = read_summary(added, CostQuestion(NOVEMBER), 10)
    assert "lack money, the first 2026-10-01 (openai: nobody has asked for this day" in str(summary.totals[0].why_null)
    assert read_models_of(added, OCTOBER).completeness["missing"] == 31


def test_a_look_that_found_nothing_says_what_to_do_where_nothing_was_used(added):
    [line] = read_daily(added, CostQuestion(Window.day(NOVEMBER.start)), 5).lines
    assert line.standing.reason == f"gcp: complete; openai: {NOTHING_HELD}; {SAY_SO}"


def test_of_days_before_it_was_used_nothing_is_expected(added):
    told = since(added, FIFTH)
    assert words(told, OCTOBER) == ["complete"] * 31
    assert words(told, NOVEMBER) == ["complete"] * 20
    assert words(told, Window(date(2026, 11, 3), FIFTH), "provider") == ["complete"] * 4
    statement = read_statement(told, CostQuestion(OCTOBER), [], 10)
    assert statement.closed
    assert statement.trust.startswith("As far as its providers' own exports go: every day of October 2026 is complete")
    # it cost nothing before, so the whole may be compared
    summary = read_summary(told, CostQuestion(NOVEMBER, groups=("provider",)), 10)
    assert (summary.totals[0].why_null, summary.totals[0].change.net_cost) == (None, Decimal(0))
    models = read_models_of(told, Window(OCTOBER.start, FIFTH))
    assert models.not_complete == ()


def test_asked_of_the_provider_alone_a_day_before_it_was_used_is_missing_and_says_why(added):
    [line] = read_daily(since(added, FIFTH), CostQuestion(Window.day(OCTOBER.start), Filters("openai")), 5).lines
    assert line.standing.status == "missing"
    assert line.standing.reason == "openai: it is used since 2026-11-05, as the organisation says"


def test_what_was_read_goes_before_what_was_said(added):
    late = since(added, date(2026, 11, 15))
    assert words(late, NOVEMBER) == ["complete"] * 20
    assert words(late, Window(FIFTH, date(2026, 11, 6)), "provider") == ["complete"] * 4
    early = since(added, date(2026, 10, 30))
    assert words(early, OCTOBER) == ["complete"] * 29 + ["partial"] * 2
    assert words(early, Window(date(2026, 10, 29), date(2026, 10, 30)), "provider") == ["complete", "complete", "missing"]
    # between what was said and what was read it lacks
    assert words(early, Window(NOVEMBER.start, FIFTH)) == ["partial"] * 4 + ["complete"]


def test_of_one_that_was_stored_and_never_read_days_before_its_use_are_not_expected_either(added):
    record = cast("CredentialRecord", SimpleNamespace(credential_name="new", created_at=NOW, org_slug="acme_corp", provider="anthropic"))
    unread = replace(since(added, FIFTH), sight=CredentialSight({"anthropic": [UnreadSource("org", record)]}))
    assert words(unread, OCTOBER) == ["partial"] * 31
    both = replace(unread, used=UsedSince({"openai": FIFTH, "anthropic": date(2026, 11, 19)}))
    assert words(both, OCTOBER) == ["complete"] * 31
    assert words(both, NOVEMBER) == ["complete"] * 18 + ["partial"] * 2
    assert words(both, Window(date(2026, 11, 18), date(2026, 11, 19)), "provider") == [
        "complete",
        "complete",
        "missing",
        "complete",
        "complete",
    ]


def test_a_run_that_failed_for_days_before_the_use_keeps_none_from_being_whole(added):
    failed = replace(since(added, FIFTH), runs=RunSight({"openai": {OCTOBER.start: "the last run failed"}}))
    assert words(failed, OCTOBER) == ["complete"] * 31


def read_models_of(asked: CostReader, window: Window):
    return read_models(asked, ModelQuestion(window, ModelSources.of(CONFIGS, None)), 10)


DAYS = [date(2026, 11, 1) + timedelta(days=number) for number in range(8)]
some_days = st.sampled_from([date(2026, 10, 31), *DAYS, date(2026, 11, 9)])
told_marks = st.dictionaries(st.tuples(st.sampled_from(["gcp", "openai"]), st.sampled_from(DAYS)), st.sampled_from(STATUSES))


@given(told_marks, st.dictionaries(st.sampled_from(["gcp", "openai", "anthropic"]), some_days))
def test_no_day_is_whole_of_which_a_provider_was_neither_read_nor_said_to_be_unused(told, said):
    """The days one by one, as a person would judge them, beside what is told."""
    rows = [
        {"usage_date": day, "provider": name, "status": word, "reason": "why", "source_as_of": None, "published_at": None}
        for (name, day), word in told.items()
    ]
    names = {name for name, _ in told}
    used = {name: min((day for (one, day), word in told.items() if one == name and word != "missing"), default=None) for name in names}
    spans = [
        {"provider": name, "first_day": min(day for one, day in told if one == name), "first_used": used[name], "read_at": None}
        for name in names
    ]
    window = Window(DAYS[0], DAYS[-1])
    now = datetime(2026, 11, 21, tzinfo=UTC)
    found = UsedSince(said).seen({"marks": rows, "spans": spans, "unmarked": []}, SeenDays([window], now.date()), "acme")
    calendar = calendar_of(found["marks"], found["unmarked"], found["spans"], now)

    for day in window:
        right = []
        for name in names:
            begins = min(one for one in (said[name], used[name] or said[name])) if name in said else date.min
            if day >= begins:
                right.append(told.get((name, day), "missing"))
        assert calendar.standing(day).status == (together(right) if right else "missing")
