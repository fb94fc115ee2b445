"""The scheduler under many organisations, on SQLite and on PostgreSQL. Every commit waits for the disk.

The trigger: passes as the service makes them, until nothing is due, over so many due configurations, four of each organisation. Each
becomes a slot and a run in the queue. The exponent is the slope of seconds over configurations in logarithms: at 1.00 a slot takes as long
however many are due.

The drain: one organisation queues all its runs, of four pipelines, before each of the others queues one. Claims are made and settled one
after the other; then again with all slots of a worker in use, where the oldest is settled before the next claim. Counted is after how many
claims each single run began; those that did not begin within the claims that were made are told as such.
`python -m bench.bench_scheduler [--quick]`; without PostgreSQL its half is left out, with a word.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from math import inf, log
from pathlib import Path
from statistics import linear_regression, median
from typing import TypeVar

from bench.queue_cycle import Desk, opened, prepared, settle_in, settled
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.settings import ROOT
from src.core.base.window import Window
from src.core.ledger.plans import Plan
from src.core.ledger.store import Unit
from src.core.ledger.tables import configs
from src.core.ledger.tables.configs import Schedule
from src.core.pipeline.catalog import Catalog
from src.core.scheduler.acceptance import RunToAccept, accept_within, to_accept
from src.core.scheduler.claims import Claim, next_claim
from src.core.schedules.trigger import trigger
from tests.engines.places import MEND, postgres_bin
from tests.engines.postgres import running_postgres

DOCUMENTS = ("gcp/cost/billing", "openai/usage_cost", "anthropic/usage_cost", "deepseek/usage_cost")
PLAN = Plan("WIDE", 10**6, 10**6, 10**6)
MANY = "many"
WARM_UP = 40
BATCH = 500
T = TypeVar("T")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Size:
    due: tuple[int, ...] = (1_000, 3_000, 10_000)
    queued: int = 10_000
    singles: int = 100
    claims: int = 1_000


QUICK = Size(due=(40, 80, 160), queued=60, singles=6, claims=80)


@dataclass(frozen=True, slots=True)
class Passed:
    due: int
    queued: int
    passes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Drained:
    singles: int
    began: tuple[int, ...]
    """Of each single run that began, after how many claims."""
    claims: int
    seconds: float

    def row(self) -> str:
        # one that did not begin took more claims than were made
        took = [*self.began, *[inf] * (self.singles - len(self.began))]
        shown = (f"> {self.claims}" if one == inf else f"{one:.0f}" for one in (median(took), took[-1]))
        return f"{self.claims:10}{len(self.began):8}{''.join(f'{one:>10}' for one in shown)}{self.seconds / self.claims * 1000:10.2f}"


def exponent(found: Iterable[Passed]) -> float:
    points = [(log(one.due), log(one.seconds)) for one in found]
    return linear_regression([x for x, _ in points], [y for _, y in points]).slope


def passed(desk: Desk, due: int) -> Passed:
    _fall_due(desk, "warm", WARM_UP)
    trigger(desk, desk.catalog)
    _fall_due(desk, "org", due)
    queued = passes = 0
    more, began = True, time.perf_counter()
    while more:
        told = trigger(desk, desk.catalog)
        queued, passes, more = queued + told.queued_count, passes + 1, told.more
    return Passed(due, queued, passes, time.perf_counter() - began)


def _fall_due(desk: Desk, prefix: str, number: int) -> None:
    per = len(DOCUMENTS)
    now = desk.clock.now().replace(second=0, microsecond=0)
    for numbers in _parts(range(-(-number // per))):
        desk.ledger.write(settle_in, [f"{prefix}_{one}" for one in numbers], PLAN)
        due = {f"{prefix}_{one}": now - (one % 50 + 1) * MINUTE for one in numbers}
        desk.ledger.write(_add, [_schedule(slug, document, at) for slug, at in due.items() for document in DOCUMENTS])


def _parts(given: Sequence[T]) -> Iterator[Sequence[T]]:
    """None so long that the ledger is held up by it."""
    return (given[start : start + BATCH] for start in range(0, len(given), BATCH))


def _add(unit: Unit, schedules: Iterable[Schedule]) -> None:
    for schedule in schedules:
        assert configs.add(unit, schedule)


def _schedule(slug: str, document: str, due: datetime) -> Schedule:
    return Schedule(
        config_id=f"{slug}|{document}",
        org_slug=slug,
        pipeline_id=f"{slug}|{document}",
        document=document,
        provider=None,
        domain=None,
        schedule_cron=f"{due.minute} {due.hour} * * *",
        timezone="UTC",
        is_active=True,
        next_run_time=due,
        created_at=due - DAY,
        updated_at=due - DAY,
    )


def crowd(desk: Desk, size: Size) -> None:
    desk.ledger.write(settle_in, [MANY, *_singles(size)], PLAN)
    # each has days of its own, for the same days would be the same run
    asked = [_asked(desk, MANY, DOCUMENTS[number % len(DOCUMENTS)], number // len(DOCUMENTS)) for number in range(size.queued)]
    for some in _parts(asked):
        desk.ledger.write(_accept, some)


def _singles(size: Size) -> list[str]:
    return [f"single_{number}" for number in range(size.singles)]


def _asked(desk: Desk, slug: str, document: str, number: int) -> RunToAccept:
    back, long = divmod(number, 60)
    end = date(2026, 11, 19) - back * DAY
    return to_accept(
        desk,
        desk.catalog,
        tenant=Tenant(org_slug(slug), Environment.DEVELOPMENT),
        actor=Actor("org", org_slug(slug)),
        entry=desk.catalog.get(document),
        window=Window(end - long * DAY, end),
        inputs={},
    )


def _accept(unit: Unit, requests: Iterable[RunToAccept]) -> None:
    for request in requests:
        assert accept_within(unit, request).fresh


async def drained(desk: Desk, size: Size, slots: int) -> Drained:
    """Until each single run has begun, or so many claims are made. A lease is a thing of an event loop."""
    desk.ledger.write(_accept, [_asked(desk, slug, DOCUMENTS[0], slots) for slug in _singles(size)])
    held: deque[Claim] = deque()
    singles: list[int] = []
    claims, began = 0, time.perf_counter()
    while len(singles) < size.singles and claims < size.claims:
        if len(held) == slots:
            settled(desk, held.popleft())
        claim = next_claim(desk, "bench")
        assert claim is not None
        claims += 1
        held.append(claim)
        if claim.entry.org_slug != MANY:
            singles.append(claims)
    while held:
        settled(desk, held.popleft())
    return Drained(size.singles, tuple(singles), claims, time.perf_counter() - began)


def show(engine: str, fresh: Callable[[], str], size: Size, catalog: Catalog) -> None:
    print(f"\ntrigger on {engine}, {len(DOCUMENTS)} configurations an organisation")
    print(f"{'due':>10}{'queued':>10}{'passes':>8}{'seconds':>10}{'slots/s':>10}")
    found = []
    for due in size.due:
        desk = _prepared(fresh(), catalog)
        one = passed(desk, due)
        desk.ledger.close()
        found.append(one)
        print(f"{one.due:10}{one.queued:10}{one.passes:8}{one.seconds:10.2f}{one.queued / one.seconds:10.0f}", flush=True)
    print(f"exponent {exponent(found):.2f}")
    desk = _prepared(fresh(), catalog)
    crowd(desk, size)
    print(f"\ndrain on {engine}, one organisation with {size.queued} queued runs before {size.singles} with one each")
    print("median and most are claims until one of these began")
    print(f"{'slots':>10}{'claims':>10}{'begun':>8}{'median':>10}{'most':>10}{'ms/claim':>10}")
    # with one slot last: what did not begin then would stand before those of the next
    for slots in (desk.settings.worker_slots, 1):
        print(f"{slots:10}{asyncio.run(drained(desk, size, slots)).row()}", flush=True)
    desk.ledger.close()


def _prepared(url: str, catalog: Catalog) -> Desk:
    prepared(url)
    return opened(url, catalog)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers: whether it runs, not how fast")
    size = QUICK if parser.parse_args(arguments).quick else Size()
    numbers, catalog = count(), Catalog.load(ROOT / "configs")
    with tempfile.TemporaryDirectory() as place:
        show("SQLite", lambda: f"sqlite:///{Path(place) / f'{next(numbers)}.db'}", size, catalog)
    if postgres_bin() is None:
        print(f"PostgreSQL is left out: {MEND}")
        return 0
    with running_postgres(durable=True) as server:
        show("PostgreSQL", lambda: server.url(server.create_database()), size, catalog)
    return 0


if __name__ == "__main__":
    sys.exit(main())
