"""A day of many organisations, whose clock jumps from event to event: nothing of it waits, and a seed repeats it to the row.

The ledger, the trigger, claims, retries and settling are the service's own; what a run does is to take its time and to end as the dice say.
"""

import heapq
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from src.core.base.faults import Fault, LeaseLost, Rejected, Unavailable
from src.core.base.identity import Actor
from src.core.ledger.plans import Plan
from src.core.ledger.tables import configs, queue, subscriptions
from src.core.ledger.tables.configs import Schedule
from src.core.ledger.tables.slots import slot_id
from src.core.scheduler import accounting
from src.core.scheduler.claims import lease_end, next_claim
from src.core.scheduler.lease import Lease
from src.core.scheduler.leased_journal import LeasedJournal
from src.core.scheduler.progress import Board
from src.core.scheduler.recovery import recover, sweep
from src.core.scheduler.retention import reset_daily
from src.core.schedules.timekeeper import LOOK_SECONDS, _next_moment
from src.core.schedules.trigger import follow, trigger
from tests.contract.ledger.samples import org
from tests.core.scheduler.parts import NOON, Floor
from tests.core.schedules.parts import RUNS, SLOTS, rows

ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Los_Angeles", "America/St_Johns",
    "America/Sao_Paulo", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo", "Pacific/Auckland",
)  # fmt: skip
PLANS = (Plan("SMALL", 2, 40, 1), Plan("TINY", 30, 4, 1), Plan("MIDDLE", 6, 100, 2), Plan("LARGE", 60, 2000, 5))
DOCUMENTS = {"quick": "gcp", "slow": "aws", "slower": "azure"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEAST_PAUSE = 30.0
LAST = timedelta(minutes=30)
TOLD = ("due", "queued", "ran", "waited", "failed", "retried", "taken over", "killed", "ledger")


@dataclass(frozen=True)
class Wish:
    """A schedule as somebody who knows nothing of cron would write it down."""

    minute: int
    hour: int | None = None
    every: int | None = None

    @property
    def cron(self) -> str:
        if self.every is not None:
            return f"*/{self.every} * * * *"
        return f"{self.minute} {'*' if self.hour is None else self.hour} * * *"

    def falls_due(self, begin: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
        """By looking at each minute's time of day: after the beginning, up to the end."""
        found, at = [], begin + MINUTE
        while at <= end:
            local, before = at.astimezone(zone), (at - MINUTE).astimezone(zone)
            if self.hour is None:
                wanted = local.minute % self.every == 0 if self.every is not None else local.minute == self.minute
            else:
                now, then, wish = (local.hour, local.minute), (before.hour, before.minute), (self.hour, self.minute)
                leapt = local.replace(tzinfo=None) - before.replace(tzinfo=None) > MINUTE and then < wish < now
                wanted = (now == wish and local.fold == 0) or leapt
            if wanted:
                found.append(at)
            at += MINUTE
        return found


@dataclass(eq=False)
class Job:
    lease: Lease
    journal: LeasedJournal
    fate: str
    beaten: datetime


@dataclass(eq=False)
class Hand:
    """A worker's process."""

    owner: str
    alive: bool = True
    jobs: dict[str, Job] = field(default_factory=dict)


class Weather:
    """The ledger as it is reached: away for a while, then for another one now and then, before a write or after it."""

    def __init__(self, ledger: Any, now: Callable[[], datetime], chance: random.Random) -> None:
        self._ledger = ledger
        self._now = now
        self._chance = chance
        self.away = self.rough = (datetime.max.replace(tzinfo=UTC),) * 2
        self.broke = 0
        self.between: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def read(self, *args: Any, **more: Any) -> Any:
        return self._call(self._ledger.read, args, more)

    def glance(self, *args: Any, **more: Any) -> Any:
        return self._call(self._ledger.glance, args, more)

    def write(self, *args: Any, **more: Any) -> Any:
        # somebody else comes between two units of a pass, as two processes do
        meanwhile, self.between = self.between, None
        if meanwhile is not None:
            meanwhile()
        return self._call(self._ledger.write, args, more)

    def _call(self, call: Callable[..., Any], args: Any, more: Any) -> Any:
        now = self._now()
        if self.away[0] <= now < self.away[1]:
            self._break()
        rough = self.rough[0] <= now < self.rough[1]
        if rough and self._chance.random() < 0.04:
            self._break()
        done = call(*args, **more)
        if rough and self._chance.random() < 0.04:
            # it was written, and the answer is lost
            self._break()
        return done

    def _break(self) -> None:
        self.broke += 1
        raise Unavailable("the ledger is away")


class SimulatedDay:
    def __init__(self, work: Floor, day: date, *, seed: int, orgs: int, hands: int) -> None:
        self.work = work
        self.begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=2)
        self.end = self.begin + timedelta(hours=28)
        self.chance = random.Random(seed)
        self.told: dict[datetime, Counter[str]] = defaultdict(Counter)
        self.due: dict[str, list[datetime]] = {}
        self.passes: list[datetime] = []
        self.zones: dict[str, ZoneInfo] = {}
        self.plans: dict[str, Plan] = {}
        self.blocked: set[str] = set()
        self.trials: dict[str, date] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._set(self.begin)
        for number in range(orgs):
            self._found(f"org{number:04d}", number, day)
        self.weather = Weather(work.ledger, work.clock.now, self.chance)
        self.weather.away = (self.begin + 9 * HOUR, self.begin + 9 * HOUR + timedelta(minutes=95))
        self.weather.rough = (self.begin + 14 * HOUR, self.begin + 17 * HOUR)
        self.plain = work.ledger
        work.ledger = self.weather  # type: ignore[assignment]
        self.hands = [Hand(f"hand-{number}") for number in range(hands)]
        self._hand_number = count(hands)
        self._queued_last = 0

    def _found(self, slug: str, number: int, day: date) -> None:
        zone, plan = ZONES[number % len(ZONES)], PLANS[self.chance.choice((0, 1, 2, 2, 3, 3))]
        self.zones[slug], self.plans[slug] = ZoneInfo(zone), plan
        with self.work.ledger.writing() as unit:
            assert org(unit, slug, plan=plan, created_at=self.begin - timedelta(days=30), timezone=zone)
            if number % 17 == 5:
                assert subscriptions.set_status(unit, slug, "SUSPENDED", self.begin)
                self.blocked.add(slug)
            elif number % 13 == 3:
                assert subscriptions.set_status(unit, slug, "TRIAL", self.begin)
                self.trials[slug] = day - timedelta(days=number % 2)
                assert subscriptions.set_trial_end(unit, slug, self.trials[slug], self.begin)
            for place, document in enumerate(self.chance.sample(sorted(DOCUMENTS), self.chance.choice((2, 3)))):
                self._wish(unit, slug, f"{slug}-{place}", document, zone)

    def _wish(self, unit: Any, slug: str, config_id: str, document: str, zone: str) -> None:
        minute, dice = self.chance.randrange(60), self.chance.random()
        if dice < 0.06:
            wish = Wish(0, every=30)
        elif dice < 0.14:
            wish = Wish(minute)
        else:
            # in the hours in which clocks are changed, most of all
            wish = Wish(minute, hour=self.chance.choice((0, 1, 1, 2, 2, 3, 8, 13, 22)))
        self.due[config_id] = wish.falls_due(self.begin, self.end, ZoneInfo(zone))
        made = Schedule(
            config_id=config_id, org_slug=slug, pipeline_id=f"{slug}-{DOCUMENTS[document]}-cost", document=document,
            provider=DOCUMENTS[document], domain="cost", schedule_cron=wish.cron, timezone=zone, is_active=True,
            next_run_time=self.due[config_id][0], max_retries=self.chance.randint(0, 3), catch_up=self.chance.random() < 0.3,
            created_at=self.begin - timedelta(days=30), updated_at=self.begin,
        )  # fmt: skip
        assert configs.add(unit, made)

    @property
    def now(self) -> datetime:
        return self.work.clock.now()

    def run(self) -> None:
        for slots in self.due.values():
            for slot in slots:
                self._note("due", slot)
        self._after(0, self._keep_time)
        self._after(7, self._look)
        self._after(3600, self._inspect)
        self._after(600, self._kill)
        self._after(1800, self._tidy)
        # after what falls due at the end was looked at, and before the next minute
        self._after((self.end - self.begin).total_seconds() + LEAST_PAUSE + 10, self._leave_off)
        while self._events:
            at, _, event = heapq.heappop(self._events)
            self.work.clock.at = max(self.work.clock.at, at)
            event()
            if self.now > self.end + LAST and not self._queued_last and not self._open():
                break
        self.work.ledger = self.plain

    def table(self) -> str:
        lines = [f"{'hour (UTC)':<14}" + "".join(f"{name:>11}" for name in TOLD)]
        for hour in sorted(self.told):
            lines.append(f"{hour:%m-%d %H:00}   " + "".join(f"{self.told[hour][name]:>11}" for name in TOLD))
        whole = sum(self.told.values(), Counter())
        lines.append(f"{'in all':<14}" + "".join(f"{whole[name]:>11}" for name in TOLD))
        return "\n".join(lines)

    # what happens

    def _keep_time(self) -> None:
        """As the service's own clock does; now and then another one is at it too."""
        pause = LOOK_SECONDS
        try:
            before = self.weather.broke
            if self.chance.random() < 0.2:
                self.weather.between = self._trigger
            self._trigger()
            following = self.work.ledger.read(_next_moment)
            if self.weather.broke == before:
                self.passes.append(self.now)
            if following is not None:
                pause = max(LEAST_PAUSE, (following - self.now).total_seconds())
        except Unavailable:
            self._note("ledger")
        self.weather.between = None
        self._after(min(pause, 600.0), self._keep_time)

    def _trigger(self) -> None:
        done = trigger(self.work, self.work.catalog)
        self._queued_last = done.queued_count
        self._note("queued", number=done.queued_count)
        self._note("waited", number=len(done.skipped))
        if done.queued_count:
            self._after(1, self._look_once)

    def _look(self) -> None:
        """Each minute; and at once when there is something."""
        self._look_once()
        self._after(60, self._look)

    def _look_once(self) -> None:
        for hand in self.hands:
            try:
                self._take_up(hand)
            except Unavailable:
                self._note("ledger")

    def _take_up(self, hand: Hand) -> None:
        if not self.work.ledger.glance(queue.waiting, self.now):
            return
        self._note("taken over", number=recover(self.work, tuple(hand.jobs)))
        while len(hand.jobs) < self.work.settings.worker_slots:
            claim = next_claim(self.work, hand.owner, tuple(hand.jobs))
            if claim is None:
                return
            lease = Lease(self.work, claim, Board([], self.work.clock), self.work.clock.sleep)
            journal = LeasedJournal(self.work, lease, self.work.catalog.get(claim.entry.document))
            dice = self.chance.random()
            job = Job(lease, journal, "away" if dice < 0.1 else "wrong" if dice < 0.13 else "done", self.now)
            hand.jobs[claim.run_id] = job
            seconds = self.chance.choice((4, 9, 15, 40, 70, 300))
            self._after(0 if journal.foregone() else seconds, partial(self._end, hand, job))
            self._after(self.work.settings.worker_lease_seconds / 3, partial(self._beat, hand, job))

    def _beat(self, hand: Hand, job: Job) -> None:
        claim, span = job.lease.claim, self.work.settings.worker_lease_seconds
        if not hand.alive or hand.jobs.get(claim.run_id) is not job:
            return
        if (self.now - job.beaten).total_seconds() >= span:
            del hand.jobs[claim.run_id]
            return
        try:
            if not self.work.ledger.write(queue.heartbeat, claim.hold, self.now, lease_end(self.work, self.now)).held:
                del hand.jobs[claim.run_id]
                return
            job.beaten = self.now
        except Unavailable:
            self._note("ledger")
        self._after(span / 3, partial(self._beat, hand, job))

    def _end(self, hand: Hand, job: Job) -> None:
        """One that had stood still does not know that its lease is over."""
        claim, journal = job.lease.claim, job.journal
        if hand.jobs.get(claim.run_id) is not job:
            return
        ending = journal.ending = journal.ending or journal.foregone() or self._ending(job)
        try:
            journal.settle()
        except LeaseLost:
            del hand.jobs[claim.run_id]
            return
        except Unavailable:
            self._note("ledger")
            self._after(5, partial(self._end, hand, job))
            return
        del hand.jobs[claim.run_id]
        self._count_end(claim.run_id, ending.status)
        try:
            if follow(self.work, self.work.catalog, claim):
                self._note("queued")
        except Fault:
            self._note("ledger")
        self._after(0.5, self._look_once)

    def _ending(self, job: Job) -> Any:
        if job.fate == "done":
            return job.journal.ended("SUCCESS", at=self.now, code=None, why=None)
        fault = Unavailable("the provider is away") if job.fate == "away" else Rejected("there is no export")
        ended = job.journal.ended("FAILED", at=self.now, code=fault.code, why=str(fault))
        if fault.retry:
            object.__setattr__(ended, "passing", job.journal.passing(fault.retry_after))
        return ended

    def _count_end(self, run_id: str, status: str) -> None:
        if status == "SUCCESS":
            self._note("ran")
        else:
            over = self.work.run(run_id).ended_at is not None if self.work.ledger is self.plain else self._over(run_id)
            self._note("failed" if over else "retried")

    def _over(self, run_id: str) -> bool:
        with self.plain.reading() as unit:
            run = unit.tables[RUNS].c
            return unit.rows(select(run.ended_at).where(run.pipeline_logging_id == run_id))[0][0] is not None

    def _kill(self) -> None:
        """One that has something in hand goes; the half of them only stand still, and come back late."""
        if self.now > self.end:
            return
        busy = [hand for hand in self.hands if hand.jobs]
        if busy:
            hand = self.chance.choice(busy)
            hand.alive = False
            if self.chance.random() < 0.5:
                hand.jobs.clear()
            self.hands[self.hands.index(hand)] = Hand(f"hand-{next(self._hand_number)}")
            self._note("killed")
            self._after(600 + self.chance.random() * 1200, self._kill)
        else:
            self._after(20, self._kill)

    def _leave_off(self) -> None:
        """Nothing more falls due; what waits is tried on."""
        with self.plain.writing() as unit:
            unit.change(update(unit.tables[configs.CONFIGS]).values(is_active=False))

    def _tidy(self) -> None:
        try:
            reset_daily(self.work, Actor("system"))
            sweep(self.work)
        except Unavailable:
            self._note("ledger")
        self._after(4 * 3600, self._tidy)

    def _inspect(self) -> None:
        """What must hold at any moment."""
        work = self.work.ledger
        self.work.ledger = self.plain
        recover(self.work)
        self.work.ledger = work
        held = {row["pipeline_logging_id"]: row for row in rows_of(self, queue.QUEUE) if row["state"] == "RUNNING"}
        at_work = Counter(row["org_slug"] for row in held.values())
        assert all(many <= self.plans[slug].concurrent_runs for slug, many in at_work.items()), at_work
        for run in self._open():
            if run["status"] == "RUNNING":
                assert held[run["pipeline_logging_id"]]["lease_expires_at"] > self.now, run
        self.work.ledger = self.plain
        assert accounting.check(self.work).disagreeing == ()
        self.work.ledger = work
        self._after(3600, self._inspect)

    def _open(self) -> list[dict[str, Any]]:
        with self.plain.reading() as unit:
            table = unit.tables[RUNS]
            return [dict(row._asdict()) for row in unit.rows(table.select().where(table.c.ended_at.is_(None)))]

    def _set(self, at: datetime) -> None:
        self.work.clock.at = (at - NOON).total_seconds()

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.work.clock.at + seconds, next(self._order), event))

    def _note(self, what: str, at: datetime | None = None, *, number: int = 1) -> None:
        self.told[(at or self.now).replace(minute=0, second=0, microsecond=0)][what] += number


def rows_of(day: SimulatedDay, table: str) -> list[dict[str, Any]]:
    with day.plain.reading() as unit:
        return [dict(row._asdict()) for row in unit.rows(unit.tables[table].select())]


def hold_to_account(day: SimulatedDay) -> Counter[str]:
    """Every slot and every limit, by plain arithmetic over the rows that are left."""
    runs = {row["pipeline_logging_id"]: row for row in rows(day.work, RUNS)}
    slots = {row["scheduled_run_id"]: row for row in rows(day.work, SLOTS)}
    ends: Counter[str] = Counter()
    wanted = set()
    for config_id, due in day.due.items():
        place = None
        for slot in due:
            key = slot_id(config_id, slot)
            wanted.add(key)
            if key in slots:
                ends[_accounted(slots[key], runs)] += 1
                place = _in_its_place(slots[key])
            else:
                # nobody could look; a row before it says which slot stands for it
                assert slot < (place or slot), (config_id, slot)
                ends["missed with another"] += 1
    assert set(slots) <= wanted, "a slot that nobody wished for"
    assert {row["pipeline_logging_id"] for row in slots.values() if row["pipeline_logging_id"]} == set(runs), "a run of no slot"
    told = Counter(row["resource"] for row in rows_of(day, "org_audit_logs") if row["action"] == "runs.finished")
    assert told == dict.fromkeys(runs, 1), "a run that ended twice, or never"
    _waits(day, runs.values(), {row["org_slug"] for row in slots.values() if row["state"] == "WAITING"})
    _limits(day, runs.values())
    return ends


def _in_its_place(row: dict[str, Any]) -> datetime | None:
    told = re.fullmatch(r"the slot of (\S+) took its place, and that of all between", row["error_message"] or "")
    return datetime.fromisoformat(told[1]) if told and row["state"] == "MISSED" else None


def _accounted(row: dict[str, Any], runs: dict[str, Any]) -> str:
    if row["state"] in ("COMPLETED", "FAILED"):
        run = runs[row["pipeline_logging_id"]]
        assert {"COMPLETED": "SUCCESS", "FAILED": "FAILED"}[row["state"]] == run["status"]
        assert row["retry_count"] <= row["max_retries"]
        assert row["state"] == "COMPLETED" or row["error_message"]
    else:
        assert row["state"] in ("WAITING", "MISSED", "CANCELLED"), row
        assert row["error_message"], row
    return str(row["state"])


def _limits(day: SimulatedDay, runs: Iterable[dict[str, Any]]) -> None:
    of_org: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        of_org[run["org_slug"]].append(run)
    for slug, theirs in of_org.items():
        plan, days = day.plans[slug], [run["accepted_at"].astimezone(day.zones[slug]).date() for run in theirs]
        assert slug not in day.blocked
        assert max(days) <= day.trials.get(slug, date.max)
        assert max(Counter(days).values()) <= plan.daily_runs, slug
        assert max(Counter(each.replace(day=1) for each in days).values()) <= plan.monthly_runs, slug
        # one that is tried again leaves its place to others while it waits
        steady = [run for run in theirs if run["attempt"] == 1]
        assert max(_at_once(steady), default=0) <= plan.concurrent_runs, slug


def _waits(day: SimulatedDay, runs: Iterable[dict[str, Any]], waiting: set[str]) -> None:
    """Whoever waits at the end has a reason that stands."""
    days: dict[str, Counter[date]] = defaultdict(Counter)
    for run in runs:
        days[run["org_slug"]][run["accepted_at"].astimezone(day.zones[run["org_slug"]]).date()] += 1
    for slug in waiting - day.blocked:
        today, plan = day.passes[-1].astimezone(day.zones[slug]).date(), day.plans[slug]
        month = sum(number for each, number in days[slug].items() if each.replace(day=1) == today.replace(day=1))
        over = today > day.trials.get(slug, date.max)
        assert over or days[slug][today] >= plan.daily_runs or month >= plan.monthly_runs, slug


def _at_once(runs: list[dict[str, Any]]) -> Iterator[int]:
    changes = sorted([(run["accepted_at"], 1) for run in runs] + [(run["ended_at"], -1) for run in runs])
    running = 0
    for _, change in changes:
        running += change
        yield running
