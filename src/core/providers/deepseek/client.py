"""DeepSeek's balance: what is left in each currency at this moment. It tells nothing of use or cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from src.core.base.faults import StepFailed, Unavailable
from src.core.base.secret import Secret
from src.core.providers.deepseek.refusals import TITLE, refusal
from src.core.providers.http.auth import bearer
from src.core.providers.link import ProviderLink

BALANCE = "/user/balance"
AMOUNTS = ("total_balance", "granted_balance", "topped_up_balance")
CURRENCY_LETTERS = 3
MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class CurrencyBalance:
    currency: str
    total_balance: Decimal
    granted_balance: Decimal
    """Gifts that have not expired; they are spent first."""
    topped_up_balance: Decimal
    is_available: bool
    """Whether there is enough to call a model."""


def balance(link: ProviderLink, key: Secret) -> Sequence[CurrencyBalance]:
    auth, url = bearer(key), f"{link.endpoint()}{BALANCE}"
    answer = link.pace.asked(lambda: link.http.ask("GET", url, auth=auth), link.clock.now)
    if not answer.ok:
        raise refusal(answer, link.clock.now(), BALANCE)
    if answer.body is None:
        raise Unavailable(f"{TITLE}'s answer to {BALANCE} is no JSON; ask again, and if it stays so look at PROVIDER_URLS")
    return _balances(answer.body)


def _balances(body: Any) -> Sequence[CurrencyBalance]:
    told = body.get("balance_infos") if isinstance(body, dict) else None
    available = body.get("is_available") if isinstance(body, dict) else None
    if not isinstance(told, list) or not isinstance(available, bool):
        raise _odd("balance_infos" if not isinstance(told, list) else "is_available")
    found = [_balance(one, number, available=available) for number, one in enumerate(told)]
    if len({one.currency for one in found}) < len(found):
        raise _odd("balance_infos, which tells a currency twice")
    return sorted(found, key=lambda one: one.currency)


def _balance(told: Any, number: int, *, available: bool) -> CurrencyBalance:
    place = f"balance_infos.{number}"
    if not isinstance(told, dict):
        raise _odd(place)
    currency = told.get("currency")
    if not isinstance(currency, str) or len(currency) != CURRENCY_LETTERS or not currency.isascii() or not currency.isupper():
        raise _odd(f"{place}.currency")
    total, granted, topped_up = (_amount(told, name, place) for name in AMOUNTS)
    return CurrencyBalance(currency, total, granted, topped_up, available)


def _amount(told: Mapping[str, Any], name: str, place: str) -> Decimal:
    said = told.get(name)
    try:
        amount = Decimal(said) if isinstance(said, str) else None
    except InvalidOperation:
        amount = None
    # below nothing it may be: what was used and is not paid yet
    if amount is None or not amount.is_finite() or amount.adjusted() >= MOST_DIGITS or amount != round(amount, MOST_DIGITS):
        raise _odd(f"{place}.{name}")
    return amount


def _odd(place: str) -> StepFailed:
    return StepFailed(f"{TITLE}'s answer to {BALANCE} is not of the shape it should have (at {place})")
