"""What the demo shows of a bill: a credential stored, three months loaded, and what they come to."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from src.core.base.faults import Fault, Unavailable

MONTHS = 3
BAR = 24
OK, ACCEPTED = 200, 202
SHOWN_SERVICES = 6
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bill:
    client: httpx2.Client
    org: str
    key: str
    credential: Path
    today: date
    say: Say
    process_queue: Callable[[], object]
    """Has the run taken up where no worker looks for it by itself."""

    def show(self) -> None:
        self._connect()
        months = list(months_before(self.today))
        for first, last in months:
            self._load(first, last)
        self._costs(months[0][0], months[-1][1])

    def _connect(self) -> None:
        stored = self._ask(
            "POST",
            f"/api/v1/integrations/{self.org}/gcp/setup",
            {"credential": self.credential.read_text(), "credential_name": "default"},
        )
        counted = [table["table"] for table in stored["tables"] if table["counts"]]
        self.say(f"Stored the sandbox's gcp credential ({stored['validation_status']}, {stored['subject']}); {len(counted)} exports count:")
        for table in counted:
            self.say(f"  {table}")

    def _load(self, first: date, last: date) -> None:
        body = {"start_date": str(first), "end_date": str(last)}
        run = self._ask("POST", f"/api/v1/pipelines/run/{self.org}/gcp/cost/billing", body)
        self.process_queue()
        bar = Bar(f"{first:%B %Y}")
        for event, told in self._events(run["links"]["events"]):
            if event == "progress":
                bar.draw(told)
        ended = self._ask("GET", run["links"]["run"])
        if ended["status"] != "SUCCESS":
            bar.end(f"{ended['status']}: {ended['error']}")
            raise Fault(f"the run {run['pipeline_logging_id']} ended {ended['status']}: {ended['error']}")
        quality = ended["data_quality"]
        done = f"{ended['rows_processed'] or 0:,} rows in {(ended['duration_ms'] or 0) / 1000:.1f} s"
        bar.end(f"{done}; books closed, {quality['passed']} of {quality['passed'] + quality['failed']} expectations held")

    def _events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        with self.client.stream("GET", path, headers={"X-API-Key": self.key}, timeout=600) as answer:
            if answer.status_code != OK:
                raise Unavailable(f"{path} answered {answer.status_code}")
            event = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    yield event, json.loads(value)

    def _costs(self, first: date, last: date) -> None:
        asked = {"from": str(first), "to": str(last), "group_by": "service"}
        found = self._ask("GET", f"/api/v1/costs/{self.org}/summary", params=asked)
        self.say(f"\nWhat {first} to {last} came to, by service:\n")
        self.say(f"  {'service':<42}{'currency':<10}{'billed':>16}{'credits':>16}{'net':>16}")
        for total in found["totals"]:
            services = [one for one in found["groups"] if one["currency"] == total["currency"]]
            for one in services[:SHOWN_SERVICES]:
                self.say(_line(one["service"] or "(none)", one))
            self.say(_line(f"{len(services) - SHOWN_SERVICES} others", _sum(services[SHOWN_SERVICES:])))
            self.say(_line("all", total))
        days = ", ".join(f"{count} {word}" for word, count in found["completeness"].items() if count)
        self.say(f"\nCompleteness of its days: {days}")
        self.say("\nControl totals: what each invoice comes to, which is not the sum of its month's days (taxes, corrections, late use):\n")
        self.say(f"  {'invoice month':<42}{'currency':<10}{'billed':>16}{'credits':>16}{'net':>16}  standing")
        for one in found["invoice_months"]:
            self.say(f"{_line(one['invoice_month'], one)}  {one['completeness'] or ''}")
        if found["restatements"]:
            self.say(f"\nSaid otherwise before, the latest of {len(found['restatements']) + found['restatements_left_off']}:")
            self.say(f"  {found['restatements'][0]['sentence']}")

    def _ask(self, method: str, path: str, body: object = None, params: dict[str, str] | None = None) -> dict[str, Any]:
        answer = self.client.request(method, path, headers={"X-API-Key": self.key, "X-User-ID": "demo"}, json=body, params=params)
        if answer.status_code not in (OK, ACCEPTED):
            raise Fault(f"{method} {path} answered {answer.status_code}: {answer.text}")
        read: dict[str, Any] = answer.json()
        return read


class Bar:
    """A line that grows on a terminal; where there is none, only its end is written."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._live = sys.stdout.isatty()

    def draw(self, told: dict[str, Any]) -> None:
        if not self._live:
            return
        percent = float(told["percent"] or 0)
        filled = round(percent * BAR / 100)
        doing = told["doing"] or told["step"] or ""
        eta = f", {told['eta_seconds']:.0f} s to go" if told["eta_seconds"] else ""
        self._write(f"\r\x1b[K  {self._name:<16}[{'#' * filled}{'.' * (BAR - filled)}] {percent:3.0f} %  {doing}{eta}")

    def end(self, said: str) -> None:
        start = "\r\x1b[K" if self._live else ""
        self._write(f"{start}  {self._name:<16}[{'#' * BAR}] {said}\n")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def months_before(today: date) -> Iterator[tuple[date, date]]:
    """The month of yesterday up to it and the two before, the oldest first."""
    yesterday = today - timedelta(1)
    spans = [(yesterday.replace(day=1), yesterday)]
    for _ in range(MONTHS - 1):
        last = spans[0][0] - timedelta(1)
        spans.insert(0, (last.replace(day=1), last))
    return iter(spans)


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
