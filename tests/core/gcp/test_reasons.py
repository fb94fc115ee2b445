"""What keeps a day from being complete is told with what helps: each reason is made with real sources, and what it says is done."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.window import Window
from src.core.engine.port import RemoteRows
from src.core.providers.slices import Listing, OnBytes, Slice
from src.core.step import credentials
from src.core.step.books.axis import Axis, Period, Used
from src.core.step.books.completeness import Calendar, of_invoice_month
from src.core.step.books.reasons import MEANS, NO_RUN, Why
from src.core.step.gcp.exports import ExportSource
from src.core.step.source.port import Source
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import SCHEMA, Hand, Restated, connect, load_from, row
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import ROOT, Billing

RUN = re.compile(r"run the pipeline from (\S+) to (\S+): POST /api/v1/pipelines/run/acme_corp/gcp/cost/billing (\{.*?\})")
AFTER = re.compile(r"until (\S+); run the pipeline after that day")
WORSE_FIRST = ("missing", "partial", "stale", "provisional", "complete")


@dataclass
class Office:
    """Who loads, and what there is to be loaded."""

    here: Billing
    axis: Axis | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    """By the name of the credential that opens each."""

    def load(self, first: date, last: date, *names: str, **more: Any) -> None:
        load_from(self.here, first, last, *(self.sources[name] for name in names or self.sources), axis=self.axis, **more)

    def told(self, of: date) -> tuple[str, str]:
        [found] = self.here.ask("SELECT completeness, completeness_reason FROM x_cost_daily WHERE usage_date = @day", day=of)
        return found["completeness"], found["completeness_reason"] or ""


@dataclass
class Delivered:
    """A source of whole months, each known by its first day."""

    name: str
    months: list[Window]
    marks: ClassVar[bool] = True

    def slices(self, wanted: Window, everything: Window) -> Listing:
        return Listing(tuple(Slice(str(one.start), one.start, one.end, "1", len(self._of(one.start))) for one in self.months), everything)

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        paths = tuple(into / f"{one.key}.parquet" for one in slices)
        for one, path in zip(slices, paths, strict=True):
            pq.write_table(pa.Table.from_pylist(self._of(one.first), schema=SCHEMA), path)
        return paths

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:
        return None

    def _of(self, first: date) -> list[dict[str, Any]]:
        return [row(first.replace(day=number), 1, written=first) for number in range(1, 29)]


def export(*hands: Hand) -> dict[str, Source]:
    return {hand.name: ExportSource(hand.table, hand) for hand in hands}


def two(here: Billing) -> tuple[Office, Hand, Hand]:
    every = [*days(1, 31, 10), *days(1, 19)]
    mine = Hand("mine", [row(one, 1) for one in every], account="A", older=day(1, 9))
    other = Hand("other", [row(one, 2, account="B") for one in every], account="B", older=day(1, 9))
    connect(here, mine=[mine], other=[other])
    return Office(here, sources=export(mine, other)), mine, other


def one(here: Billing) -> tuple[Office, Hand]:
    mine = Hand("mine", [row(each, 1) for each in (*days(1, 31, 10), *days(1, 19))], older=day(1, 9))
    return Office(here, sources=export(mine)), mine


def never_read(here: Billing) -> tuple[Office, date]:
    office, _, _ = two(here)
    office.load(day(1, 10), TODAY, "mine")
    return office, day(5, 10)


def begins(here: Billing) -> tuple[Office, date]:
    office, mine = one(here)
    mine.older = None
    mine.rows = [each for each in mine.rows if each["export_time"].date() >= day(20, 10)]
    office.load(day(1, 10), TODAY)
    return office, day(5, 10)


def before(here: Billing) -> tuple[Office, date]:
    office, mine = one(here)
    mine.add(row(day(5, 10), 3, written=day(12, 10)))
    office.load(day(10, 10), TODAY)
    return office, day(5, 10)


def not_looked_at(here: Billing) -> tuple[Office, date]:
    source = Restated("usage", [row(each, 1) for each in days(1, 12, 10)])
    source.rows.append(row(day(5, 10), 1, written=day(2, 10)))
    office = Office(here, Used(restates=0), sources={"usage": source})
    office.load(day(10, 10), day(12, 10))
    office.load(day(1, 10), day(2, 10))
    return office, day(5, 10)


def not_delivered(here: Billing) -> tuple[Office, date]:
    source = Delivered("months", [Window(day(1, 8), day(31, 8)), Window(day(1, 10), day(31, 10))])
    office = Office(here, Period(closing_day=10), sources={"months": source})
    office.load(day(1, 8), day(31, 10))
    # the reason waits for it
    source.months.insert(1, Window(day(1, 9), day(30, 9)))
    return office, day(5, 9)


def unread(here: Billing) -> tuple[Office, date]:
    office, _ = one(here)
    office.load(day(1, 10), day(5, 10), late_days=0)
    return office, day(3, 10)


def removed_unread(here: Billing) -> tuple[Office, date]:
    office, _, other = two(here)
    office.load(day(1, 10), TODAY, "mine")
    office.load(day(1, 10), day(5, 10), "other", late_days=0)
    credentials.remove(here.parts, ROOT, "acme_corp", "gcp", "other")
    office.load(day(1, 10), TODAY, "mine")
    connect(here, other=[other])
    return office, day(8, 10)


def removed_early(here: Billing) -> tuple[Office, date]:
    office = Office(here, Used(restates=3))
    office.sources = {name: Restated(name, [row(each, 1, account=name) for each in days(9, 12)]) for name in ("gone", "usage")}
    here.clock.today = day(12)
    office.load(day(12), day(12), "gone")
    here.clock.today = TODAY
    office.load(day(12), day(12), "usage")
    return office, day(12)


def changed(here: Billing) -> tuple[Office, date]:
    office, mine = one(here)
    office.load(day(1, 10), TODAY)
    mine.add(row(day(5, 10), 3, written=day(17, 10)))
    office.load(day(18), TODAY)
    return office, day(5, 10)


def put_away(here: Billing) -> tuple[Office, date]:
    source = Delivered("months", [Window(day(1, 9), day(30, 9))])
    office = Office(here, Period(closing_day=10), sources={"months": source})
    here.clock.today = day(24, 9)
    office.load(day(1, 9), day(24, 9))
    source.months = [Window(day(1, 10), day(31, 10))]
    here.clock.today = TODAY
    office.load(day(1, 9), day(31, 10))
    return office, day(5, 9)


def looked_early(here: Billing) -> tuple[Office, date]:
    office = Office(here, Used(restates=3), sources={"usage": Restated("usage", [row(day(5), 1)])})
    here.clock.today = day(6)
    office.load(day(5), day(5))
    here.clock.today = TODAY
    office.load(day(19), day(19))
    return office, day(5)


def no_row(here: Billing) -> tuple[Office, date]:
    office, mine = one(here)
    mine.rows = [each for each in mine.rows if each["export_time"].date() != day(5, 10)]
    office.load(day(1, 10), TODAY)
    return office, day(5, 10)


def may_arrive(here: Billing) -> tuple[Office, date]:
    office, _ = one(here)
    office.load(day(1, 10), TODAY)
    return office, day(5)


CASES: dict[Why, Callable[[Billing], tuple[Office, date]]] = {
    Why(made.__name__): made
    for made in (
        never_read, begins, before, not_looked_at, not_delivered, unread, removed_unread, removed_early, changed, put_away, looked_early,
        no_row, may_arrive,
    )
}  # fmt: skip


ELSEWHERE = {
    # of no axis of an export
    Why.NO_MONTH: "test_what_is_no_month_is_helped_by_no_run",
    # books of rivals know whose account it is: tests/core/step/source/test_days_processor.py
    Why.MAYBE_TWICE: "test_a_day_that_is_told_under_a_name_and_was_under_none_is_not_whole",
}


def test_every_reason_has_a_case():
    assert {*CASES, *ELSEWHERE} == {*Why}


@pytest.mark.parametrize("why", CASES)
def test_what_a_reason_says_helps(bare: Billing, why: Why):
    office, of = CASES[why](bare)
    word, reason = office.told(of)
    assert word not in ("complete", "")
    assert any(source.name in reason for source in office.sources.values())

    found, later = RUN.search(reason), AFTER.search(reason)
    if found:
        body = json.loads(found[3])
        assert (body["start_date"], body["end_date"]) == (found[1], found[2])
        credential = body.get("credential_name")
        office.load(date.fromisoformat(found[1]), date.fromisoformat(found[2]), *([credential] if credential else []))
    elif later:
        bare.clock.today = date.fromisoformat(later[1]) + timedelta(1)
        office.load(of, of)
    else:
        assert NO_RUN in reason or "no run can tell" in reason
        office.load(of, TODAY)
        assert office.told(of)[0] == word
        return
    assert WORSE_FIRST.index(office.told(of)[0]) > WORSE_FIRST.index(word)


def test_what_is_no_month_is_helped_by_no_run():
    stands = of_invoice_month("202613", sources=[], calendar=Calendar(TODAY, Used(0)))

    assert (stands.completeness, stands.reason, stands.why) == ("partial", f"'202613' is no month; {NO_RUN}", Why.NO_MONTH)


@pytest.mark.parametrize("name", ["docs/concepts.md", "docs/reference/api.md", "docs/reference/books.md"])
def test_each_word_is_told_by_the_same_sentence_everywhere(name: str):
    page = " ".join((Path(__file__).parents[3] / name).read_text().split())

    assert [word for word, sentence in MEANS.items() if not re.search(rf"\| `?{word}`? \| {re.escape(sentence)}", page)] == []
