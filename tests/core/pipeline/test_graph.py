import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.pipeline.graph import Graph, walk
from src.core.pipeline.outcome import StepStatus, may_run

WHENS = ("on_success", "on_failure", "on_completion", "always")


def dag(seed: int) -> dict[str, tuple[str, ...]]:
    """Names in a shuffled order, so that a node may be written before those it depends on."""
    chance = random.Random(seed)
    names = [f"n{index}" for index in range(chance.randint(1, 14))]
    edges = {name: tuple(chance.choices(names[:index], k=chance.randint(0, 4)) if index else ()) for index, name in enumerate(names)}
    return {name: edges[name] for name in chance.sample(names, len(names))}


async def test_every_node_is_visited_once_after_all_it_depends_on():
    for seed in range(3000):
        edges = dag(seed)
        events: list[tuple[str, str]] = []
        await walk(Graph.of(edges), visitor(events, random.Random(seed)))

        assert sorted(name for what, name in events if what == "end") == sorted(edges), seed
        for name, needed in edges.items():
            assert events.count(("start", name)) == 1, seed
            assert all(events.index(("end", earlier)) < events.index(("start", name)) for earlier in needed), seed


def visitor(events: list[tuple[str, str]], chance: random.Random) -> Callable[[str], Awaitable[None]]:
    async def visit(name: str) -> None:
        events.append(("start", name))
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        events.append(("end", name))

    return visit


@given(st.integers(0, 2**32))
def test_order_and_ancestors_agree_with_the_edges(seed):
    edges = dag(seed)
    graph = Graph.of(edges)

    assert sorted(graph.order) == sorted(edges)
    assert graph.cycle() == ()
    for name, needed in edges.items():
        assert all(graph.order.index(earlier) < graph.order.index(name) for earlier in needed)
        reached, todo = set(), list(needed)
        while todo:
            one = todo.pop()
            reached.add(one)
            todo += edges[one]
        assert graph.ancestors[name] == reached


@given(st.integers(0, 2**32))
def test_a_cycle_is_found_and_is_one(seed):
    edges = dag(seed)
    chance = random.Random(seed)
    name = chance.choice(sorted(edges))
    back = chance.choice(sorted(Graph.of(edges).ancestors[name]) or [name])
    edges[back] = (*edges[back], name)

    cycle = Graph.of(edges).cycle()

    assert len(cycle) > 1
    assert cycle[0] == cycle[-1]
    assert all(later in edges[earlier] for earlier, later in pairwise(cycle))
    assert len(set(cycle[:-1])) == len(cycle) - 1


async def test_an_exception_in_one_node_stops_the_walk():
    async def visit(name: str) -> None:
        if name == "bad":
            raise LookupError(name)
        await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(60):
            await walk(Graph.of({"bad": (), "stuck": ()}), visit)
    assert raised.group_contains(LookupError)


@given(
    st.sampled_from(WHENS),
    st.lists(st.sampled_from(["SUCCESS", "FAILED", "SKIPPED"]), min_size=1, max_size=4),
    st.lists(st.sampled_from(["SUCCESS", "FAILED", "SKIPPED"]), max_size=3),
)
def test_when_says_what_it_means(when, direct, further):
    needed: dict[str, StepStatus] = {f"d{index}": status for index, status in enumerate(direct)}
    above: dict[str, StepStatus] = needed | {f"f{index}": status for index, status in enumerate(further)}
    expected = {
        "on_success": set(direct) == {"SUCCESS"},
        "on_failure": "FAILED" in direct + further,
        "on_completion": set(direct) == {"SUCCESS"} or "FAILED" in direct + further,
        "always": True,
    }
    assert may_run(when, needed, above) is expected[when]
