"""Publications that meet: whatever the order, one of them is there afterwards and no row of another."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.base.clock import SystemClock
from src.core.base.faults import Fault, Superseded, Throttled
from src.core.base.identity import Tenant
from src.core.engine import open_warehouse
from src.core.engine.port import Fence, Warehouse
from tests.contract.warehouse.conftest import ENGINES, prepare, settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, TUESDAY, days, publish, row, stored

# A statement of BigQuery's emulator takes a hundred times as long as one of DuckDB's.
ROUNDS = {"duckdb": 25, "bigquery": 4}
REPLACED = {"duckdb": 30, "bigquery": 8}
PLANS = {"duckdb": 15, "bigquery": 4}


@pytest.fixture
def costs(warehouse: Warehouse, acme: Tenant) -> Tenant:
    warehouse.ensure_table(acme, COSTS)
    return acme


def race(calls: list[Callable[[], int]]) -> list[int | Fault]:
    start = threading.Barrier(len(calls))

    def one(call: Callable[[], int]) -> int | Fault:
        start.wait()
        try:
            return call()
        except Fault as fault:
            return fault

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


@pytest.mark.parametrize("filled", [False, True], ids=["empty window", "overlapping window"])
def test_one_scope_racing_over_a_window_leaves_exactly_one(engine, warehouse, costs, filled):
    for number in range(ROUNDS[engine]):
        day = MONDAY + timedelta(number)
        base = number * 10
        if filled:
            publish(warehouse, costs, [row(day, "99")], base + 1, days(day, day))
        outcomes = race([partial(publish, warehouse, costs, [row(day, str(n))] * 2, base + 2 + n, days(day, day)) for n in (1, 2)])
        kept = [line[2] for line in stored(warehouse, costs) if line[0] == day]
        won = [n for n, outcome in zip((1, 2), outcomes, strict=True) if outcome == 2]
        assert won, outcomes
        assert kept == [Decimal(won[-1])] * 2
        assert all(isinstance(outcome, Superseded | Throttled) for outcome in outcomes if outcome != 2)


def test_scopes_racing_to_replace_an_empty_window_do_not_double_it(engine, warehouse, costs):
    for number in range(ROUNDS[engine]):
        day = MONDAY + timedelta(number)
        outcomes = race(
            [partial(publish, warehouse, costs, [row(day, str(n))], number + 1, days(day, day), scope=f"scope{n}") for n in (1, 2)]
        )
        assert len([line for line in stored(warehouse, costs) if line[0] == day]) == 1
        lost = [outcome for outcome in outcomes if outcome != 1]
        assert all(isinstance(outcome, Throttled) and outcome.retry for outcome in lost)


def test_scopes_appending_to_one_table_all_commit(warehouse, costs):
    outcomes = race([partial(publish, warehouse, costs, [row(MONDAY, str(n))], 1, scope=f"scope{n}") for n in range(4)])
    assert outcomes == [1, 1, 1, 1]
    assert [line[2] for line in stored(warehouse, costs)] == [0, 1, 2, 3]


def test_while_a_newer_one_is_open_an_older_one_is_superseded(warehouse, costs):
    with warehouse.publication(costs, "new", Fence("costs", 2)) as newer:
        newer.append("costs", [row(MONDAY, "2")])
        with pytest.raises(Superseded):
            publish(warehouse, costs, [row(MONDAY, "1")], 1)
    assert [line[2] for line in stored(warehouse, costs)] == [2]


def test_while_an_older_one_is_open_a_newer_one_may_try_again(warehouse, costs):
    with warehouse.publication(costs, "old", Fence("costs", 1)) as older:
        older.append("costs", [row(MONDAY, "1")])
        with pytest.raises(Throttled) as refused:
            publish(warehouse, costs, [row(MONDAY, "2")], 2)
        assert refused.value.retry
    publish(warehouse, costs, [row(MONDAY, "2")], 2, days(MONDAY, MONDAY))
    assert [line[2] for line in stored(warehouse, costs)] == [2]


def test_while_an_earlier_try_of_the_same_step_is_open_the_next_one_may_try_again(warehouse, costs):
    with suppress(LookupError), warehouse.publication(costs, "run", Fence("costs", 1)) as given_up:
        given_up.append("costs", [row(MONDAY, "1")])
        with pytest.raises(Throttled):
            publish(warehouse, costs, [row(MONDAY, "2")], 1)
        raise LookupError("given up")
    publish(warehouse, costs, [row(MONDAY, "2")], 1)
    with pytest.raises(Superseded):
        publish(warehouse, costs, [row(MONDAY, "3")], 1)
    assert [line[2] for line in stored(warehouse, costs)] == [2]


def test_a_stalled_publication_cannot_follow_a_newer_one(warehouse, costs):
    stalled = warehouse.publication(costs, "old", Fence("costs", 1))
    publish(warehouse, costs, [row(MONDAY, "2")], 2)
    with pytest.raises(Superseded):
        stalled.__enter__()
    assert [line[2] for line in stored(warehouse, costs)] == [2]


def test_readers_see_a_window_whole_while_it_is_replaced(engine, warehouse, costs):
    publish(warehouse, costs, [row(MONDAY, "1")] * 50, 1)
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def read() -> None:
        over = False
        while not over:
            over = done.is_set()  # asked before it reads, so that each reads at least once
            [found] = warehouse.query(costs, "SELECT COUNT(*) AS n, COUNT(DISTINCT cost) AS kinds FROM costs").to_pylist()
            seen.add((found["n"], found["kinds"]))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for generation in range(2, REPLACED[engine]):
                publish(warehouse, costs, [row(MONDAY, str(generation))] * 50, generation, days(MONDAY, MONDAY))
        finally:
            done.set()
        for reader in readers:
            reader.result()
    assert seen == {(50, 1)}


windows = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted)


plans = st.lists(st.tuples(windows, st.sampled_from(["a", "b"]), st.integers(1, 6)), min_size=2, max_size=6)


@pytest.mark.parametrize("engine", ENGINES)
def test_concurrent_replacements_equal_some_serial_order(engine, tmp_path_factory, request):
    @settings(max_examples=PLANS[engine], deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(plan=plans)
    def check(plan: list[tuple[list[int], str, int]]) -> None:
        folder = tmp_path_factory.mktemp("races")
        prepare(engine, folder, request)
        with closing(open_warehouse(settings_for(engine, folder), SystemClock())) as warehouse:
            equal_some_serial_order(warehouse, plan)

    check()


def equal_some_serial_order(warehouse: Warehouse, plan: list[tuple[list[int], str, int]]) -> None:
    """What is left in each day comes from one publication, and each committed one won its days or was replaced there."""
    tenant = tenant_named("acme_corp")
    warehouse.ensure_dataset(tenant)
    warehouse.ensure_table(tenant, COSTS)

    def one(number: int, window: list[int], scope: str, generation: int) -> int:
        span = [MONDAY + timedelta(day) for day in range(window[0], window[1] + 1)]
        return publish(warehouse, tenant, [row(day, str(number)) for day in span], generation, days(span[0], span[-1]), scope=scope)

    outcomes = race([partial(one, n, *p) for n, p in enumerate(plan)])
    rows = stored(warehouse, tenant)

    committed = {n for n, outcome in enumerate(outcomes) if isinstance(outcome, int)}
    by_day: dict[date, list[int]] = {}
    for day, _, cost in rows:
        assert isinstance(day, date)
        assert isinstance(cost, Decimal)
        by_day.setdefault(day, []).append(int(cost))
    assert committed
    assert all(len(found) == 1 and found[0] in committed for found in by_day.values())
    covered = {MONDAY + timedelta(day) for n in committed for day in range(plan[n][0][0], plan[n][0][1] + 1)}
    assert set(by_day) == covered
    for scope in "ab":
        generations = [plan[n][2] for n in committed if plan[n][1] == scope]
        assert len(generations) == len(set(generations))
        last = max((n for n in committed if plan[n][1] == scope), key=lambda n: plan[n][2], default=None)
        if last is not None and {plan[n][1] for n in committed} == {scope}:
            mine = {MONDAY + timedelta(day) for day in range(plan[last][0][0], plan[last][0][1] + 1)}
            assert all(by_day[day] == [last] for day in mine)


PUBLISHER = """
import sys, pathlib
from itertools import count
from tests.contract.warehouse.conftest import *
from tests.contract.warehouse.tables import *
warehouse = open_warehouse(settings_for(sys.argv[1], pathlib.Path(sys.argv[2])), SystemClock())
tenant = tenant_named("acme_corp")
for generation in count(int(sys.argv[3])):
    publish(warehouse, tenant, [row(MONDAY, str(generation), f"s{n}") for n in range(400)] , generation, days(MONDAY, MONDAY))
    print(generation, flush=True)
"""


def publish_patiently(warehouse: Warehouse, tenant: Tenant, rows: list[dict[str, object]], generation: int, day: date) -> None:
    """What the killed publisher left under way may still be in the way for a moment."""
    for left in reversed(range(20)):
        try:
            publish(warehouse, tenant, rows, generation, days(day, day))
        except Throttled as fault:
            if not left:
                raise
            time.sleep(fault.retry_after or 1)
        else:
            return


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.proof)])
@pytest.mark.process
def test_a_kill_leaves_the_old_window_or_the_new_one(engine, tmp_path: Path, kills, request):
    tenant, random = tenant_named("acme_corp"), Random(20261120)
    prepare(engine, tmp_path, request)
    prepared = open_warehouse(settings_for(engine, tmp_path), SystemClock())
    prepared.ensure_dataset(tenant)
    prepared.ensure_table(tenant, COSTS)
    prepared.close()
    generation = 1
    for _ in range(kills):
        argv = [sys.executable, "-c", PUBLISHER, engine, str(tmp_path), str(generation)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as child:
            assert child.stdout
            said = child.stdout.readline()
            assert said, "the publisher must publish once before it is killed"
            time.sleep(random.uniform(0.0, 0.08))
            child.send_signal(signal.SIGKILL)
            said = ([said, *child.stdout.read().splitlines()])[-1]
        reopened = open_warehouse(settings_for(engine, tmp_path), SystemClock())
        costs = [line[2] for line in stored(reopened, tenant)]
        assert len(costs) == 400
        assert len(set(costs)) == 1
        # what was said to be published is there; one more may have committed before it could say so
        assert costs[0] in (Decimal(said.strip()), Decimal(said.strip()) + 1)
        # what was sent before the kill may be committed by BigQuery after it
        generation = reopened.last_generation(tenant, "costs") + 2
        publish_patiently(reopened, tenant, [row(TUESDAY)], generation, TUESDAY)
        publish_patiently(reopened, tenant, [], generation + 1, TUESDAY)
        generation += 2
        reopened.close()
