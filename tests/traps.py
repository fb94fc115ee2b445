"""The trap corpus: every trap planted in the sandbox, its right answer, what a usual shortcut says, and what we say.

`make traps` prints it. The export is loaded as an organisation would: once early, when load days are still growing, and once late.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import structlog

from src.core.base.faults import Misconfigured
from src.core.step.books.axis import Used
from src.sandbox.trap import Trap
from tests import anthropic_traps, deepseek_traps, openai_traps
from tests.anthropic_traps import anthropic_answers
from tests.books_traps import OF_SOURCES
from tests.core.gcp.handmade import Restated, load_from, row
from tests.core.step.source.acme import Acme, Delivered, configured, used
from tests.deepseek_traps import deepseek_answers
from tests.fakes.billing import Billing, billing
from tests.fakes.served import Served, served
from tests.openai_traps import openai_answers
from tests.statement_traps import statement_answers
from tests.trap_answers import Answer, shown

FIRST, EARLY, TODAY = date(2026, 8, 1), date(2026, 9, 9), date(2026, 11, 20)
LAST = date(2026, 11, 19)
QUIET = 50
OURS = """SELECT SUM(billed_cost) AS billed, SUM(credits) AS credits, SUM(net_cost) AS net
FROM billing_cost_daily
WHERE (@currency IS NULL OR currency = @currency)
  AND (@invoice_month IS NULL OR invoice_month = @invoice_month)
  AND (@usage_date IS NULL OR usage_date = CAST(@usage_date AS DATE))
  AND (@label IS NULL OR STRPOS(labels, @label) > 0)"""
COMPLETE = "SELECT COALESCE(SUM(billed_cost), 0) AS billed FROM x_cost_daily WHERE usage_date = @day AND completeness = 'complete'"
OF_MODELS: Mapping[str, tuple[date, Callable[[Served], Awaitable[tuple[list[Answer], object]]]]] = {
    "OpenAI": (openai_traps.LATE, openai_answers),
    "Anthropic": (anthropic_traps.LATE, anthropic_answers),
    "DeepSeek": (deepseek_traps.LATE, deepseek_answers),
}
HALF = 3.69
DELIVERED = 4


async def answers(here: Billing) -> list[Answer]:
    await here.onboard()
    for today in (EARLY, TODAY):
        here.clock.today = today
        await here.load(FIRST, today)
    assert here.parts.sandbox is not None
    planted = [Answer(trap, said(here, trap)) for trap in here.parts.sandbox.gcp.traps(FIRST, LAST)]
    return [*planted, *statement_answers(here)]


def restated(here: Billing) -> Answer:
    """Half of a day is known when it is loaded, then other days are read for weeks. What of it is called complete?"""
    day, axis = date(2026, 11, 19), Used(restates=3)
    source = Restated("restated", [row(day, HALF)])
    here.clock.today = date(2026, 11, 20)
    load_from(here, day, day, source, axis=axis)
    source.rows += [row(day, HALF), *(row(date(2026, 12, number)) for number in range(17, 25))]
    here.clock.today = date(2026, 12, 25)
    load_from(here, date(2026, 12, 20), date(2026, 12, 24), source, axis=axis)
    [told] = here.ask(COMPLETE, day=day)
    what, shortcut = "a day of which half is known, called complete", "one last look for all days of a source"
    return Answer(Trap("half a day", what, shortcut, Decimal(0), Decimal(str(HALF)), "billed"), Decimal(told["billed"]))


def taken_back(here: Billing) -> Answer:
    """A day is told, read, and taken back by its source before it has settled. What of it is called complete?"""
    day, axis = date(2026, 11, 10), Used(restates=3)
    source = Restated("takes back", [row(day, HALF), row(date(2026, 11, 11))])
    here.clock.today = date(2026, 11, 12)
    load_from(here, day, day, source, axis=axis)
    del source.rows[0]
    here.clock.today = date(2026, 11, 20)
    load_from(here, day, day, source, axis=axis)
    [told] = here.ask(COMPLETE, day=day)
    what, shortcut = "a day that its source took back", "only what is listed is replaced"
    return Answer(Trap("taken back", what, shortcut, Decimal(0), Decimal(str(HALF)), "billed"), Decimal(told["billed"]))


def undelivered(here: Billing) -> Answer:
    """Of two accounts one never delivers a month between two that it does. What of that month is called complete?"""
    acme = Acme(here, configured(here, "{period: {closing_day: 10}}"))
    one, other = Delivered(), Delivered(name="other")
    for month, day in (("2026-10", date(2026, 10, 5)), ("2026-11", date(2026, 11, 5)), ("2026-12", date(2026, 12, 5))):
        one.deliver(month, "closed", used(day))
        if month != "2026-11":
            other.deliver(month, "closed", used(day, 300))
    here.clock.today = date(2027, 1, 20)
    acme.load(date(2026, 10, 1), date(2026, 12, 31), one, other)
    [told] = here.ask(COMPLETE, day=date(2026, 11, 5))
    [whole] = here.ask(COMPLETE, day=date(2026, 12, 5))
    assert whole["billed"] == DELIVERED, "what was delivered is complete"
    what, shortcut = "a month that one of two accounts did not deliver", "what is not listed is nothing"
    return Answer(Trap("not delivered", what, shortcut, Decimal(0), Decimal(1), "billed"), Decimal(told["billed"]))


def lost(here: Billing) -> Answer:
    """The file of a dataset with a bill in it is deleted, then emptied, then an empty database. How many of the three give a figure?"""
    file = here.parts.settings.data_dir / "warehouse" / here.tenant.dataset / f"{here.tenant.dataset}.duckdb"
    losses: tuple[Callable[[], object], ...] = (file.unlink, file.touch, lambda: _empty_database(file))
    figures = 0
    for lose in losses:
        lose()
        with suppress(Misconfigured):
            here.parts.warehouse.tables(here.tenant)
            figures += 1
    what, shortcut = "ways to lose a dataset that are answered with a figure", "a database that is not there is made when it is opened"
    return Answer(Trap("lost", what, shortcut, Decimal(0), Decimal(len(losses)), "billed"), Decimal(figures))


def _empty_database(file: Path) -> None:
    file.unlink()
    duckdb.connect(file).close()


def said(here: Billing, trap: Trap) -> Decimal:
    where = dict(trap.where)
    env = where.pop("labels.env", None)
    asked = {name: where.pop(name, None) for name in ("currency", "invoice_month", "usage_date")}
    assert not where, f"the trap {trap.name} asks for {where}"
    [row] = here.ask(OURS, **asked, label=env and f'{{"key":"env","value":"{env}"}}')
    return Decimal(row[trap.measure])


def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(QUIET))
    with tempfile.TemporaryDirectory(prefix="traps-") as folder, billing(Path(folder), TODAY) as here:
        found = asyncio.run(answers(here))
    with tempfile.TemporaryDirectory(prefix="traps-") as folder, billing(Path(folder), TODAY) as here:
        asyncio.run(here.begin())
        found += [restated(here), taken_back(here), undelivered(here), lost(here)]
    for answering in OF_SOURCES:
        with tempfile.TemporaryDirectory(prefix="traps-") as folder, billing(Path(folder), TODAY) as here:
            asyncio.run(here.begin())
            found.append(answering(here))
    print(f"Google Cloud, load days {FIRST} to {LAST}\n\n{shown(found)}\n")  # noqa: T201 - its purpose
    for title, (late, asking) in OF_MODELS.items():
        with tempfile.TemporaryDirectory(prefix="traps-") as folder:
            used = asyncio.run(_used(Path(folder), late, asking))
        print(f"{title}\n\n{shown(used)}\n")  # noqa: T201 - its purpose
        found += used
    wrong = sum(not one.right for one in found)
    print(f"{len(found)} traps: {len(found) - wrong} right, {wrong} wrong")  # noqa: T201 - its purpose
    return 1 if wrong else 0


async def _used(folder: Path, late: date, answering: Callable[[Served], Awaitable[tuple[list[Answer], object]]]) -> list[Answer]:
    async with served(folder, late) as service:
        return (await answering(service))[0]


if __name__ == "__main__":
    sys.exit(main())
