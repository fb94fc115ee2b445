"""What a month's statement says where usual shortcuts compare, bridge and trust a month wrongly."""

from datetime import date, timedelta
from decimal import Decimal

from src.core.costs.comparison import month_window
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.reader import CostReader
from src.core.costs.statement import MonthStatement, read_statement
from src.sandbox.trap import Trap
from tests.fakes.billing import Billing
from tests.trap_answers import Answer

MONTH = date(2026, 10, 1)
CURRENCY = "USD"
DAYS = "SELECT SUM(net_cost) AS net FROM gcp_cost_daily WHERE currency = 'USD' AND usage_date BETWEEN @first AND @last"


def statement_answers(here: Billing) -> list[Answer]:
    reader = CostReader(here.parts.warehouse, here.parts.settings.configs_dir, here.tenant, here.clock.now())
    found = read_statement(reader, CostQuestion(month_window(MONTH), Filters("gcp", currency=CURRENCY)), (), 10)
    return [_compared(here, found), _bridged(found), _verified(found)]


def _compared(here: Billing, found: MonthStatement) -> Answer:
    before = month_window((MONTH - timedelta(days=1)).replace(day=1))
    [right] = here.ask(DAYS, first=before.start, last=before.end)
    [naive] = here.ask(DAYS, first=MONTH - timedelta(days=31), last=before.end)
    what, shortcut = "what a month of 31 days is compared with", "as many days right before it"
    return Answer(Trap("month before", what, shortcut, right["net"], naive["net"]), found.summary.totals[0].before.net_cost or Decimal(0))


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
