"""What a month's statement says where usual shortcuts compare, bridge and trust a month wrongly."""

from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import structlog

from src.core.base.faults import Conflict
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.costs.comparison import month_window
from src.core.costs.daily import read_daily
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.reader import CostReader
from src.core.costs.sight import sight_of
from src.core.costs.statement import MonthStatement, read_statement
from src.core.costs.summary import read_summary
from src.core.step import credentials
from src.core.step.context import StepContext
from src.core.step.counted import opened_sources
from src.core.step.credentials import Proven
from src.sandbox.trap import Trap
from tests.fakes.billing import ROOT, Billing
from tests.trap_answers import Answer

MONTH = date(2026, 10, 1)
CURRENCY = "USD"
KEY = Proven("openai", "new", Secret("s"), "print", "org-1", {"organization": "org-1"}, generation=1, validated_at=None)
DAYS = "SELECT SUM(net_cost) AS net FROM gcp_cost_daily WHERE currency = 'USD' AND usage_date BETWEEN @first AND @last"


def statement_answers(here: Billing) -> list[Answer]:
    reader = CostReader(here.parts.warehouse, here.parts.settings.configs_dir, here.tenant, here.clock.now())
    found = read_statement(reader, CostQuestion(month_window(MONTH), Filters("gcp", currency=CURRENCY)), (), 10)
    return [_compared(here, found), _spanning(here, reader), _bridged(found), _verified(found), _never_read(here), _told_twice(here)]


def _compared(here: Billing, found: MonthStatement) -> Answer:
    before = month_window((MONTH - timedelta(days=1)).replace(day=1))
    [right] = here.ask(DAYS, first=before.start, last=before.end)
    [naive] = here.ask(DAYS, first=MONTH - timedelta(days=31), last=before.end)
    what, shortcut = "what a month of 31 days is compared with", "as many days right before it"
    return Answer(Trap("month before", what, shortcut, right["net"], naive["net"]), found.summary.totals[0].before.net_cost or Decimal(0))


def _spanning(here: Billing, reader: CostReader) -> Answer:
    """A billing period that begins in mid-month is asked for beside the month before."""
    asked = CostQuestion(Window(date(2026, 10, 15), date(2026, 11, 14)), Filters("gcp", currency=CURRENCY), compare="previous_month")
    ours = read_summary(reader, asked, 10).totals[0].before.net_cost
    [right] = here.ask(DAYS, first=date(2026, 9, 15), last=date(2026, 10, 14))
    [naive] = here.ask(DAYS, first=date(2026, 8, 15), last=date(2026, 9, 14))
    what, shortcut = "what 15 October to 14 November is compared with", "as many months back as it touches; so did the release before"
    return Answer(Trap("across two months", what, shortcut, right["net"], naive["net"]), ours or Decimal(0))


def _bridged(found: MonthStatement) -> Answer:
    [bridge] = found.bridges
    invoice = bridge.invoice or Decimal(0)
    what, shortcut = "what is left between a month's days and its invoice", "the invoice is the sum of its month's days"
    left = invoice - bridge.days - sum(part.net_cost for part in bridge.parts)
    return Answer(Trap("bridge", what, shortcut, Decimal(0), invoice - bridge.days), left)


def _verified(found: MonthStatement) -> Answer:
    """As exported it adds up, and nobody has told what the paper asks for."""
    [bridge], [verification] = found.bridges, found.verifications
    what, shortcut = "money of a month without a paper invoice that is called verified", "what adds up as exported is verified"
    share = verification.share or Decimal(0)
    return Answer(Trap("closed, not verified", what, shortcut, Decimal(0), bridge.days), share * bridge.days)


def _never_read(here: Billing) -> Answer:
    """The key of another provider is stored, and no run of it follows. How many days are called complete?"""
    before = _complete(here)
    store(here, KEY)
    ours = _complete(here)
    credentials.remove(here.parts, ROOT, here.tenant.org_slug, KEY.provider, KEY.name)
    what, shortcut = (
        "days called complete of which a provider that was set up was never read",
        "who has no rows has no costs; so did the release before",
    )
    return Answer(Trap("set up and never read", what, shortcut, Decimal(0), Decimal(before)), Decimal(ours))


def _told_twice(here: Billing) -> Answer:
    """Two keys of one account are stored, and their provider does not say whose they are. How often does its balance count?"""
    names = ("deepseek", "second")
    for place, name in enumerate(names):
        with suppress(Conflict):
            store(
                here, replace(KEY, provider="deepseek", name=name, fingerprint=str(place), subject=None, connection={"currencies": ["USD"]})
            )
    stored = here.parts.ledger.read(credentials.listing, here.tenant.org_slug)
    mine = [one for one in stored if one.provider == "deepseek"]
    for one in mine:
        credentials.remove(here.parts, ROOT, here.tenant.org_slug, "deepseek", one.credential_name)
    what, shortcut = "credentials by which the balance of one account counts", "a credential is an account; so did the release before"
    return Answer(
        Trap("two keys, one account", what, shortcut, Decimal(1), Decimal(len(names))), Decimal(len(opened_sources("deepseek", mine)))
    )


def store(here: Billing, given: Proven) -> None:
    step = StepContext("run", "load_credential", ROOT, here.parts, structlog.get_logger(), here.tenant)
    credentials.store(step, given)


def _complete(here: Billing) -> int:
    """As October is read at this moment."""
    reader = CostReader(here.parts.warehouse, here.parts.settings.configs_dir, here.tenant, here.clock.now())
    asked = replace(reader, sight=here.parts.ledger.read(sight_of, here.tenant.org_slug, here.parts.settings.configs_dir))
    return read_daily(asked, CostQuestion(month_window(MONTH)), 100).completeness["complete"]
