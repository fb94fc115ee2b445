"""The export of the console, in every form that it was seen in."""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from src.sandbox.deepseek.accounts import Currency, DeepseekAccount
from src.sandbox.deepseek.use import DeepseekUse, used
from src.sandbox.deepseek.wallets import NOTHING, happened

AMOUNT = ("user_id", "utc_date", "model", "api_key_name", "api_key", "type", "price", "amount")
COST = ("user_id", "utc_date", "model", "wallet_type", "cost", "currency")
TYPES: Mapping[str, str] = {"hit": "input_cache_hit_tokens", "miss": "input_cache_miss_tokens", "out": "output_tokens"}
REQUESTS, PRICE = "request_count", "price"


@dataclass(frozen=True, slots=True)
class ExportForm:
    dashes: bool = True
    """Days as 2026-11-02, not as 20261102."""
    bom: bool = True
    line_end: Literal["\r\n", "\n"] = "\r\n"
    padded: bool = True
    """Months as 2026-09, not as 2026-9."""
    old_types: bool = False
    """What came not from the cache is `input_tokens`."""
    free: str = ""
    """The price of a request, which has none."""
    priced: bool = True
    """Whether use comes with its price, and so with the time of day."""


NEW = ExportForm()
FORMS: Mapping[str, ExportForm] = {
    "new": NEW,
    "plain": ExportForm(bom=False, line_end="\n", free="0"),
    "old": ExportForm(dashes=False, bom=False, padded=False, old_types=True),
    "bare": ExportForm(priced=False),
}


def console_zip(account: DeepseekAccount, first: date, last: date, now: datetime, form: ExportForm = NEW) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in console_files(account, first, last, now, form).items():
            # the same content, the same bytes
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def console_files(account: DeepseekAccount, first: date, last: date, now: datetime, form: ExportForm = NEW) -> Mapping[str, bytes]:
    """Of a whole month, or of a range; `last` counts in."""
    ending = _ending(first, last, form)
    return {
        f"amount-{ending}.csv": _file(
            [name for name in AMOUNT if form.priced or name != PRICE], _amounts(account, first, last, now, form), form
        ),
        f"cost-{ending}.csv": _file(COST, _costs(account, first, last, now, form), form),
    }


def month_of(day: date) -> tuple[date, date]:
    first = day.replace(day=1)
    return first, (first + timedelta(31)).replace(day=1) - timedelta(1)


def _ending(first: date, last: date, form: ExportForm) -> str:
    if (first, last) != month_of(first):
        return f"{first}_{last}"
    return f"{first:%Y-%m}" if form.padded else f"{first.year}-{first.month}"


def _file(head: Sequence[str], rows: Iterator[Sequence[str]], form: ExportForm) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=form.line_end)
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig" if form.bom else "utf-8")


def _amounts(account: DeepseekAccount, first: date, last: date, now: datetime, form: ExportForm) -> Iterator[Sequence[str]]:
    for day in _days(first, last):
        sums: dict[tuple[str, str, str, str], int] = {}
        for use in used(account, day, now):
            for kind, price, number in _lines(use, form):
                key = (use.work.model, use.work.key, kind, price)
                sums[key] = sums.get(key, 0) + number
        for (model, name, kind, price), number in sorted(sums.items()):
            told = (price,) if form.priced else ()
            yield account.user_id, _day(day, form), model, name, account.masked(name), kind, *told, str(number)


def _lines(use: DeepseekUse, form: ExportForm) -> Iterator[tuple[str, str, int]]:
    for kind, number in use.amounts.items():
        if number:
            told = "input_tokens" if form.old_types and kind == "miss" else TYPES[kind]
            yield told, f"{use.price(kind).normalize():f}" if form.priced else "", number
    yield REQUESTS, form.free, use.requests


def _costs(account: DeepseekAccount, first: date, last: date, now: datetime, form: ExportForm) -> Iterator[Sequence[str]]:
    for day in _days(first, last):
        sums: dict[tuple[str, str, Currency], Decimal] = {}
        for currency in account.currencies:
            for one in happened(account, currency, day, day):
                if isinstance(one.what, DeepseekUse) and one.at <= now:
                    for wallet_type, amount in (("Granted", -one.granted), ("Paid", -one.topped_up)):
                        key = (one.what.work.model, wallet_type, currency)
                        sums[key] = sums.get(key, NOTHING) + amount
        for (model, wallet_type, currency), amount in sorted(sums.items()):
            if amount:
                yield account.user_id, _day(day, form), model, wallet_type, f"{amount.normalize():f}", currency


def _days(first: date, last: date) -> Iterator[date]:
    yield from (first + timedelta(number) for number in range((last - first).days + 1))


def _day(day: date, form: ExportForm) -> str:
    return day.isoformat() if form.dashes else f"{day:%Y%m%d}"
