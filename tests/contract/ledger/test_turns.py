"""Whose run is next: organisations take turns, and priority is for their own runs."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from src.core.ledger.tables import queue, quotas, retrying
from tests.contract.ledger.samples import AT, org
from tests.contract.ledger.test_queue import LEASE, add, entry, hold

SECOND = timedelta(seconds=1)
NEVER = AT - timedelta(days=1)
SLUGS = ("ant", "bee", "cat")
ADDED = st.tuples(st.just("add"), st.sampled_from(SLUGS), st.integers(0, 2), st.integers(-1, 1))
ACTS = st.lists(st.one_of(ADDED, st.just(("claim",)), st.tuples(st.sampled_from(["end", "retry"]), st.integers(0, 3))), max_size=40)
ALIKE = examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Undo(Exception):
    """Takes back what an example wrote."""


def let_go(unit, mine, slug, at):
    assert queue.complete(unit, mine)
    quotas.release(unit, slug, at, had_turn=True)


def test_with_one_place_a_single_run_starts_next_whatever_the_busy_one_queues(ledger):
    with ledger.writing() as unit:
        for slug in ("busy", "calm", "late"):
            org(unit, slug)
            quotas.reserve(unit, slug, day=AT.date(), at=AT)
    add(ledger, *(entry(f"busy{n}", "busy", priority=9) for n in range(4)))
    add(ledger, entry("calm", "calm", queued_at=AT + SECOND, available_at=AT, priority=-10))
    began = []
    for number in range(5):
        at = AT + number * SECOND
        found = ledger.write(queue.claim, "w1", at, at + LEASE)
        began.append(found.queue_id)
        ledger.write(let_go, hold(found), found.org_slug, at)
        if number == 2:
            add(ledger, entry("late", "late", queued_at=at, available_at=at))
    assert began == ["busy0", "calm", "busy1", "late", "busy2"]


@dataclass
class Line:
    """The rule in plain words."""

    waiting: list[queue.NewEntry] = field(default_factory=list)
    free_at: dict[str, datetime] = field(default_factory=dict)
    running: dict[str, queue.NewEntry] = field(default_factory=dict)
    turns: dict[str, datetime] = field(default_factory=dict)

    def claimable(self, at):
        busy = {one.pipeline_id for one in self.running.values()}
        return [one for one in self.waiting if self.free_at.get(one.queue_id, AT) <= at and one.pipeline_id not in busy]

    def next(self, at):
        many = Counter(one.org_slug for one in self.running.values())

        def rank(one):
            return many[one.org_slug], self.turns.get(one.org_slug, NEVER), -one.priority, one.queued_at, one.queue_id

        return min(self.claimable(at), key=rank, default=None)

    def begins(self, one):
        self.waiting.remove(one)
        self.running[one.queue_id] = one

    def ends(self, queue_id, at, *, again=None):
        one = self.running.pop(queue_id)
        self.turns[one.org_slug] = at
        if again:
            self.waiting.append(one)
            self.free_at[queue_id] = again


@pytest.mark.parametrize("settings", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("places", [1, 3])
@ALIKE
@given(acts=ACTS)
def test_any_queue_is_claimed_as_the_rule_says_and_nobody_is_passed_twice_with_one_place(ledger, places, acts):
    with pytest.raises(Undo):
        ledger.write(played_and_undone, places, acts)


def played_and_undone(unit, places, acts):
    for slug in SLUGS:
        org(unit, slug)
    play(unit, places, acts)
    raise Undo


def play(unit, places, acts):
    line, numbers, held, passed = Line(), count(), {}, Counter()
    for number, (act, *more) in enumerate(acts):
        at = AT + number * SECOND
        if act == "add":
            slug, pipeline, priority = more
            one = entry(f"r{next(numbers):02}", slug, f"{slug}-{pipeline}", priority=priority, queued_at=at, available_at=at)
            queue.add_later(unit, one)
            line.waiting.append(one)
        elif act == "claim" and len(held) < places:
            wanted, able = line.next(at), {one.org_slug for one in line.claimable(at)}
            found = queue.claim(unit, "w1", at, at + LEASE)
            assert (found and found.queue_id) == (wanted and wanted.queue_id)
            if found is None:
                continue
            line.begins(wanted)
            held[found.queue_id] = hold(found)
            passed = Counter({pair: times for pair, times in passed.items() if pair[0] in able and pair[0] != found.org_slug})
            passed.update((other, found.org_slug) for other in able - {found.org_slug})
            assert places > 1 or max(passed.values(), default=0) <= 1
        elif act in ("end", "retry") and held:
            queue_id = sorted(held)[more[0] % len(held)]
            mine, slug, again = held.pop(queue_id), line.running[queue_id].org_slug, at + 3 * SECOND
            line.ends(queue_id, at, again=again if act == "retry" else None)
            if act == "end":
                quotas.reserve(unit, slug, day=AT.date(), at=at)
                let_go(unit, mine, slug, at)
            else:
                retrying.wait(unit, mine, at=at, until=again, why="away")
                quotas.end_turn(unit, slug, at)
