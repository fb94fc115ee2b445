"""The same publications on both engines leave the same rows, show the same while they are open, and count the same."""

from contextlib import ExitStack, closing
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from src.core.base.clock import SystemClock
from src.core.base.schema import Field, TableSchema
from src.core.engine import open_warehouse
from src.core.engine.port import Fence, Publication, TablePart
from tests.contract.warehouse.conftest import prepare, settings_for, tenant_named

MONDAY = date(2026, 11, 16)
ROWS = TableSchema(
    "costs", (Field("day", "DATE"), Field("service", "STRING"), Field("cost", "NUMERIC"), Field("tags", "STRING", "REPEATED"))
)
TOTAL = "SELECT service, COUNT(*) AS n, SUM(cost) AS cost FROM costs GROUP BY service"
# BigQuery stores no NULL array
ALL = "SELECT day, service, cost, COALESCE(ARRAY_TO_STRING(tags, ','), '') AS tags FROM costs ORDER BY day, service, cost, tags"
VIEW = "SELECT service, n, cost FROM total WHERE n > 0 ORDER BY service"

days = st.integers(0, 3).map(lambda number: MONDAY + timedelta(number))
services = st.sampled_from([None, "a", "b"])
rows = st.lists(
    st.fixed_dictionaries(
        {"day": days, "service": services, "cost": st.integers(0, 9).map(Decimal), "tags": st.lists(st.sampled_from("xy"), max_size=2)}
    ),
    max_size=3,
)
parts = st.one_of(
    st.builds(lambda a, b: TablePart("day", min(a, b), max(a, b)), days, days),
    st.builds(lambda several: TablePart(equal={"day": tuple(several)}), st.lists(days, max_size=2)),
    st.just(TablePart(equal={"service": "a"})),
    st.just(TablePart()),
)
CHANGES = (
    "DELETE FROM costs WHERE day = @day",
    "DELETE FROM costs WHERE service = 'a' AND day >= @day",
    "DELETE FROM costs WHERE day IN (SELECT MAX(c.day) FROM costs AS c)",
    "UPDATE costs SET cost = cost + 1 WHERE day <= @day",
    "INSERT INTO costs (service, day, cost) SELECT service, @day, SUM(cost) FROM costs GROUP BY service",
    (
        "MERGE costs USING (SELECT @day AS d, 'b' AS s) AS new ON costs.day = new.d AND costs.service = new.s "
        "WHEN MATCHED THEN UPDATE SET cost = 7 WHEN NOT MATCHED THEN INSERT (day, service, cost) VALUES (new.d, new.s, 5)"
    ),
)
steps = st.one_of(
    st.tuples(st.just("append"), rows),
    st.tuples(st.just("remove"), parts),
    st.tuples(st.just("replace"), rows, st.builds(lambda day: TablePart("day", day, MONDAY + timedelta(3)), st.just(MONDAY))),
    st.tuples(st.just("insert"), days),
    st.tuples(st.just("execute"), st.sampled_from(CHANGES), days),
    st.tuples(st.just("query"), st.sampled_from([ALL, VIEW])),
)


def done(publication: Publication, step: tuple[Any, ...]) -> object:
    match step:
        case ("append", given_rows):
            return publication.append("costs", given_rows)
        case ("remove", part):
            return publication.remove("costs", part)
        case ("replace", given_rows, part):
            return publication.replace("costs", given_rows, part)
        case ("insert", day):
            sql = "SELECT cost, tags, day, service FROM costs WHERE day = @day AND cost > 3"
            return publication.insert("costs", sql, {"day": day}, TablePart("day", day, day))
        case ("execute", sql, day):
            return publication.execute(sql, {"day": day})
        case ("query", sql):
            return publication.query(sql).to_pylist()
    raise AssertionError(step)


@pytest.fixture
def both(request, tmp_path):
    tenant = tenant_named("acme_corp")
    with ExitStack() as stack:
        opened = []
        for engine in ("duckdb", "bigquery"):
            folder = tmp_path / engine
            folder.mkdir()
            prepare(engine, folder, request)
            warehouse = stack.enter_context(closing(open_warehouse(settings_for(engine, folder), SystemClock())))
            warehouse.ensure_dataset(tenant)
            warehouse.ensure_table(tenant, ROWS)
            warehouse.ensure_view(tenant, "total", TOTAL)
            opened.append(warehouse)
        yield tenant, opened


@pytest.mark.engine
@pytest.mark.parametrize("examples", [8, pytest.param(200, marks=pytest.mark.proof)])
def test_random_publications_are_the_same_on_both_engines(both, examples):
    tenant, warehouses = both
    generation = 0

    # without shrinking: an example takes a second or more
    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(before=rows, plan=st.lists(steps, min_size=1, max_size=6))
    def check(before: list[Any], plan: list[Any]) -> None:
        nonlocal generation
        generation += 2
        seen = []
        for warehouse in warehouses:
            with warehouse.publication(tenant, "before", Fence("model", generation)) as publication:
                publication.replace("costs", before)
            with warehouse.publication(tenant, "run", Fence("model", generation + 1)) as publication:
                told = [done(publication, step) for step in plan]
            seen.append((told, warehouse.query(tenant, ALL).to_pylist(), warehouse.query(tenant, VIEW).to_pylist()))
        assert seen[0] == seen[1]

    check()
