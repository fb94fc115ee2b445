"""How the demo ends: the last whole month beside the one before, how far it may be trusted, and a page of it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

from src.cli.demo_calls import DemoCalls

STATEMENT = "/api/v1/costs/{org}/statement"
SHOWN_CHANGES = 3
MARKED = {True: "closed", False: "open"}


@dataclass(frozen=True, slots=True)
class LastMonth:
    calls: DemoCalls
    folder: Path
    today: date
    again: bool
    """Whether a demo was here before."""

    @property
    def month(self) -> str:
        return f"{self.today.replace(day=1) - timedelta(1):%Y-%m}"

    @property
    def page(self) -> Path:
        return self.folder / f"statement-{self.month}.html"

    def show(self) -> dict[str, Any]:
        """The month, as it was answered."""
        found = self.calls.ask("GET", STATEMENT, params={"month": self.month, "group_by": "provider"})
        self._since()
        before = found["previous"]
        self.calls.say(f"\n{found['month']} beside {before['from']} to {before['to']}, after credits:\n")
        for row in [*found["rows"], *({**total, "provider": "all"} for total in found["totals"])]:
            self.calls.say(_line(row))
        for why in dict.fromkeys(total["change"]["why_null"] for total in found["totals"]):
            if why:
                self.calls.say(f"  no change is told: {why}")
        self.calls.say("\nFrom its days to its invoices, and what is verified:\n")
        shares = {(one["provider"], one["currency"]): one for one in found["verification"]}
        for bridge in found["bridge"]:
            self.calls.say(_bridge(bridge, shares.get((bridge["provider"], bridge["currency"]))))
        self._changes(found["restatements"], found["restatements_left_off"])
        self.calls.say(f"\nCan it be trusted? {found['trust']}")
        self.page.write_text(self.calls.page(STATEMENT, {"month": self.month, "group_by": "provider,service"}))
        return found

    def _since(self) -> None:
        if not self.again:
            return
        changed = sum(self.calls.changed)
        days = "Nothing changed" if not changed else f"{changed} day{'' if changed == 1 else 's'} changed"
        self.calls.say(f"\n{days} since the demo that was here before.")

    def _changes(self, told: list[dict[str, Any]], left_off: int) -> None:
        if not told:
            self.calls.say("\nNothing of it was told otherwise before.")
            return
        self.calls.say(f"\nWhat said something else before ({len(told) + left_off}):\n")
        self._say(change["sentence"] for change in told[:SHOWN_CHANGES])

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.calls.say(f"  {line}")

    def next(self, address: str, key: str, found: Mapping[str, Any]) -> str:
        """What to open, and three commands."""
        costs = f"{address}/api/v1/costs/{self.calls.org}"
        bridge = next(one for one in found["bridge"] if one["provider"] == "gcp")
        paper = json.dumps({"amount": f"{Decimal(bridge['invoice']):.2f}", "currency": bridge["currency"], "number": "5012"})
        return (
            f"\nOpen {self.page.resolve().as_uri()} (the month, to print) and {address}/docs. Three commands to try:\n"
            f"\n  curl '{costs}/statement?month={self.month}&group_by=service,project&format=csv' -H 'X-API-Key: {key}'"
            f"\n  curl -X PUT {costs}/invoices/gcp/{self.month} -H 'X-API-Key: {key}' -H 'Content-Type: application/json' "
            f"-d '{paper}'"
            f"\n  curl -N -X POST '{address}/api/v1/pipelines/run/{self.calls.org}/gcp/cost/billing?wait=true' -H 'X-API-Key: {key}'"
        )


def _line(row: Mapping[str, Any]) -> str:
    amounts = f"{_money(row['net_cost'])}{_money(row['previous']['net_cost'])}{_money(row['change']['net_cost'])}"
    percent = row["change"]["net_percent"]
    return f"  {row['provider']:<14}{row['currency']:<6}{amounts}{'-' if percent is None else f'{Decimal(percent):+.1f} %':>12}"


def _bridge(one: Mapping[str, Any], verified: Mapping[str, Any] | None) -> str:
    parts = "".join(f", {part['part'].replace('_', ' ')} {Decimal(part['net_cost']):+,.2f}" for part in one["parts"])
    share = verified and verified["share"]
    told = f"{(Decimal(share) * 100).quantize(Decimal('0.1'), ROUND_DOWN)} % verified" if share else "held against nothing yet"
    invoice = _money(one["invoice"]).strip()
    days = f"days {Decimal(one['days']):,.2f}{parts}"
    return f"  {one['provider']:<14}{one['currency']:<6}{days} = {invoice}; {MARKED[one['closed']]}, {told}"


def _money(text: str | None) -> str:
    """To the cent for the eye; the answer itself has every digit."""
    return f"{'-' if text is None else f'{Decimal(text):,.2f}':>16}"
