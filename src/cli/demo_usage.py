"""What the demo shows of use: OpenAI set up, three months priced and held against its report, and a price laid that was missing."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from src.cli.demo_calls import DemoCalls, months_before

PRICES = "/api/v1/integrations/{org}/openai/pricing"
# its use is in the sandbox's reports, and no published list has its price
TUNED = "ft:gpt-4.1"
TUNED_PRICES = {"input": "3", "cached_input": "0.75", "output": "12"}
SHOWN_MODELS = 12
CENT = Decimal("0.01")
FINE_TUNED = re.compile(r"^(ft:[^:]+):.*$")
SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})$")


@dataclass(frozen=True, slots=True)
class UsageBill:
    calls: DemoCalls
    key: Path
    today: date

    def show(self) -> None:
        self.calls.connect("openai", self.key)
        months = list(months_before(self.today))
        for first, last in months:
            self.calls.load("openai/usage_cost", f"{first:%B %Y}", first, last)
        span = months[0][0], months[-1][1]
        self._models(*span)
        if self._lay_price():
            self._models(*span, only=TUNED)
        self._explained(*span)

    def _reconciled(self, first: date, last: date, **more: str) -> dict[str, Any]:
        asked = {"provider": "openai", "from": str(first), "to": str(last), **more}
        return self.calls.ask("GET", "/api/v1/costs/{org}/reconciliation", params=asked)

    def _models(self, first: date, last: date, only: str | None = None) -> None:
        found = self._reconciled(first, last, group_by="model", **({"model": only} if only else {}))
        tokens = self._tokens(first, last)
        rows = sorted(found["rows"], key=lambda row: -_amount(row["reported"]))
        if only is None:
            self.calls.say(f"\nUse from {first} to {last} at the book's prices, beside what OpenAI reports that it costs:\n")
            self.calls.say(f"  {'model':<26}{'tokens':>15}{'computed':>12}{'reported':>12}{'difference':>12}  because")
        for row in rows[:SHOWN_MODELS]:
            self.calls.say(_line(row["model"] or "(no model)", tokens.get(row["model"]), row))
        if only is None:
            self.calls.say(_line(f"{len(rows) - SHOWN_MODELS} others", None, _sum(rows[SHOWN_MODELS:])))
            self.calls.say(_line("all", sum(tokens.values()), _sum(rows)))

    def _explained(self, first: date, last: date) -> None:
        found = self._reconciled(first, last, group_by="month")
        self.calls.say(f"\nExplained to the cent, since {found['verified_since']}:\n")
        for one in found["verified"]:
            share = "-" if one["share"] is None else f"{Decimal(one['share']) * 100:.2f} %"
            self.calls.say(f"  {one['month']}  {share:>9} of {_money(one['money'])} {one['currency']}")
        days = ", ".join(f"{count} {word}" for word, count in found["completeness"].items() if count)
        self.calls.say(f"\nCompleteness of its days: {days}")

    def _tokens(self, first: date, last: date) -> Mapping[str, int]:
        asked = {"from": str(first), "to": str(last), "format": "csv"}
        found: dict[str, int] = {}
        for row in csv.DictReader(self.calls.lines("/api/v1/costs/{org}/tables/openai_cost_daily", asked)):
            if row["unit"] == "token":
                model = _family(row["model_told"])
                found[model] = found.get(model, 0) + int(row["quantity"])
        return found

    def _lay_price(self) -> bool:
        if self.calls.ask("GET", PRICES, params={"model": TUNED})["rows"]:
            self.calls.say(f"\nThe price of {TUNED} was laid by an earlier demo.")
            return False
        rates = [{"model": TUNED, "token_kind": kind, "price": price} for kind, price in TUNED_PRICES.items()]
        tried = self.calls.ask("POST", PRICES, rates, {"dry_run": "true"})
        days = sum(one["days_priced"] for one in tried["costs"])
        then = sum(_amount(one["cost_then"]) for one in tried["costs"])
        self.calls.say(f"\nThe book has no price of {TUNED}. With one (dry_run) {days} days would come to {then:,.2f} USD more.")
        run = self.calls.ask("POST", PRICES, rates)["costs_run"]
        self.calls.say("Laid it for good, and made these days anew:")
        self.calls.load("openai/reprice", "priced anew", date.fromisoformat(run["start_date"]), date.fromisoformat(run["end_date"]))
        return True


def _family(told: str) -> str:
    tuned = FINE_TUNED.match(told)
    return SNAPSHOT.sub("", tuned[1] if tuned else told)


def _line(name: str, tokens: int | None, row: Mapping[str, Any]) -> str:
    because = ", ".join(
        cause.replace("_", " ") for cause, amount in (row["causes"] or {}).items() if amount is not None and abs(Decimal(amount)) >= CENT
    )
    amounts = "".join(f"{_money(row[name]):>12}" for name in ("computed", "reported", "difference"))
    return f"  {name[:24]:<26}{'' if tokens is None else f'{tokens:,}':>15}{amounts}  {because}".rstrip()


def _sum(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    rows = list(rows)
    causes = {name for row in rows for name in row["causes"] or {}}
    return {
        **{name: str(sum(_amount(row[name]) for row in rows)) for name in ("computed", "reported", "difference")},
        "causes": {name: str(sum(_amount((row["causes"] or {}).get(name)) for row in rows)) for name in sorted(causes)},
    }


def _amount(text: str | None) -> Decimal:
    return Decimal(text or 0)


def _money(text: str | None) -> str:
    """To the cent for the eye; the answer itself has every digit."""
    return "-" if text is None else f"{Decimal(text):,.2f}"
