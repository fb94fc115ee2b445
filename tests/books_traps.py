"""What is planted in how sources begin, meet, are made anew and are taken away; each in an organisation of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from src.core.base.window import Window
from src.core.costs.daily import read_daily
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.sight import sight_of
from src.core.step import credentials
from src.sandbox.trap import Trap
from tests.core.costs.bills import mark, publish, reader
from tests.core.gcp.handmade import Hand, connect, load, row
from tests.fakes.billing import ROOT, Billing
from tests.trap_answers import Answer

TODAY = date(2026, 11, 20)
OCTOBER = Window(date(2026, 10, 1), date(2026, 10, 31))
SWITCHED_ON = date(2026, 10, 20)
AFTERNOON = datetime(2026, 10, 20, 14, tzinfo=UTC)
ANEW = datetime(2026, 11, 20, 9, tzinfo=UTC)
CHILD = "0B-CHILD"
DAYS = Decimal(len(OCTOBER))
WHOLE = "SELECT COALESCE(SUM(net_cost), 0) AS net FROM x_cost_monthly WHERE invoice_month = '202610' AND completeness = 'complete'"
IN_ALL = "SELECT SUM(net_cost) AS net FROM gcp_cost_daily WHERE usage_date BETWEEN @first AND @last"


def begun(here: Billing) -> Answer:
    """An export is switched on in mid-month. What of the month is called complete?"""
    later = list(Window(SWITCHED_ON, TODAY - timedelta(1)))
    load(here, OCTOBER.start, TODAY, Hand("costs", [row(day, 7.775) for day in later]))
    [told] = here.ask(WHOLE)
    what, shortcut = "a month of which the export has twelve days, called complete", "no rows are no costs; so did the release before"
    return Answer(Trap("begun in mid-month", what, shortcut, Decimal(0), Decimal("93.30")), Decimal(told["net"]))


def met(here: Billing) -> Answer:
    """An account is told of by its reseller's export and by one of its own, which are both read."""
    accounts = ("0A-PARENT", CHILD)
    parent = Hand("gcp_billing_export_v1_0A_PARENT", [row(day, 1, account=account) for day in OCTOBER for account in accounts])
    own = Hand("gcp_billing_export_v1_0B_CHILD", [row(day, 1, account=CHILD) for day in OCTOBER])
    connect(here, reseller=[parent], customer=[own])
    load(here, OCTOBER.start, TODAY, parent)
    load(here, OCTOBER.start, TODAY, own)
    what, shortcut = (
        "an account in the export of its reseller and in its own",
        "adds all exports that are living; so did the release before",
    )
    return Answer(Trap("two living exports", what, shortcut, DAYS * 2, DAYS * 3), _in_all(here))


def made_anew(here: Billing) -> Answer:
    """A table is deleted, made anew under its name, and filled again."""
    load(here, OCTOBER.start, TODAY, Hand("costs", [row(day, 1) for day in OCTOBER]))
    again = [row(day, 1, written=TODAY) for day in OCTOBER]
    load(here, TODAY, TODAY, Hand("costs", again, created=ANEW))
    what, shortcut = "a table made anew that tells everything again", "a load day that is gone was put away; so said the release before"
    return Answer(Trap("made anew", what, shortcut, DAYS, DAYS * 2), _in_all(here))


def switched_on(here: Billing) -> Answer:
    """An export is switched on in the afternoon. Is the day on which it was called complete?"""
    export = Hand("costs", [row(day, 1) for day in Window(SWITCHED_ON, TODAY - timedelta(1))], created=AFTERNOON)
    load(here, SWITCHED_ON, TODAY, export)
    what, shortcut = (
        "the day on which an export was switched on, called complete",
        "the first load day was read; so said the release before",
    )
    days = Decimal((OCTOBER.end - SWITCHED_ON).days)
    return Answer(Trap("begun in the course of a day", what, shortcut, days, days + 1), Decimal(_complete(here)))


def filled(here: Billing) -> Answer:
    """A newer export takes an older one's place, and is filled with what was used before it was made."""
    older, newer = (Hand(name, account="A", kind=kind) for name, kind in (("older", "standard"), ("newer", "detailed")))
    connect(here, first=[older.add(*(row(day, 1) for day in OCTOBER))])
    here.clock.today = OCTOBER.end + timedelta(1)
    load(here, OCTOBER.start, here.clock.today, older)
    newer.created = datetime.combine(here.clock.today, datetime.min.time(), UTC) + timedelta(hours=20)
    connect(here, first=[newer.add(*(row(day, 1, written=date(2026, 11, 3)) for day in OCTOBER))])
    here.clock.today = date(2026, 11, 3)
    load(here, OCTOBER.start, here.clock.today, newer)
    what, shortcut = (
        "a newer export that was filled with old days",
        "adds what was written after the older was read; so did the release before",
    )
    return Answer(Trap("filled beside an older one", what, shortcut, DAYS, DAYS * 2), _in_all(here))


def labelled_anew(here: Billing) -> Answer:
    """A table is made anew and filled with the same use, in other amounts and under other labels."""
    load(here, OCTOBER.start, TODAY, Hand("costs", [row(day, 1) for day in OCTOBER]))
    again = [row(day, cost, written=TODAY) for day in OCTOBER for cost in (0.75, 0.5)]
    load(here, TODAY, TODAY, Hand("costs", again, created=ANEW))
    what, shortcut = "a table made anew that tells everything otherwise", "keeps each row that is not told again as it was"
    return Answer(Trap("made anew, told otherwise", what, shortcut, DAYS * Decimal("1.25"), DAYS * Decimal("2.25")), _in_all(here))


def late_after(here: Billing) -> Answer:
    """A table is made anew, is not filled, and brings one late row of an old day."""
    load(here, OCTOBER.start, TODAY, Hand("costs", [row(day, 1) for day in OCTOBER]))
    late = row(SWITCHED_ON, 0.5, written=TODAY, usage_start_time=AFTERNOON)
    load(here, TODAY, TODAY, Hand("costs", [late], created=ANEW))
    what, shortcut = "a late row of a day that the old table told", "what the new table tells of a day takes the place of all that was told"
    return Answer(Trap("late after it was made anew", what, shortcut, DAYS + Decimal("0.5"), DAYS - Decimal("0.5")), _in_all(here))


def gone_unread(here: Billing) -> Answer:
    """A load day is listed, not read, and put away."""
    export = Hand("costs", [row(day, 1) for day in Window(OCTOBER.start, TODAY - timedelta(1))])
    load(here, OCTOBER.start, date(2026, 10, 9), export, late_days=0)
    export.rows = [one for one in export.rows if one["export_time"].date() != SWITCHED_ON]
    load(here, OCTOBER.start, TODAY, export)
    what, shortcut = (
        "days that a load day put away unread may be of, called complete",
        "what is not listed is not lacking; so said the release before",
    )
    # the days that rows written on the 20th are of as a rule: the 10th to the 20th
    return Answer(Trap("gone before it was read", what, shortcut, DAYS - 11, DAYS - 1), Decimal(_complete(here)))


def _late(here: Billing) -> Hand:
    """October, read whole; one row of the 5th was written on the 20th."""
    source = Hand("costs", [row(day, 1) for day in Window(OCTOBER.start, TODAY - timedelta(1))], older=date(2026, 9, 1))
    source.add(row(date(2026, 10, 5), 1, written=SWITCHED_ON))
    load(here, OCTOBER.start, TODAY, source)
    assert _complete(here) == len(OCTOBER)
    return source


def grown(here: Billing) -> Answer:
    """A row of another day comes onto a load day that was read, and a run of later days does not read it again."""
    source = _late(here)
    source.add(row(date(2026, 10, 9), 1, written=SWITCHED_ON))
    load(here, TODAY, TODAY, source)
    what, shortcut = "days that a load day touches which grew after it was read, called complete", "what was read once is read"
    return Answer(Trap("grown since it was read", what, shortcut, DAYS - 3, DAYS), Decimal(_complete(here)))


def lost_rows(here: Billing) -> Answer:
    """A load day that was read holds a row less."""
    source = _late(here)
    source.rows.pop()
    load(here, TODAY, TODAY, source)
    what, shortcut = (
        "days of which a load day lost rows after it was read, called complete",
        "asks which days it touches by what it holds now",
    )
    return Answer(Trap("lost rows since it was read", what, shortcut, DAYS - 2, DAYS - 1), Decimal(_complete(here)))


def put_away(here: Billing) -> Answer:
    """The last load day of October is read at noon of it, and is gone from the export when it is looked at again."""
    source = Hand("costs", [row(day, 1) for day in Window(OCTOBER.start, TODAY - timedelta(1))], older=date(2026, 9, 1))
    here.clock.today = OCTOBER.end
    load(here, *(OCTOBER.start, OCTOBER.end), source)
    source.rows = [one for one in source.rows if one["export_time"].date() != OCTOBER.end]
    here.clock.today = TODAY
    load(here, OCTOBER.start, TODAY, source)
    what, shortcut = (
        "days that a load day may be of which was put away before it was over, called complete",
        "a look that does not find it is the last look at it; so did the release before",
    )
    # rows written on the 31st are of the 21st to the 31st as a rule
    return Answer(Trap("put away early", what, shortcut, DAYS - 11, DAYS), Decimal(_complete(here)))


def stored(here: Billing) -> Answer:
    """A second credential is stored, and no run follows. How many days are called complete?"""
    first, second = _two_accounts()
    connect(here, first=[first])
    load(here, OCTOBER.start, TODAY, first)
    assert _complete(here) == len(OCTOBER)
    connect(here, second=[second])
    what, shortcut = (
        "days called complete of which a new credential's account was not read",
        "judges when a run ends; so did the release before",
    )
    return Answer(Trap("stored between runs", what, shortcut, Decimal(0), DAYS), Decimal(_complete(here)))


def deleted(here: Billing) -> Answer:
    """A credential is deleted before its account's days are read, and the other one is read again."""
    first, second = _two_accounts()
    connect(here, first=[first], second=[second])
    load(here, OCTOBER.start, TODAY, first)
    load(here, OCTOBER.start, SWITCHED_ON, second, late_days=0)
    credentials.remove(here.parts, ROOT, "acme_corp", "gcp", "second")
    load(here, OCTOBER.start, TODAY, first)
    what, shortcut = (
        "days called complete that a deleted credential left unread",
        "asks of living credentials alone; so did the release before",
    )
    return Answer(Trap("deleted between runs", what, shortcut, Decimal(0), DAYS), Decimal(_complete(here)))


def never_asked(here: Billing) -> Answer:
    """OpenAI is added in November, and asked for November alone. How many days of October are called complete?"""
    load(
        here,
        OCTOBER.start,
        TODAY,
        Hand("costs", [row(day, 1) for day in Window(OCTOBER.start, TODAY - timedelta(1))], older=date(2026, 9, 1)),
    )
    assert _complete(here) == len(OCTOBER)
    november = Window(OCTOBER.end + timedelta(1), TODAY)
    publish(here.parts.warehouse, here.tenant, x_cost_daily=[mark(day, provider="openai") for day in november])
    what, shortcut = (
        "days before a provider's first that was loaded, called complete without it",
        "expects a provider from the first day on that it was loaded for; so did the release before",
    )
    return Answer(Trap("never asked for it", what, shortcut, Decimal(0), DAYS), Decimal(_complete(here)))


OF_SOURCES: Sequence[Callable[[Billing], Answer]] = (
    *(begun, switched_on, met, filled),
    *(made_anew, labelled_anew, late_after, gone_unread),
    *(grown, lost_rows, put_away),
    *(stored, deleted, never_asked),
)


def _two_accounts() -> tuple[Hand, Hand]:
    days = [*Window(OCTOBER.start, TODAY)]
    first = Hand("mine", [row(day, 1) for day in days], account="A")
    return first, Hand("other", [row(day, 2, account="B") for day in days], account="B")


def _in_all(here: Billing) -> Decimal:
    [told] = here.ask(IN_ALL, first=OCTOBER.start, last=OCTOBER.end)
    return Decimal(told["net"])


def _complete(here: Billing) -> int:
    """As it is read at this moment."""
    asked = reader(here.parts.warehouse, here.tenant, here.clock.now())
    found = read_daily(
        replace(asked, sight=here.parts.ledger.read(sight_of, "acme_corp", here.parts.settings.configs_dir)),
        CostQuestion(OCTOBER, Filters(), ()),
        100,
    )
    return found.completeness["complete"]
