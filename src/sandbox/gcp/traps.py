"""What is planted in the export: for each trap the right figure, and the wrong one that a usual shortcut comes to.

Figures are of the dollar account unless a trap says otherwise. Standard and detailed export agree on every right one. What is asked is
`billed`, `credits` or `net` in columns of billing_cost_daily; `labels.env` is a key of its labels.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from src.sandbox.gcp.account_rows import CORRECTED_BEFORE, FIRST_DAY
from src.sandbox.gcp.accounts import DOLLARS, EUROS, detailed_table, standard_table
from src.sandbox.gcp.exports import Exports
from src.sandbox.gcp.money import PLACES, nanos, numeric
from src.sandbox.gcp.right_figures import credit_sum
from src.sandbox.gcp.rows import EPOCH, Row, seconds
from src.sandbox.trap import Trap

Amount = Callable[[Row], int]
CENT = 10 ** (PLACES - 2)
KEEPS_DAYS = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class _Case:
    """The rows of every load day, by the part in which they came."""

    parts: Sequence[tuple[date, int, Sequence[Row]]]
    euros: Sequence[Row]
    detailed: Sequence[Row]
    month: str

    @property
    def rows(self) -> list[Row]:
        return [row for _, _, rows in self.parts for row in rows]


def traps(exports: Exports, first: date, last: date, as_of: date | None = None) -> list[Trap]:
    """Of a load of the load days from `first` to `last`. Wants at least the days to the 15th of the second month."""
    seen, start = as_of or exports.today(), max(first, FIRST_DAY)
    table = standard_table(DOLLARS)
    days = [start + timedelta(days=number) for number in range((last - start).days + 1)]
    case = _Case(
        [(day, number, rows) for day in days for number, rows in enumerate(exports.parts(table, day, seen))],
        list(exports.rows(standard_table(EUROS), first, last, seen)),
        list(exports.rows(detailed_table(DOLLARS), first, last, seen)),
        f"{start:%Y%m}",
    )
    return [make(case) for make in MAKERS]


def _billed(row: Row) -> int:
    return nanos(row.cost)


def _credits(row: Row) -> int:
    return credit_sum(row)


def _net(row: Row) -> int:
    return nanos(row.cost) + credit_sum(row)


def _sum(rows: Iterable[Row], amount: Amount = _net) -> Decimal:
    return numeric(sum(amount(row) for row in rows))


def _dollars(**more: str) -> dict[str, str]:
    return {"currency": "USD", **more}


def _joined_credits(case: _Case) -> Trap:
    return Trap(
        "joined credits",
        "rows have none, one or three credits",
        "joins rows with their credits, then adds cost: rows without credits vanish, those with three count three times",
        _sum(case.rows, _billed),
        _sum(case.rows, lambda row: nanos(row.cost) * len(row.credits)),
        "billed",
        _dollars(),
    )


def _no_project(case: _Case) -> Trap:
    return Trap(
        "no project",
        "taxes, adjustments and support belong to no project",
        "joins with the list of projects, or asks for a project",
        _sum(case.rows),
        _sum(row for row in case.rows if row.project),
        where=_dollars(),
    )


def _watermark(case: _Case) -> Trap:
    return Trap(
        "watermark on usage time",
        "usage is reported up to six days late, corrections months later",
        "loads only what was used after the latest usage it has",
        _sum(case.rows),
        _sum(_after_watermark(case.rows)),
        where=_dollars(),
    )


def _after_watermark(rows: Iterable[Row]) -> Iterable[Row]:
    loads: dict[int, list[Row]] = {}
    for row in rows:
        loads.setdefault(row.exported, []).append(row)
    latest = 0
    for exported in sorted(loads):
        fresh = [row for row in loads[exported] if row.start > latest]
        yield from fresh
        latest = max([latest, *(row.start for row in fresh)])


def _both_exports(case: _Case) -> Trap:
    return Trap(
        "both exports",
        "the standard and the detailed export of an account hold the same money",
        "adds every export table it finds",
        _sum(case.rows),
        _sum(case.rows) + _sum(case.detailed),
        where=_dollars(),
    )


def _floats(case: _Case) -> Trap:
    drifted = 0.0
    for row in case.rows:
        drifted += row.cost + sum(credit.amount for credit in row.credits)
    return Trap(
        "floats",
        "costs are floats such as 0.1+0.2, 3e-07 and 1/1024; each is a NUMERIC before it is added",
        "adds floats",
        _sum(case.rows),
        Decimal(repr(drifted)),
        where=_dollars(),
    )


def _cents(case: _Case) -> Trap:
    return Trap(
        "cents",
        "most rows cost less than a cent's worth of digits",
        "rounds every row to cents, then adds",
        _sum(case.rows, _billed),
        _sum(case.rows, lambda row: (abs(nanos(row.cost)) + CENT // 2) // CENT * CENT * (1 if row.cost >= 0 else -1)),
        "billed",
        _dollars(),
    )


def _only_regular(case: _Case) -> Trap:
    return Trap(
        "only regular rows",
        "an invoice is the sum of regular, tax, adjustment and rounding_error rows",
        "keeps rows of cost_type regular",
        _sum(row for row in case.rows if row.invoice.month == case.month),
        _sum(row for row in case.rows if row.invoice.month == case.month and row.cost_type == "regular"),
        where=_dollars(invoice_month=case.month),
    )


def _usage_month(case: _Case) -> Trap:
    return Trap(
        "usage month",
        "an invoice holds late usage and corrections of other months, and its month is cut in US Pacific",
        "takes the month of use for the month of the invoice",
        _sum(row for row in case.rows if row.invoice.month == case.month),
        _sum(row for row in case.rows if f"{row.usage_day:%Y%m}" == case.month),
        where=_dollars(invoice_month=case.month),
    )


def _loaded_once(case: _Case) -> Trap:
    return Trap(
        "a day that grows",
        "a load day's last load can be read one day later, and that of the 7th grows once more on the 12th",
        "loads every day once, when it is over",
        _sum(case.rows),
        _sum(row for _, part, rows in case.parts if part == 0 for row in rows),
        where=_dollars(),
    )


def _appended(case: _Case) -> Trap:
    again = (row for _, part, rows in case.parts if part == 0 for row in rows)
    return Trap(
        "a day read again",
        "a load day that has grown holds what it held before",
        "appends the day that it reads again to what it has of it",
        _sum(case.rows),
        _sum(case.rows) + _sum(again),
        where=_dollars(),
    )


def _twins(case: _Case) -> Trap:
    return Trap(
        "twins",
        "two rows may be alike in every column, and both are right",
        "removes duplicates",
        _sum(case.rows),
        _sum(dict.fromkeys(case.rows)),
        where=_dollars(),
    )


def _currencies(case: _Case) -> Trap:
    return Trap(
        "currencies",
        "one organisation is billed in dollars and in euros",
        "adds amounts of two currencies",
        _sum(case.rows),
        _sum(case.rows) + _sum(case.euros),
        where=_dollars(),
    )


def _labels(case: _Case) -> Trap:
    return Trap(
        "three kinds of labels",
        "the resource, its project and its tags each say an `env`, and they differ",
        "puts labels, project labels and tags in one list and joins it",
        _sum(row for row in case.rows if ("env", "prod") in row.labels),
        _sum(case.rows, lambda row: _net(row) * _says_prod(row)),
        where=_dollars(**{"labels.env": "prod"}),
    )


def _says_prod(row: Row) -> int:
    project = row.project.labels if row.project else ()
    return [*row.labels, *project, *((tag.key, tag.value) for tag in row.tags)].count(("env", "prod"))


def _last_of_month(case: _Case) -> Trap:
    """Of the last day before the invoice's month was over."""
    year, month = int(case.month[:4]), int(case.month[4:])
    day = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    used = [(written, row) for written, _, rows in case.parts for row in rows if row.usage_day == day]
    return Trap(
        "a day's own load day",
        "the usage of one day is written over seven days and more, beyond the end of its month",
        "takes the day of the export for the day of use",
        _sum(row for _, row in used),
        _sum(row for written, row in used if written == day),
        where=_dollars(usage_date=day.isoformat()),
    )


def _old_usage(case: _Case) -> Trap:
    return Trap(
        "old corrections",
        f"on the 15th, usage of {CORRECTED_BEFORE.days} days before is taken back and charged anew",
        f"rebuilds the last {KEEPS_DAYS.days} days of usage",
        _sum(case.rows),
        _sum(row for row in case.rows if row.start >= row.exported - seconds(EPOCH + KEEPS_DAYS)),
        where=_dollars(),
    )


def _credit_left_out(case: _Case) -> Trap:
    return Trap(
        "credits of every kind",
        "nine types of credits, each negative; corrections bring positive ones",
        "knows sustained and committed use discounts only",
        _sum(case.rows, _credits),
        _sum(case.rows, lambda row: sum(nanos(one.amount) for one in row.credits if one.kind.type.endswith("USAGE_DISCOUNT"))),
        "credits",
        _dollars(),
    )


MAKERS: tuple[Callable[[_Case], Trap], ...] = (
    _joined_credits,
    _credit_left_out,
    _no_project,
    _watermark,
    _last_of_month,
    _old_usage,
    _usage_month,
    _only_regular,
    _loaded_once,
    _appended,
    _twins,
    _both_exports,
    _currencies,
    _labels,
    _floats,
    _cents,
)
