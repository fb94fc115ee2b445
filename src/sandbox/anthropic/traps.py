"""What is planted in Anthropic's reports: for each trap the right figure, and the wrong one that a usual shortcut comes to.

`measure` names what is asked: what use is `computed` at, what is `billed`, a cause of the difference, `partial` days, days told as
`complete`, or tokens `unpriced`; `where` says of which organisation, model (as a price list calls it), tier, region, kind, workspace, key
(empty is the default workspace, and use without a key) or days (`first`, `last`; left out, those of the reading).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from src.sandbox.anthropic.organizations import DELETED_KEY, DEMO, ORGANIZATIONS
from src.sandbox.anthropic.prices import rate
from src.sandbox.anthropic.right_figures import NOTHING, PRICED_KINDS, ClaudeFigure, ClaudeFigures, right_figures
from src.sandbox.trap import Trap

SONNET, HAIKU, OPUS, LONG_OPUS = "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5", "claude-opus-4-6"
KINDS_OF_BOOKS = {told: kind for kind, told in PRICED_KINDS.items()}
CACHED = frozenset({"cached_input", "cache_write_5m", "cache_write_1h"})
# a rate that changed between the second and the third of these days
OVERNIGHT = (date(2026, 10, 5), date(2026, 10, 8))
# the surcharge of prompts beyond 200,000 tokens ended between the second and the third
SURCHARGE = (date(2026, 3, 11), date(2026, 3, 14))
# of money that is shared out
SHARED_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ClaudeReadings:
    """Days that are read twice: the morning after the last of them, and when nothing changes any more."""

    first: date
    last: date
    early: datetime
    late: datetime
    days: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", (self.last - self.first).days + 1)

    def of(self, organization: str, when: datetime | None = None) -> ClaudeFigures:
        return right_figures(ORGANIZATIONS[organization], self.first, self.last, when or self.late)

    def all_of(self, organization: str) -> ClaudeFigures:
        """With what is no cost of the API."""
        return right_figures(ORGANIZATIONS[organization], self.first, self.last, self.late, seats=True)


def traps(reading: ClaudeReadings) -> list[Trap]:
    return [trap for make in MAKERS for trap in make(reading)]


def _at(one: ClaudeFigure, *, kind: str = "", tier: str = "", region: str = "", day: date | None = None) -> Decimal:
    """Its quantity at another rate than that of its own kind, tier, region or day."""
    named, of_region = tier or one.tier, region or one.region
    told = KINDS_OF_BOOKS[kind or one.kind]
    asked = rate(
        one.model or "",
        told,
        day or one.day,
        tier="batch" if named == "batch" else "standard",
        fast=named == "fast",
        geo="us" if of_region == "us" else "global",
        over=one.over,
    )
    return one.quantity * asked


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, NOTHING)


def _cents(reading: ClaudeReadings) -> Iterable[Trap]:
    right = reading.of(DEMO).charged
    what = "the cost report tells cents, as decimal texts"
    yield Trap("cents read as dollars", what, "takes them for dollars", right, right * 100, "billed", {"organization": DEMO})


def _caches(reading: ClaudeReadings) -> Iterable[Trap]:
    use = reading.of(DEMO).of(price_name=SONNET)
    cached = [one for one in use.figures if one.kind in CACHED]
    again = _sum(_at(one, kind="input") for one in cached)
    where = {"organization": DEMO, "model": SONNET}
    what = "uncached_input_tokens holds nothing of what was read from the cache or written into it"
    yield Trap("cache outside the input", what, "takes the cache out of it once more", use.listed, use.listed - again, "computed", where)
    inside = "adds both up to the input, and charges the cache beside it"
    yield Trap("cache inside the input", what, inside, use.listed, use.listed + again, "computed", where)
    hours = [one for one in use.figures if one.kind == "cache_write_1h"]
    short = use.listed - _sum((one.listed or NOTHING) - _at(one, kind="cache_write_5m") for one in hours)
    what = "writes for five minutes cost 1.25 times the input, those for an hour twice"
    yield Trap("cache writes of two lifetimes", what, "charges every write by one rate", use.listed, short, "computed", where)
    written = _sum(one.listed or NOTHING for one in use.figures if one.kind.startswith("cache_write"))
    what = "cache_creation is an object with both lifetimes"
    shortcut = "reads cache_creation_input_tokens, which is never there"
    yield Trap("cache writes in an object", what, shortcut, use.listed, use.listed - written, "computed", where)


def _haiku(reading: ClaudeReadings) -> Iterable[Trap]:
    right = reading.of(DEMO).causes["long_context"]
    what = "a prompt beyond 100,000 tokens makes the whole request five times as dear; no dimension of the reports tells of it"
    where = {"organization": DEMO, "model": HAIKU}
    shortcut = "leaves a difference that nobody explains"
    yield Trap("haiku's threshold", what, shortcut, right, NOTHING, "cause_long_context", where)


def _batch(reading: ClaudeReadings) -> Iterable[Trap]:
    use = reading.of(DEMO).of(price_name=SONNET, tier="batch")
    where = {"organization": DEMO, "model": SONNET, "tier": "batch"}
    what = "half the price of everything, on top of what the cache saves"
    naive = _sum(_at(one, tier="standard") if one.kind in CACHED else one.listed or NOTHING for one in use.figures)
    yield Trap("batch on top of cache", what, "halves input and output alone", use.listed, naive, "computed", where)
    whole = _sum(_at(one, tier="standard") for one in use.figures)
    yield Trap("batch at all", what, "charges every request by the standard rate", use.listed, whole, "computed", where)


def _uplifts(reading: ClaudeReadings) -> Iterable[Trap]:
    fast = reading.of(DEMO).of(price_name=OPUS, tier="fast")
    naive = _sum(_at(one, tier="standard") for one in fast.figures)
    where = {"organization": DEMO, "model": OPUS, "tier": "fast"}
    what = "speed=fast costs twice as much, and is told to those alone who send a header"
    yield Trap("fast mode", what, "asks for no speed, and charges all alike", fast.listed, naive, "computed", where)
    home = reading.of(DEMO).of(price_name=OPUS, region="us")
    naive = _sum(_at(one, region="any") for one in home.figures)
    where = {"organization": DEMO, "model": OPUS, "region": "us"}
    what = "inference in the US alone costs a tenth more, of every kind of token"
    yield Trap("US inference", what, "charges all regions alike", home.listed, naive, "computed", where)


def _nobody(reading: ClaudeReadings) -> Iterable[Trap]:
    known = reading.of(DEMO)
    default = known.of(workspace=None).charged
    what = "the default workspace is null, and on no list"
    where = {"organization": DEMO, "workspace": ""}
    yield Trap("a workspace that is null", what, "joins costs with the list of workspaces", default, NOTHING, "billed", where)
    bench = round(known.of(workspace=None, key=None).charged, SHARED_DIGITS)
    what = "use of the Console's Workbench has no key"
    where = {"organization": DEMO, "workspace": "", "key": ""}
    yield Trap("use without a key", what, "joins costs with the list of keys", bench, NOTHING, "billed", where)
    lost = round(known.of(key=DELETED_KEY).charged, SHARED_DIGITS)
    what = "a key was deleted, and is on no list of keys any more; the cost report knows no keys at all"
    where = {"organization": DEMO, "key": DELETED_KEY}
    yield Trap("a key that was deleted", what, "joins costs with the list of keys", lost, NOTHING, "billed", where)


def _untold(reading: ClaudeReadings) -> Iterable[Trap]:
    use = reading.of("priority").of(tier="priority")
    what = "a commitment to the priority tier is in no cost report, and its use has no published price"
    where = {"organization": "priority", "tier": "priority"}
    days, nothing = Decimal(reading.days), NOTHING
    yield Trap("a priority tier missing from the report", what, "takes the report for all", days, nothing, "partial", where)
    yield Trap("priority tokens without a price", what, "charges them by the standard rate", use.quantity, nothing, "unpriced", where)
    charged, blocked = reading.of("blocked").charged, reading.of("blocked").causes["unexplained"]
    what = "requests that a policy blocked are told as used, and never charged"
    where = {"organization": "blocked"}
    yield Trap("use that is not charged", what, "charges it", charged, charged - blocked, "billed", where)
    yield Trap("use that nobody charged for", what, "finds a cause for it", blocked, NOTHING, "unexplained", where)
    besides = reading.of(DEMO).causes["not_in_usage"]
    what = "containers of code execution and sessions of agents are in the costs alone"
    where = {"organization": DEMO}
    yield Trap("costs without a use", what, "counts use times price", besides, NOTHING, "cause_not_in_usage", where)


def _parent(reading: ClaudeReadings) -> Iterable[Trap]:
    days, where = Decimal(reading.days), {"organization": "parent"}
    what = "a parent's report leaves out its child that is ready for HIPAA, without a word"
    yield Trap("a child missing from its parent's total", what, "takes the report for all", days, NOTHING, "partial", where)
    told = reading.of("parent").charged
    alone = reading.of("north").charged
    what = "a parent's report holds its children's costs"
    yield Trap("a child counted twice", what, "adds the child's own report to it", told, told + alone, "billed", where)


def _seats(reading: ClaudeReadings) -> Iterable[Trap]:
    right, whole = reading.of("enterprise").charged, reading.all_of("enterprise").charged
    what = "the analytics tell of seats and Claude Code beside the API"
    yield Trap("seats among costs of the API", what, "adds all products", right, whole, "billed", {"organization": "enterprise"})
    demo = reading.of(DEMO).charged
    what = "both generations of reports tell of the same use"
    yield Trap("two reports of one use", what, "adds them", demo, demo + demo, "billed", {"organization": DEMO})


def _overnight(reading: ClaudeReadings) -> Iterable[Trap]:
    first, last = OVERNIGHT
    use = right_figures(ORGANIZATIONS[DEMO], first, last, reading.late).of(price_name=SONNET)
    naive = _sum(_at(one, day=last) for one in use.figures)
    where = {"organization": DEMO, "model": SONNET, "first": str(first), "last": str(last)}
    what = "reading from the cache of Sonnet 5.5 costs half as much since 2026-10-07"
    yield Trap("a cache read rate that changed overnight", what, "charges by the rate in force", use.listed, naive, "computed", where)


def _surcharge(reading: ClaudeReadings) -> Iterable[Trap]:
    first, last = SURCHARGE
    known = right_figures(ORGANIZATIONS[DEMO], first, last, reading.late)
    use = ClaudeFigures(tuple(one for one in known.of(price_name=LONG_OPUS, tier="standard").figures if one.key == "lab"))
    where = {"organization": DEMO, "model": LONG_OPUS, "tier": "standard", "first": str(first), "last": str(last)}
    what = "prompts beyond 200,000 tokens cost twice the input and half as much again for the output until 2026-03-13"
    ended = _sum(_at(one, day=last) for one in use.figures)
    yield Trap("a long prompt before the surcharge ended", what, "knows no surcharge", use.listed, ended, "computed", where)
    kept = _sum(_at(one, day=first) for one in use.figures)
    yield Trap("a long prompt the day the surcharge ended", what, "keeps the surcharge", use.listed, kept, "computed", where)


def _restated(reading: ClaudeReadings) -> Iterable[Trap]:
    early, late = reading.of("restated", reading.early).charged, reading.of("restated").charged
    where = {"organization": "restated"}
    what = "a day grows until three days after it"
    yield Trap("Anthropic's trailing days", what, "reads a day once, when it is over", late, early, "billed", where)
    yield Trap("Anthropic's trailing days added", what, "appends what it reads again", late, early + late, "billed", where)


def _late_costs(reading: ClaudeReadings) -> Iterable[Trap]:
    yesterday = reading.of("late", reading.early).of(day=reading.last)
    what = "use of yesterday is told today, what it costs tomorrow"
    where = {"organization": "late", "first": str(reading.last), "last": str(reading.last)}
    shortcut = "takes the cost report's silence for nothing"
    yield Trap("Anthropic's costs a day late", what, shortcut, yesterday.listed, yesterday.charged, "billed_early", where)


def _others(reading: ClaudeReadings) -> Iterable[Trap]:
    unknown = reading.of("novel").causes["model_unknown"]
    what = "no list has a price of claude-nova-1"
    shortcut = "takes what is not on the list for free"
    yield Trap("a Claude that no list has", what, shortcut, unknown, NOTHING, "cause_model_unknown", {"organization": "novel"})
    differs = reading.of("discount").of(price_name=SONNET).causes["rate_differs"]
    what = "it pays 85 % of the list price"
    shortcut = "leaves a difference that nobody explains"
    yield Trap(
        "a discount of Anthropic's", what, shortcut, differs, NOTHING, "cause_rate_differs", {"organization": "discount", "model": SONNET}
    )
    what = "neither report has anything of an organisation that used nothing"
    shortcut = "finds both sides equal, and calls the days checked"
    yield Trap("nothing against nothing", what, shortcut, NOTHING, Decimal(reading.days), "complete", {"organization": "idle"})


MAKERS: tuple[Callable[[ClaudeReadings], Iterable[Trap]], ...] = (
    _cents,
    _caches,
    _haiku,
    _batch,
    _uplifts,
    _nobody,
    _untold,
    _parent,
    _seats,
    _overnight,
    _surcharge,
    _restated,
    _late_costs,
    _others,
)
