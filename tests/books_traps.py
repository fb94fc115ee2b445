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
from tests.core.costs.bills import reader
from tests.core.gcp.handmade import Hand, connect, load, row
from tests.fakes.billing import ROOT, Billing
from tests.trap_answers import Answer

TODAY = date(2026, 11, 20)
OCTOBER = Window(date(2026, 10, 1), date(2026, 10, 31))
SWITCHED_ON = date(2026, 10, 20)
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
    load(here, TODAY, TODAY, Hand("costs", again, created=datetime(2026, 11, 20, 9, tzinfo=UTC)))
    what, shortcut = "a table made anew that tells everything again", "a load day that is gone was put away; so said the release before"
    return Answer(Trap("made anew", what, shortcut, DAYS, DAYS * 2), _in_all(here))


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


OF_SOURCES: Sequence[Callable[[Billing], Answer]] = (begun, met, made_anew, stored, deleted)


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
    found = read_daily(replace(asked, sight=here.parts.ledger.read(sight_of, "acme_corp")), CostQuestion(OCTOBER, Filters(), ()), 100)
    return found.completeness["complete"]
