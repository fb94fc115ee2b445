"""`gcp.bq_etl` without books: what a query gives at the source, written to a table of the organisation."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.base.faults import BooksNotClosed, LeaseLost, Misconfigured, Rejected, Superseded
from src.core.base.window import Window
from src.core.processors.gcp.bq_etl import BigQueryETLEngine
from src.core.step.context import StepContext
from src.sandbox.gcp.accounts import EUROS, standard_table
from tests.fakes.billing import ROOT
from tests.fakes.remote_queries import AnsweredQueries

DAYS = pa.schema({"ingest_date": pa.date32(), "team": pa.string(), "cost": pa.int64()})
RUNS = count(1)


def day(number: int) -> date:
    return date(2026, 10, number)


def on(number: int, cost: int = 1, team: str = "red") -> dict[str, Any]:
    return {"ingest_date": day(number), "team": team, "cost": cost}


def etl(acme, source, first=1, last=None, *, document="gcp/copies/daily", run_id=None, generation=0, held=None, **config: Any):
    window = Window(day(first), day(last or first))
    context = StepContext(
        run_id=run_id or f"etl{next(RUNS):06}",
        step_id="load_copy",
        actor=ROOT,
        services=acme.parts,
        log=structlog.get_logger(),
        tenant=acme.tenant,
        variables={"start_date": window.start, "end_date": window.end, "date": window.end, "least": 5},
        document_id=document,
        generation=generation,
        **({"held": held} if held else {}),
    )
    given = {"source_query": "SELECT * FROM `proj.ds.costs` WHERE day = {date}", "destination_table": "gcp_copy", **config}
    engine = BigQueryETLEngine().queries
    return (replace(engine, open=lambda *_: source) if source else engine).run(given, context)


def test_the_sandbox_answers_a_query_as_google_does(acme):
    """Through Google's own client, joins and aggregation included, its result in pages by its job."""
    table = f"`sandbox-billing.billing_export.{standard_table(EUROS)}`"
    query = f"""
      SELECT DATE(_PARTITIONTIME) AS ingest_date, service.description AS service, COUNT(*) AS n
      FROM {table} AS lines
      JOIN (SELECT DISTINCT service.id AS id FROM {table} WHERE _PARTITIONTIME = TIMESTAMP({{date}})) AS used ON used.id = lines.service.id
      WHERE _PARTITIONTIME = TIMESTAMP({{date}})
      GROUP BY 1, 2"""
    told = etl(acme, None, 5, source_query=query, write_mode="overwrite")

    counted = acme.ask("SELECT SUM(CAST(JSON_VALUE(record, '$.n') AS INT64)) AS n, COUNT(*) AS groups FROM gcp_copy")
    assert counted == [{"n": acme.parts.sandbox.gcp.answers(standard_table(EUROS), day(5), day(5)).rows, "groups": told["rows_processed"]}]
    with pytest.raises(Rejected, match=r"[Nn]ot found"):
        etl(acme, None, 5, source_query="SELECT * FROM `sandbox-billing.billing_export.nothing`")


def answering(*rows: dict[str, Any], schema: pa.Schema = DAYS) -> AnsweredQueries:
    return AnsweredQueries(schema, list(rows))


def kept(acme) -> list[tuple[str, int]]:
    """Day and cost of each row."""
    rows = acme.ask("SELECT ingest_date, JSON_VALUE(record, '$.cost') AS cost FROM gcp_copy ORDER BY 1, 2")
    return [(f"{row['ingest_date']:%d}", int(row["cost"])) for row in rows]


def test_append_adds_each_time_that_a_window_is_run(acme):
    first = etl(acme, answering(on(1), on(1, 2)), write_mode="append")
    etl(acme, answering(on(1, 3)), write_mode="append")

    assert (first["rows_processed"], first["destination_table"], first["tables"]) == (2, "gcp_copy", {"gcp_copy": 2})
    assert kept(acme) == [("01", 1), ("01", 2), ("01", 3)]


def test_a_run_that_is_taken_over_after_its_commit_writes_nothing_twice(acme):
    first = etl(acme, answering(on(1)), write_mode="append", run_id="taken")
    again = answering(on(1))
    second = etl(acme, again, write_mode="append", run_id="taken")

    assert second == first
    assert again.asked == []
    assert kept(acme) == [("01", 1)]


def test_a_run_whose_lease_is_lost_while_it_writes_leaves_all_as_it_was(acme):
    etl(acme, answering(on(1)), write_mode="append")
    asked = count()

    def lost_in_the_end() -> None:
        if next(asked) >= 1:  # it still had the run when rows were read
            raise LeaseLost("another worker has it")

    with pytest.raises(LeaseLost):
        etl(acme, answering(on(1, 2)), write_mode="truncate", held=lost_in_the_end)
    assert kept(acme) == [("01", 1)]


def test_an_older_claim_publishes_nothing_after_a_newer_one(acme):
    etl(acme, answering(on(1, 2)), write_mode="append", generation=20)
    with pytest.raises(Superseded):
        etl(acme, answering(on(1)), write_mode="append", generation=10)

    assert kept(acme) == [("01", 2)]


def test_overwrite_replaces_the_days_of_its_window_whatever_windows_were_run_before(acme):
    etl(acme, answering(*(on(number) for number in (1, 2, 3))), 1, 3, write_mode="overwrite")
    etl(acme, answering(on(2, 20), on(4, 40)), 2, 4, write_mode="overwrite")

    assert kept(acme) == [("01", 1), ("02", 20), ("04", 40)]  # the third had rows, and has none any more


RUN = st.tuples(st.sampled_from(["daily", "other"]), st.integers(1, 5), st.integers(0, 2), st.sets(st.integers(1, 5)))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RUN, min_size=1, max_size=4))
def test_in_any_order_each_day_is_as_it_was_last_asked_for(acme, runs):
    acme.parts.warehouse.drop_table(acme.tenant, "gcp_copy")
    said: dict[tuple[str, int], int] = {}
    for number, (document, first, more, held) in enumerate(runs):
        window = range(first, min(first + more, 5) + 1)
        source = answering(*(on(one, number) for one in held if one in window))
        etl(acme, source, window[0], window[-1], write_mode="overwrite", empty="allowed", document=f"gcp/copies/{document}")
        said = {key: cost for key, cost in said.items() if key[0] != document or key[1] not in window}
        said |= {(document, one): number for one in held if one in window}

    assert kept(acme) == sorted((f"{one:02}", cost) for (_, one), cost in said.items())


def test_overwrite_leaves_alone_what_another_step_has_written(acme):
    etl(acme, answering(on(1)), write_mode="overwrite")
    etl(acme, answering(on(1, 2)), write_mode="overwrite", document="gcp/copies/other")
    etl(acme, answering(on(1, 3)), write_mode="overwrite")

    assert kept(acme) == [("01", 2), ("01", 3)]
    sources = acme.ask("SELECT source_table FROM gcp_copy ORDER BY 1")
    assert [row["source_table"] for row in sources] == ["gcp/copies/daily/load_copy", "gcp/copies/other/load_copy"]


def test_overwrite_writes_no_row_that_its_next_run_would_not_replace(acme):
    etl(acme, answering(on(1)), write_mode="overwrite")
    with pytest.raises(Rejected):
        etl(acme, answering(on(1, 2), on(2)), write_mode="overwrite")

    assert kept(acme) == [("01", 1)]


def test_overwrite_of_several_days_asks_for_the_day_of_a_row(acme):
    undated = pa.schema([DAYS.field("cost")])
    with pytest.raises(Rejected, match="let it give ingest_date, or run a day at a time"):
        etl(acme, answering({"cost": 1}, schema=undated), 1, 2, write_mode="overwrite")
    etl(acme, answering({"cost": 1}, schema=undated), 2, write_mode="overwrite")

    assert kept(acme) == [("02", 1)]


def test_truncate_leaves_what_the_query_gives_alone(acme):
    etl(acme, answering(on(1), on(2)), 1, 2, write_mode="append", document="gcp/copies/other")
    etl(acme, answering(on(3, 3)), 3, write_mode="truncate")

    assert kept(acme) == [("03", 3)]


@pytest.mark.parametrize("mode", ["overwrite", "truncate"])
def test_an_empty_result_empties_a_table_only_where_that_is_declared(acme, mode):
    etl(acme, answering(on(1)), write_mode=mode)
    with pytest.raises(BooksNotClosed, match=r"gave no rows.*gcp_copy; where that is right, say `empty: allowed`"):
        etl(acme, answering(), write_mode=mode)
    assert kept(acme) == [("01", 1)]

    assert etl(acme, answering(), write_mode=mode, empty="allowed")["rows_processed"] == 0
    assert kept(acme) == []


def test_append_of_nothing_is_told_and_may_be_refused(acme):
    assert etl(acme, answering(), write_mode="append")["rows_processed"] == 0
    with pytest.raises(BooksNotClosed, match="add none to gcp_copy"):
        etl(acme, answering(), write_mode="append", empty="refused")


def test_the_template_default_takes_the_row_as_json(acme):
    etl(acme, answering(on(2, 7)), 2, write_mode="append", source_name="teams")
    [row] = acme.ask("SELECT source_table, ingest_date, record FROM gcp_copy")

    assert (row["source_table"], row["ingest_date"]) == ("teams", day(2))
    assert json.loads(row["record"]) == {"ingest_date": "2026-10-02", "team": "red", "cost": 7}


def test_a_query_may_make_the_record_itself(acme):
    schema = pa.schema({"record": pa.string(), "extra": pa.string()})
    done = etl(acme, answering({"record": '{"a": 1}', "extra": "x"}, schema=schema), write_mode="append")

    assert [json.loads(row["record"]) for row in acme.ask("SELECT record FROM gcp_copy")] == [{"a": 1}]
    assert done["columns_unknown"] == ["extra"]


MOMENT = pa.timestamp("us", tz="UTC")
LINES = pa.schema(
    {
        "usage_date": pa.date32(),
        "export_time": MOMENT,
        "cost": pa.float64(),
        "credits": pa.list_(pa.struct({"amount": pa.float64(), "novel": pa.string()})),
        "novelty": pa.string(),
    }
)
LINE = {
    "usage_date": day(1),
    "export_time": datetime(2026, 10, 1, tzinfo=UTC),
    "cost": 71192484.68,
    "credits": [{"amount": -0.1, "novel": "x"}],
    "novelty": "?",
}


def test_columns_go_by_the_template_and_what_differs_is_told(acme):
    done = etl(acme, answering(LINE, schema=LINES), write_mode="overwrite", schema_template="billing_cost")
    [row] = acme.ask("SELECT cost, credits[OFFSET(0)].amount AS credit, source_table, ingest_date FROM gcp_copy")

    assert (row["cost"], row["credit"]) == (Decimal("71192484.68"), Decimal("-0.1"))
    assert (row["source_table"], row["ingest_date"]) == ("gcp/copies/daily/load_copy", day(1))
    assert done["columns_unknown"] == ["novelty"]
    assert "sku" in done["columns_absent"]
    [manifest] = acme.ask("SELECT source, rows_read, rows_written, columns_unknown, source_version FROM x_load_manifests")
    assert (manifest["source"], manifest["rows_read"], manifest["rows_written"]) == ("proj.ds.costs", 1, 1)
    assert json.loads(manifest["columns_unknown"]) == ["novelty"]
    assert json.loads(manifest["source_version"])[0]["bytes_processed"] == 1000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"usage_date": None}, "usage_date: the template requires it, and the query does not give it"),
        ({"cost": pa.string()}, "cost: is STRING and goes to NUMERIC; cast it in source_query"),
        ({"credits": pa.float64()}, "credits: is an array at one of the two and not at the other"),
        ({"credits": pa.list_(pa.struct({"amount": pa.string()}))}, "credits.amount: is STRING and goes to NUMERIC"),
    ],
)
def test_what_does_not_fit_the_template_is_refused_before_it_is_paid_for(acme, change, told):
    kinds = {name: kind for name, kind in {**dict(zip(LINES.names, LINES.types, strict=True)), **change}.items() if kind is not None}
    source = answering(schema=pa.schema(kinds))
    with pytest.raises(Rejected, match="does not fit the template billing_cost") as refused:
        etl(acme, source, write_mode="append", schema_template="billing_cost")

    assert told in str(refused.value)
    assert source.asked == []


def test_a_result_that_has_nothing_of_the_template_is_refused(acme):
    with pytest.raises(Rejected, match="requires it"):
        etl(acme, answering(schema=pa.schema({"other": pa.string()})), schema_template="billing_cost")


def test_variables_become_parameters_of_the_query(acme):
    source = answering(on(3))
    etl(acme, source, 3, source_query="SELECT * FROM `proj.ds.costs` WHERE day = {date} AND cost > {least}")

    [asked] = source.asked
    assert asked.sql == "SELECT * FROM `proj.ds.costs` WHERE day = @date AND cost > @least"
    assert asked.params == {"date": day(3), "least": 5}
    assert source.closed


def test_many_rows_are_written_a_statement_at_a_time(acme):
    done = etl(acme, answering(*(on(1, number) for number in range(7))), write_mode="append", rows_per_statement=3)

    assert done["rows_processed"] == 7
    assert [cost for _, cost in kept(acme)] == list(range(7))


def test_what_is_read_leaves_no_file_behind(acme):
    etl(acme, answering(on(1)), write_mode="append")

    assert list(acme.parts.warehouse.io_folder(acme.tenant).rglob("*.parquet")) == []


def test_a_copy_says_nothing_about_when_costs_were_last_read(october):
    read = "SELECT provider, COUNT(*) AS n FROM x_load_manifests GROUP BY provider ORDER BY provider"
    before = october.ask(read)
    etl(october, answering(on(1)), write_mode="append")

    assert october.ask(read) == [{"provider": "bigquery", "n": 1}, *before]


def test_raw_rows_of_books_are_not_written_to(october):
    before = october.ask("SELECT COUNT(*) AS n FROM gcp_billing_daily_raw")
    with pytest.raises(Misconfigured, match=r"kept by configs/gcp/cost/books\.yml; choose another table"):
        etl(october, answering(on(1)), destination_table="gcp_billing_daily_raw", write_mode="truncate")

    assert october.ask("SELECT COUNT(*) AS n FROM gcp_billing_daily_raw") == before
