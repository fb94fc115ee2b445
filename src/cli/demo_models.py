"""What the demo shows of models: Anthropic and DeepSeek beside OpenAI, by model, with how much of it is verified and how complete it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

from src.cli.demo_calls import DemoCalls, months_before

PROVIDERS = ("openai", "anthropic", "deepseek")
SHOWN_MODELS = 7
SAVED = (("cached_share", "cache_saved", 12, 12), ("batch_share", "batch_saved", 8, 10))
HEAD = (
    f"  {'provider':<11}{'model':<24}{'tokens':>14}{'cost':>28}{'a million':>11}{'from cache':>12}{'it saved':>12}"
    f"{'batch':>8}{'it saved':>10}  figure, days"
)


@dataclass(frozen=True, slots=True)
class ModelBill:
    calls: DemoCalls
    credentials: Path
    exports: Path
    today: date

    def show(self) -> None:
        months = list(months_before(self.today))
        self.calls.connect("anthropic", self.credentials / "anthropic-demo.txt")
        span = months[0][0], months[-1][1]
        self.calls.load("anthropic/usage_cost", "three months", *span)
        self.calls.connect("deepseek", self.credentials / "deepseek-demo.txt")
        self.calls.load("deepseek/usage_cost", "balance", self.today, self.today)
        for first, _ in months:
            self.calls.bring("deepseek", self.exports / f"deepseek-demo-{first:%Y-%m}.zip", f"{first:%B %Y}", self.today)
        self._models(*span)
        self._verified(*span)

    def _models(self, first: date, last: date) -> None:
        found = self.calls.ask("GET", "/api/v1/costs/{org}/models", params={"from": str(first), "to": str(last)})
        self.calls.say(f"\nWhat models cost from {first} to {last}, the dearest of each provider:\n\n{HEAD}")
        for provider in PROVIDERS:
            rows = sorted((row for row in found["rows"] if row["provider"] == provider), key=lambda row: -Decimal(row["cost"] or 0))
            for row in rows[:SHOWN_MODELS]:
                self.calls.say(_line(row))
            if rows[SHOWN_MODELS:]:
                self.calls.say(f"  {provider:<11}{len(rows) - SHOWN_MODELS} others")
        for total in found["totals"]:
            self.calls.say(_line({**total, "provider": "all", "model": ""}))
        for one in found["claude_code"]:
            told = f"{one['sessions']:,} sessions" if one["sessions"] else f"{one['tokens'] or 0:,} tokens"
            estimate = f", estimated {_money(one['estimated_cost'])} {one['currency']}" if one["estimated_cost"] else ""
            self.calls.say(f"  apart from these: {one['product']} {one['model'] or ''} {told}{estimate}")
        for one in found["left_out"]:
            self.calls.say(f"  left out: {one['provider']}, {one['reason']}")
        days = ", ".join(f"{count} {word}" for word, count in found["completeness"].items() if count)
        self.calls.say(f"\nCompleteness of its days: {days}")
        for provider in PROVIDERS:
            reasons = [one["completeness_reason"] for one in found["not_complete"] if one["provider"] == provider]
            if reasons:
                self.calls.say(f"  the last of {len(reasons)} days: {reasons[-1]}")

    def _verified(self, first: date, last: date) -> None:
        self.calls.say("\nVerified, by each provider's own report:\n")
        for provider in PROVIDERS:
            asked = {"provider": provider, "from": str(first), "to": str(last), "group_by": "cause"}
            found = self.calls.ask("GET", "/api/v1/costs/{org}/reconciliation", params=asked)
            shares = ", ".join(
                f"{one['month']} {_percent(one['share'])} of {_money(one['money'])} {one['currency']}" for one in found["verified"]
            )
            causes = ", ".join(f"{row['cause'].replace('_', ' ')} {_money(row['difference'])}" for row in found["rows"])
            self.calls.say(f"  {provider:<11}{shares or 'no report yet'}" + (f"\n{'':<13}differences: {causes}" if causes else ""))


def _line(row: Mapping[str, Any]) -> str:
    million = "-" if row["cost_per_million"] is None else f"{Decimal(row['cost_per_million']):.3f}"
    saved = "".join(f"{_percent(row[share]):>{wide}}{_money(row[amount]):>{more}}" for share, amount, wide, more in SAVED)
    tokens = "" if row["tokens"] is None else f"{row['tokens']:,}"
    name = f"  {row['provider']:<11}{(row['model'] or '(no model)')[:22] if row['model'] != '' else '':<24}"
    return f"{name}{tokens:>14}{_cost(row):>28}{million:>11}{saved}  {row['figure'] or '-'}, {row['completeness']}"


def _cost(row: Mapping[str, Any]) -> str:
    """As one figure, as a range, or with a sign that there is more of which nobody knows the cost."""
    coin = row["currency"] or ""
    if row["cost_least"] is not None:
        return f"{_money(row['cost_least'])} to {_money(row['cost_most'])} {coin}"
    return f"{_money(row['cost'])} {coin}" + ("" if row["whole"] else " and more")


def _percent(share: str | None) -> str:
    # rounded down: what is not all of it is never told as all
    return "-" if share is None else f"{(Decimal(share) * 100).quantize(Decimal('0.1'), ROUND_DOWN)} %"


def _money(text: str | None) -> str:
    """To the cent for the eye; the answer itself has every digit."""
    return "-" if text is None else f"{Decimal(text):,.2f}"
