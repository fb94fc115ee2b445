"""Sources of every kind through the engine: by day of use, by period, with names for slices and without money in raw rows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from src.core.base.faults import BooksNotClosed, Misconfigured, Rejected, StepFailed
from src.core.base.window import Window
from src.core.providers.slices import Listing, OnBytes, Slice
from src.core.step.source.by_day import Row, days_asked
from tests.core.step.source.acme import Acme, Delivered, configured, used
from tests.fakes.billing import Billing


def day(number: int, month: int = 11) -> date:
    return date(2026, month, number)


@pytest.fixture
def by_day(bare: Billing) -> Acme:
    return Acme(bare, configured(bare, "{used: {restates: 2}}"))


@pytest.fixture
def by_month(bare: Billing) -> Acme:
    return Acme(bare, configured(bare, "{period: {closing_day: 10}}"))


def test_a_day_asked_again_is_restated_and_one_taken_back_comes_to_nothing(by_day: Acme):
    by_day.here.clock.today = day(12)
    with by_day.told([used(day(10)), used(day(10), 50, "n"), used(day(11))]) as source:
        first = by_day.load(day(10), day(11), source)
    assert first.manifest["tables"] == {"acme_usage_raw": 3, "acme_cost_daily": 3}
    assert by_day.said() == {"11-10": ("1.50", "provisional"), "11-11": ("1.00", "provisional")}

    by_day.here.clock.today = day(14)
    with by_day.told([used(day(10)), used(day(10), 70, "n")]) as source:
        by_day.load(day(10), day(11), source)
    assert by_day.said() == {"11-10": ("1.70", "complete"), "11-11": ("0.00", "missing")}
    assert by_day.here.ask("SELECT COUNT(*) AS n FROM acme_usage_raw WHERE usage_date = @day", day=day(11)) == [{"n": 0}]
    told = by_day.here.ask("SELECT period, billed_after, reason FROM x_cost_history WHERE grain = 'day' ORDER BY period")
    assert [(one["period"], one["billed_after"], one["reason"]) for one in told] == [
        ("2026-11-10", Decimal("1.7"), "+0.200000000 as the source tells it now"),
        ("2026-11-11", None, "-1.000000000 as the source tells it now"),
    ]

    with by_day.told([used(day(10), 70, "n"), used(day(10))]) as source:
        again = by_day.load(day(10), day(11), source)
    assert again.manifest["rows_read"] == 0  # the same rows in another order


def test_a_month_is_replaced_whole_and_stands_once_it_is_closed(by_month: Acme):
    by_month.here.clock.today = day(12)
    export = Delivered()
    export.deliver("2026-11", "one", used(day(1)), used(day(10)))
    by_month.load(day(1), day(12), export)
    assert by_month.said()["11-10"] == ("1.00", "provisional")
    assert by_month.here.ask("SELECT DISTINCT source, source_slice FROM acme_usage_raw") == [{"source": "usage", "source_slice": "2026-11"}]
    assert by_month.here.ask("SELECT slice, slice_key, last_day, row_count FROM x_source_slices") == [
        {"slice": day(1), "slice_key": "2026-11", "last_day": day(30), "row_count": -1}
    ]

    by_month.here.clock.today = day(12, 12)
    export.deliver("2026-11", "two", used(day(1)), used(day(10), 300), used(day(30)))
    by_month.load(day(5), day(5), export)
    said = by_month.said()
    assert (said["11-01"], said["11-10"], said["11-30"]) == (("1.00", "complete"), ("3.00", "complete"), ("1.00", "complete"))
    assert by_month.here.ask("SELECT COUNT(*) AS n FROM acme_usage_raw") == [{"n": 3}]


def test_a_delivery_without_a_row_closes_no_books(by_month: Acme):
    by_month.here.clock.today = day(12)
    export = Delivered()
    export.deliver("2026-11", "one")
    with pytest.raises(BooksNotClosed, match="2026-11 as holding something"):
        by_month.load(day(1), day(12), export)


def test_a_row_outside_its_period_closes_no_books(by_month: Acme):
    by_month.here.clock.today = day(12)
    export = Delivered()
    export.deliver("2026-11", "one", used(day(1)), used(day(31, 10)))
    with pytest.raises(BooksNotClosed, match="written were"):
        by_month.load(day(1), day(12), export)


def test_a_slice_that_is_listed_twice_counts_not_at_all(by_month: Acme):
    class Twice(Delivered):
        def slices(self, wanted: Window, everything: Window) -> Listing:
            listing = super().slices(wanted, everything)
            return replace(listing, slices=(*listing.slices, *listing.slices))

    export = Twice()
    export.deliver("2026-11", "one", used(day(1)))
    with pytest.raises(StepFailed, match="lists '2026-11' twice"):
        by_month.load(day(1), day(12), export)


@pytest.mark.parametrize("key", ["", "..", "../2026-11", "a\\b", "a\x00"])
def test_what_is_no_name_of_a_slice_is_refused(by_month: Acme, key: str):
    class Odd(Delivered):
        def slices(self, wanted: Window, everything: Window) -> Listing:
            return Listing((Slice(key, day(1), day(30), "one"),), Window(day(1), day(30)))

    with pytest.raises(StepFailed, match="no name"):
        by_month.load(day(1), day(12), Odd())


def test_a_row_of_one_month_in_the_file_of_another_closes_no_books(by_month: Acme):
    """Read together, the days of both months are asked for."""
    export = Delivered()
    export.deliver("2026-10", "one", used(day(1, 10)))
    export.deliver("2026-11", "one", used(day(1)), used(day(31, 10)))
    with pytest.raises(BooksNotClosed, match="usage 2026-11: rows lie outside"):
        by_month.load(day(1, 10), day(12), export)


def test_a_slice_that_stands_for_fewer_days_leaves_none_behind(by_month: Acme):
    class Spans(Delivered):
        last = day(30)

        def slices(self, wanted: Window, everything: Window) -> Listing:
            [one] = super().slices(wanted, everything).slices
            return Listing((replace(one, last=self.last),), Window(day(1), day(30)))

    export = Spans()
    export.deliver("2026-11", "one", used(day(1)), used(day(20)))
    by_month.load(day(1), day(30), export)
    export.last = day(15)
    export.deliver("2026-11", "two", used(day(1)))
    by_month.load(day(1), day(30), export)

    assert by_month.here.ask("SELECT usage_date FROM acme_usage_raw") == [{"usage_date": day(1)}]
    assert by_month.said()["11-20"][0] == "0.00"
    assert len(by_month.here.ask("SELECT * FROM x_source_slices")) == 1


def test_a_month_that_is_delivered_under_another_name_counts_once(by_month: Acme):
    class Renamed(Delivered):
        suffix = ""

        def slices(self, wanted: Window, everything: Window) -> Listing:
            listing = super().slices(wanted, everything)
            return replace(listing, slices=tuple(replace(one, key=one.key + self.suffix) for one in listing.slices))

        def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
            return super().fetch([replace(one, key=one.key.removesuffix(self.suffix)) for one in slices], into, on_bytes)

    export = Renamed()
    export.deliver("2026-11", "one", used(day(1)), used(day(2)))
    by_month.load(day(1), day(12), export)
    export.suffix = "-v2"
    by_month.load(day(1), day(12), export)

    assert by_month.here.ask("SELECT source_slice, COUNT(*) AS n FROM acme_usage_raw GROUP BY 1") == [
        {"source_slice": "2026-11-v2", "n": 2}
    ]
    assert by_month.said()["11-01"][0] == "1.00"


def test_what_is_not_told_of_the_day_on_the_edge_is_not_taken_back(by_day: Acme):
    """It may be put away while it is asked for."""
    rows = [used(day(10)), used(day(11))]

    def ask(window: Window) -> Iterator[tuple[date, Row]]:
        yield from ((row["usage_date"], row) for row in rows if row["usage_date"] in window)

    def load(since: date) -> None:
        columns = by_day.engine.books["acme/cost"].raw["acme_usage_raw"].schema.fields[2:]
        io = by_day.here.parts.warehouse.io_folder(by_day.here.tenant)
        with days_asked(io, "run", {"usage": (columns, ask)}, by_day.here.clock.today, since) as sources:
            by_day.load(day(10), day(11), *sources)

    by_day.here.clock.today = day(12)
    load(day(1))
    rows.clear()
    load(day(10))
    assert by_day.here.ask("SELECT usage_date FROM acme_usage_raw") == [{"usage_date": day(10)}]


def test_a_source_that_tells_of_days_it_was_not_asked_for_is_refused(by_day: Acme):
    ended: list[str] = []

    def ask(_: Window):
        try:
            yield day(3), used(day(3))
            yield day(4), used(day(4))
        finally:
            ended.append("what reads ahead for it")

    folder = by_day.here.parts.settings.data_dir
    with days_asked(folder, "run", {"usage": ((), ask)}, day(12)) as (source,):
        with pytest.raises(StepFailed, match="told of 2026-11-03") as caught:
            source.slices(Window(day(10), day(11)), Window(day(10), day(11)))
        # while somebody still looks at the fault, which holds on to all that led to it
        assert (type(caught.value), ended) == (StepFailed, ["what reads ahead for it"])


def test_a_day_told_in_two_pieces_apart_is_refused(by_day: Acme):
    def ask(_: Window):
        yield from ((day(number), {}) for number in (10, 11, 10))

    with (
        days_asked(by_day.here.parts.settings.data_dir, "run", {"usage": ((), ask)}, day(12)) as (source,),
        pytest.raises(StepFailed, match="again"),
    ):
        source.slices(Window(day(10), day(11)), Window(day(10), day(11)))


@pytest.mark.parametrize("odd", ["many", Decimal("12.5"), 12.5, True])
def test_a_row_that_does_not_fit_its_table_is_refused_by_name(by_day: Acme, odd: object):
    """A fraction of a whole number would be gone before the books could miss it."""
    by_day.here.clock.today = day(12)
    with by_day.told([{**used(day(10)), "tokens": odd}]) as source, pytest.raises(Rejected, match="tokens"):
        by_day.load(day(10), day(11), source)


@pytest.mark.parametrize("name", ["x_cost_daily", "cost_daily", "Acme_cost_daily", "gcp_cost_daily"])
def test_a_table_of_books_is_named_after_its_provider(bare: Billing, name: str):
    folder = configured(bare, "{used: {restates: 2}}") / "acme/cost"
    for path in (folder / "books.yml", folder / "schemas/acme_cost_daily.json"):
        text = path.read_text().replace("acme_cost_daily", name)
        path.rename(path.with_name(path.name.replace("acme_cost_daily", name))).write_text(text)

    with pytest.raises(Misconfigured) as wrong:
        Acme(bare, folder.parents[1]).engine  # noqa: B018 - it is read then

    assert [flaw.message for flaw in wrong.value.flaws] == [
        f"{name} must be snake_case and begin with 'acme_', as every table of a provider does"
    ]
