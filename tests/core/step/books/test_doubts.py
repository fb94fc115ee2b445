"""What is said against a day beside what its slices say of it, and what is said to have brought a change. Pure."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Misconfigured
from src.core.costs.completeness import STATUSES
from src.core.processors.openai.cost import get_engine
from src.core.step.books.completeness import Judgement
from src.core.step.books.doubts import ORDER, TELLABLE, doubt_of_month, doubted, doubts_by_day, worse
from src.core.step.books.history import Figures, restatements
from src.core.step.books.wording import Wording

TENTH, DECEMBER = date(2026, 11, 10), date(2026, 12, 1)
judgements = st.builds(Judgement, st.sampled_from(ORDER), st.sampled_from([None, "one", "other"]))


def told(day: date, completeness: str, reason: str | None = "because") -> dict[str, object]:
    return {"usage_date": day, "completeness": completeness, "reason": reason}


@given(judgements, judgements)
def test_the_worse_of_two_is_told_with_its_reason(one: Judgement, other: Judgement):
    both = worse(one, other)
    assert ORDER.index(both.completeness) == min(ORDER.index(one.completeness), ORDER.index(other.completeness))
    reasons = {judged.reason for judged in (one, other) if judged.completeness == both.completeness and judged.reason}
    assert {said for said in (both.reason or "").split("; ") if said} == reasons


def test_days_are_ordered_as_answers_order_them():
    assert ORDER == STATUSES


@pytest.mark.parametrize(("judged", "doubt"), list(product(ORDER[1:], TELLABLE)))
def test_a_day_is_no_better_than_what_is_said_of_it(judged, doubt):
    assert doubted(Judgement(judged, "a"), Judgement(doubt, "b")).completeness == min(judged, doubt, key=ORDER.index)


def test_a_day_without_a_figure_that_has_rows_is_not_missing():
    missing = Judgement("missing", "the source holds no row of this day")
    assert doubted(missing, Judgement("unpriced", "no price")) == Judgement("unpriced", "no price")
    assert doubted(missing, Judgement("provisional", "a remainder")) == missing
    assert doubted(missing, None) == missing


def test_doubts_of_a_day_are_told_together_where_they_are_as_bad():
    rows = [told(TENTH, "provisional"), told(TENTH, "unpriced", "no price for n"), told(TENTH, "unpriced", "no price for m")]
    assert doubts_by_day(rows) == {TENTH: Judgement("unpriced", "no price for m; no price for n")}


@pytest.mark.parametrize("row", [told(TENTH, "stale"), told(TENTH, "complete"), told(TENTH, "unpriced", None)])
def test_what_is_no_doubt_is_refused(row):
    with pytest.raises(Misconfigured, match="a doubt is partial, unpriced, provisional and says why"):
        doubts_by_day([row])


def test_a_month_is_as_bad_as_its_worst_days_and_names_some():
    doubts = {date(2026, 11, number): Judgement("unpriced", f"n{number}") for number in range(1, 6)}
    doubts |= {TENTH: Judgement("provisional", "x"), DECEMBER: Judgement("partial", "y")}
    assert doubt_of_month("202611", doubts) == Judgement("unpriced", "2026-11-01: n1; 2026-11-02: n2; 2026-11-03: n3; and 2 days more")
    assert doubt_of_month("202612", doubts) == Judgement("partial", "2026-12-01: y")
    assert doubt_of_month("202610", doubts) is None


def words(*days: str, rivals: bool = False) -> Wording:
    """Of the tenth alone, which is one of these."""
    own = {name: frozenset({TENTH}) if name in days else frozenset[date]() for name in ("read", "unread", "priced", "moved")}
    return Wording(own["read"], own["unread"], own["priced"], own["moved"], rivals=rivals)


@pytest.mark.parametrize(
    ("worded", "said"),
    [
        (words("read"), "as the source tells it now"),
        (words(), "as the source tells it now"),  # an invoice month of days that lie in another one
        (words("read", "priced"), "as the source tells it now"),
        (words("read", "moved"), "as the source tells it now"),
        (words("read", "priced", "moved"), "as the source tells it now, at the rates that stand now"),
        (words("unread", "priced"), "as the price book tells it now"),
        (words("unread"), "as the rules of the bill tell it now"),
        (words("read", rivals=True), "by another export of the account taking its place"),
    ],
)
def test_what_brought_a_change_is_said_of_its_day_and_its_month(worded: Wording, said: str):
    assert (worded.of("2026-11-10"), worded.of("202611")) == (said, said)


def test_of_prices_and_rules_that_changed_both_are_said():
    said = {str(TENTH): "computed", "2026-11-11": "reported"}
    before = {(day, "USD"): Figures(Decimal(1), Decimal(0), Decimal(1), 1, figure=figure) for day, figure in said.items()}
    after = {key: replace(one, billed=Decimal(2), net=Decimal(2), figure="computed") for key, one in before.items()}
    days = frozenset({TENTH, date(2026, 11, 11)})
    told = restatements("day", before, after, {}, Wording(unread=days, priced=days))
    assert [one.reason for one in told] == [
        "+1 as the price book tells it now",
        "+1 as the rules of the bill and the price book tell it now",
    ]


def test_no_change_of_a_report_is_said_to_be_one_of_prices():
    derived = get_engine().engine.books["openai"].derived
    assert [one.table for one in derived if one.priced] == ["openai_cost_daily"]
