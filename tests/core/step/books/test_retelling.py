"""What was told at any moment, of derived rows and of those that stand beside them, against a plain model of many days' histories."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from src.core.base.faults import Misconfigured, Missing, Rejected
from src.core.base.schema import Field, TableSchema
from src.core.engine.port import Fence, Publication
from src.core.step.books.questions import Asking
from src.core.step.books.retelling import flaws_of
from src.core.step.books.rules import Books
from src.core.step.books.telling import By
from src.core.step.source.load import prepare
from tests.core.step.source.acme import Acme, configured
from tests.fakes.billing import Billing, billing

FILL = """
-- Rows as they are, so that some are alike.
SELECT
  usage_date,
  FORMAT_DATE('%Y%m', usage_date) AS invoice_month,
  model,
  'USD' AS currency,
  CAST(tokens AS NUMERIC) / 3 AS cost,
  0 AS credits,
  CAST(tokens AS NUMERIC) / 3 AS net_cost,
  1 AS row_count,
  CASE WHEN tokens > 2 THEN TIMESTAMP '2026-11-01 10:00:00.000001+00' END AS source_as_of
FROM {rows}
"""
AS_OF = """
SELECT usage_date, model, net_cost FROM acme_cost_daily WHERE told_since IS NULL OR told_since <= @moment
UNION ALL
SELECT usage_date, model, net_cost FROM acme_cost_daily_before
WHERE (told_since IS NULL OR told_since <= @moment) AND told_until > @moment
"""
Row = tuple[str | None, int | None]
"""Model and tokens."""
Told = dict[date, Counter[Row]]
FIRST = date(2024, 1, 1)
START = datetime(2026, 11, 1, tzinfo=UTC)


def moment(number: int) -> datetime:
    return START + timedelta(seconds=number)


@dataclass
class Kept:
    """A model of both tables: since when each row is told, and what was told before, until when."""

    since: dict[date, dict[Row, datetime | None]] = field(default_factory=dict)
    told: Told = field(default_factory=dict)
    before: Counter[tuple[date, Row, datetime | None, datetime]] = field(default_factory=Counter)

    def rows(self) -> Counter[tuple[Any, ...]]:
        told = ((day, row, times) for day, rows in self.told.items() for row, times in rows.items())
        return Counter({(day, row[0], cost(row), self.since[day][row]): times for day, row, times in told})

    def tell(self, now: Told, at: datetime) -> None:
        for day, rows in now.items():
            was, since = self.told.get(day, Counter()), self.since.get(day, {})
            for row, times in was.items():
                if rows[row] != times:
                    self.before[day, row, since[row], at] += times
            self.since[day] = {row: since[row] if was[row] == times else at for row, times in rows.items()}
            self.told[day] = rows


@dataclass
class Rig:
    acme: Billing
    books: Books
    generation: int = 0

    def publish(self, work: Callable[[Publication], Any]) -> None:
        self.generation += 1
        with self.acme.parts.warehouse.publication(
            self.acme.tenant, f"run{self.generation}", Fence("acme", self.generation)
        ) as publication:
            work(publication)

    def tell(self, rows: Told, at: datetime) -> None:
        def work(publication: Publication) -> None:
            publication.replace("acme_usage_raw", raw(rows))
            derive(self.books, publication, rows, at)

        self.publish(work)

    def at(self, when: datetime) -> Counter[tuple[date, str | None, Decimal | None]]:
        return Counter((row["usage_date"], row["model"], row["net_cost"]) for row in self.acme.ask(AS_OF, moment=when))

    def now(self) -> Counter[tuple[Any, ...]]:
        found = self.acme.ask("SELECT usage_date, model, net_cost, told_since FROM acme_cost_daily")
        return Counter(tuple(row.values()) for row in found)

    def before(self) -> Counter[tuple[Any, ...]]:
        found = self.acme.ask("SELECT usage_date, model, net_cost, told_since, told_until FROM acme_cost_daily_before")
        return Counter(tuple(row.values()) for row in found)


def raw(rows: Told) -> pa.Table:
    told = [
        {"source": "usage", "source_slice": str(day), "usage_date": day, "model": model, "tokens": tokens}
        for day, some in rows.items()
        for model, tokens in some.elements()
    ]
    columns = {"source": pa.string(), "source_slice": pa.string(), "usage_date": pa.date32(), "model": pa.string(), "tokens": pa.int64()}
    return pa.Table.from_pylist(told, schema=pa.schema(columns))


def derive(books: Books, publication: Publication, days: Iterable[date], at: datetime) -> int:
    return Asking(books, publication).derive(books.cost, days, (), By("acme", f"run at {at}", at)).rows


def cost(row: Row) -> Decimal:
    return (Decimal(row[1] or 0) / 3).quantize(Decimal("1e-9"))


def plainly(told: Told) -> Counter[tuple[date, str | None, Decimal | None]]:
    return Counter({(day, row[0], cost(row)): times for day, rows in told.items() for row, times in rows.items()})


def some(random: Random) -> Counter[Row]:
    """Few kinds of rows, so that they come again, go, and are alike."""
    return Counter((random.choice(("m", "n", None)), random.randint(0, 3)) for _ in range(random.randint(0, 3)))


@contextmanager
def rigged(folder: Path, **settings: Any) -> Iterator[Rig]:
    with billing(folder, date(2026, 11, 20), sandbox=False, **settings) as here:
        here.parts.warehouse.ensure_dataset(here.tenant)
        configs = configured(here, "{used: {restates: 2}}")
        (configs / "acme/cost/books/fill.sql").write_text(FILL)
        acme = Acme(here, configs)
        books = acme.engine.books["acme/cost"]
        prepare(acme.context(FIRST, FIRST), here.tenant, books, {})
        yield Rig(here, books)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as made:
        yield made


@pytest.fixture
def bigquery_rig(tmp_path: Path, bigquery_emulator: Any) -> Iterator[Rig]:
    with rigged(tmp_path, warehouse="bigquery", bigquery_job_seconds=300.0, **bigquery_emulator.named) as made:
        try:
            yield made
        finally:
            made.acme.parts.warehouse.drop_dataset(made.acme.tenant)


def tell_histories(rig: Rig, days: int, moments: int) -> Kept:
    """Each day has a history of its own, of which some publications tell."""
    random, kept, told = Random(11), Kept(), dict[datetime, Told]()
    for number in range(moments):
        touched = [day for day in (FIRST + timedelta(number) for number in range(days)) if random.random() < 0.7]
        now = {day: kept.told[day] if day in kept.told and random.random() < 0.3 else some(random) for day in touched}
        rig.tell(now, moment(number))
        kept.tell(now, moment(number))
        told[moment(number)] = dict(kept.told)
        if number == 0:  # as an earlier release left them: told, and nobody knows since when
            rig.publish(lambda publication: publication.execute("UPDATE acme_cost_daily SET told_since = NULL WHERE TRUE"))
            kept.since = {day: dict.fromkeys(rows) for day, rows in kept.since.items()}

    for when, rows in told.items():
        assert rig.at(when) == plainly(rows), when
    assert rig.at(moment(1) - timedelta(microseconds=1)) == plainly(told[moment(0)])
    assert rig.now() == kept.rows()
    assert rig.before() == Counter({(day, row[0], cost(row), *when): times for (day, row, *when), times in kept.before.items()})
    return kept


def test_what_was_told_at_any_moment_is_what_both_tables_say_of_it(rig: Rig):
    """800 histories, in five publications."""
    kept = tell_histories(rig, days=800, moments=5)

    assert min(len(kept.told), kept.before.total()) > 400
    assert any(times > 1 for times in kept.before.values())


def test_bigquery_tells_the_same(bigquery_rig: Rig):
    kept = tell_histories(bigquery_rig, days=40, moments=2)

    assert len({since for rows in kept.since.values() for since in rows.values()}) == 2  # some came out as they were
    assert any(times > 1 for times in kept.before.values())


def test_what_comes_out_the_same_leaves_nothing_and_is_told_since_it_first_was(rig: Rig):
    rows: Told = {FIRST: Counter({("m", 1): 2, (None, 3): 1}), FIRST + timedelta(1): Counter({("n", 2): 1})}
    for number in range(3):
        rig.tell(rows, moment(number))

    assert rig.acme.ask("SELECT DISTINCT told_since FROM acme_cost_daily") == [{"told_since": moment(0)}]
    assert rig.before() == Counter()


def test_a_difference_of_the_last_digit_is_one_and_says_who_made_it(rig: Rig):
    rig.tell({FIRST: Counter({("m", 10**18 * 3): 1})}, moment(0))
    rig.tell({FIRST: Counter({("m", 10**18 * 3 + 1): 1})}, moment(1))

    [before] = rig.acme.ask("SELECT * FROM acme_cost_daily_before")
    [now] = rig.acme.ask("SELECT * FROM acme_cost_daily")
    assert before["cost"] + Decimal("0.333333333") == now["cost"]
    assert (before["told_since"], before["told_until"], now["told_since"]) == (moment(0), moment(1), moment(1))
    assert before["superseded_by"] == f"run at {moment(1)}"


def test_a_publication_that_fails_leaves_both_as_they_were(rig: Rig):
    rig.tell({FIRST: Counter({("m", 1): 1})}, moment(0))
    rig.tell({FIRST: Counter({("m", 2): 1})}, moment(1))
    before, now = rig.before(), rig.acme.ask("SELECT * FROM acme_cost_daily")

    def broken(publication: Publication) -> None:
        publication.replace("acme_usage_raw", raw({FIRST: Counter({("m", 3): 1})}))
        assert derive(rig.books, publication, [FIRST], moment(2)) == 1
        [seen] = publication.query("SELECT COUNT(*) AS n FROM acme_cost_daily_before").to_pylist()
        assert seen["n"] == 2
        raise Rejected("its books do not close")

    with pytest.raises(Rejected, match="books"):
        rig.publish(broken)
    assert (rig.before(), rig.acme.ask("SELECT * FROM acme_cost_daily")) == (before, now)


def test_a_first_telling_leaves_the_table_beside_alone(rig: Rig):
    """The usual load, and the largest, holds nothing against anything."""
    rig.acme.parts.warehouse.drop_table(rig.acme.tenant, "acme_cost_daily_before")
    rig.tell({FIRST: Counter({("m", 1): 1})}, moment(0))
    assert rig.acme.ask("SELECT told_since FROM acme_cost_daily") == [{"told_since": moment(0)}]

    with pytest.raises(Missing, match="acme_cost_daily_before"):
        rig.tell({FIRST: Counter({("m", 1): 1})}, moment(1))


@pytest.mark.parametrize(
    ("field", "tables", "said"),
    [
        (Field("told_since", "TIMESTAMP"), (), "t.told_since is a column that the engine adds"),
        (Field("Superseded_By", "STRING"), (), "t.superseded_by is a column"),
        (Field("labels", "STRING", "REPEATED"), (), "t.labels is no plain value"),
        (Field("more", "JSON"), (), "t.more is no plain value"),
        (Field("cost", "NUMERIC"), ("t_before",), "t_before is the name"),
        (Field("cost", "NUMERIC"), ("before_t",), None),
    ],
)
def test_a_table_whose_rows_cannot_be_kept_is_told(field: Field, tables: tuple[str, ...], said: str | None):
    found = list(flaws_of(TableSchema("t", (Field("usage_date", "DATE"), field)), tables))
    assert [one[: len(said or "")] for one in found] == ([said] if said else [])


def test_such_a_table_keeps_the_service_from_starting(rig: Rig):
    schema = rig.acme.parts.settings.data_dir / "configs/acme/cost/schemas/acme_cost_daily.json"
    schema.write_text(schema.read_text().replace('"model"', '"told_until"'))
    with pytest.raises(Misconfigured, match="books cannot be kept") as wrong:
        Acme(rig.acme, rig.acme.parts.settings.data_dir / "configs").engine  # noqa: B018 - it is read then
    assert "acme_cost_daily.told_until" in str([flaw.message for flaw in wrong.value.flaws])


def test_the_table_beside_lies_as_its_own_does(rig: Rig):
    own, beside = rig.books.cost.schema, rig.books.cost.retelling.before
    assert (beside.partition, beside.cluster) == (own.partition, own.cluster)
    assert beside.columns == (*own.columns, "told_until", "superseded_by")
    assert [column.mode for column in beside.fields[-3:]] == ["NULLABLE", "REQUIRED", "NULLABLE"]
    assert {"acme_cost_daily", "acme_cost_daily_before"} <= {schema.name for schema in rig.books.schemas}
