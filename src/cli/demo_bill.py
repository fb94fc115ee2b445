"""What the demo shows of a bill: a credential stored, three months loaded, and what they come to."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from src.cli.demo_calls import DemoCalls, months_before

SHOWN_SERVICES = 6
CONTROL_TOTALS = "\nControl totals: what each invoice comes to, which is not the sum of its month's days (taxes, corrections, late use):\n"


@dataclass(frozen=True, slots=True)
class Bill:
    calls: DemoCalls
    credential: Path
    today: date

    def show(self) -> None:
        self._connect()
        months = list(months_before(self.today))
        for first, last in months:
            self.calls.load("gcp/cost/billing", f"{first:%B %Y}", first, last)
        self._costs(months[0][0], months[-1][1])

    def _connect(self) -> None:
        given = {"credential": self.credential.read_text(), "credential_name": "default"}
        stored = self.calls.ask("POST", "/api/v1/integrations/{org}/gcp/setup", given)
        counted = [table["table"] for table in stored["tables"] if table["counts"]]
        told = f"{stored['validation_status']}, {stored['subject']}"
        self.calls.say(f"Stored the sandbox's gcp credential ({told}); {len(counted)} exports count:")
        for table in counted:
            self.calls.say(f"  {table}")

    def _costs(self, first: date, last: date) -> None:
        asked = {"provider": "gcp", "from": str(first), "to": str(last), "group_by": "service"}
        found = self.calls.ask("GET", "/api/v1/costs/{org}/summary", params=asked)
        self.calls.say(f"\nWhat {first} to {last} came to, by service:\n")
        self.calls.say(f"  {'service':<42}{'currency':<10}{'billed':>16}{'credits':>16}{'net':>16}")
        for total in found["totals"]:
            services = [one for one in found["groups"] if one["currency"] == total["currency"]]
            for one in services[:SHOWN_SERVICES]:
                self.calls.say(_line(one["service"] or "(none)", one))
            self.calls.say(_line(f"{len(services) - SHOWN_SERVICES} others", _sum(services[SHOWN_SERVICES:])))
            self.calls.say(_line("all", total))
        days = ", ".join(f"{count} {word}" for word, count in found["completeness"].items() if count)
        self.calls.say(f"\nCompleteness of its days: {days}")
        self.calls.say(
            "\nControl totals: what each invoice comes to, which is not the sum of its month's days (taxes, corrections, late use):\n"
        )
        self.calls.say(f"  {'invoice month':<42}{'currency':<10}{'billed':>16}{'credits':>16}{'net':>16}  standing")
        for one in found["invoice_months"]:
            self.calls.say(f"{_line(one['invoice_month'], one)}  {one['completeness'] or ''}")
        if found["restatements"]:
            self.calls.say(f"\nSaid otherwise before, the latest of {len(found['restatements']) + found['restatements_left_off']}:")
            self.calls.say(f"  {found['restatements'][0]['sentence']}")


def _sum(services: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "currency": services[0]["currency"] if services else "",
        **{name: str(sum(Decimal(one[name]) for one in services)) for name in ("billed_cost", "credits", "net_cost")},
    }


def _line(name: str, one: dict[str, Any]) -> str:
    return f"  {name[:40]:<42}{one['currency']:<10}{_money(one['billed_cost'])}{_money(one['credits'])}{_money(one['net_cost'])}"


def _money(text: str | None) -> str:
    """To the cent for the eye; the answer itself has every digit."""
    return f"{'-' if text is None else f'{Decimal(text):,.2f}':>16}"
