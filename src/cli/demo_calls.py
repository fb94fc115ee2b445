"""Calls of the demo's organisation: what it asks, and runs it follows to their end."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2

from src.core.base.faults import Fault, Unavailable

MONTHS = 3
BAR = 24
OK, CREATED, ACCEPTED = 200, 201, 202
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoCalls:
    client: httpx2.Client
    org: str
    key: str
    say: Say
    process_queue: Callable[[], object]
    """Has the run taken up where no worker looks for it by itself."""
    changed: list[int] = field(default_factory=list)
    """How many days each run told otherwise."""

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key, "X-User-ID": "demo"}

    def ask(self, method: str, path: str, body: object = None, params: dict[str, str] | None = None) -> dict[str, Any]:
        """`{org}` in the path is the organisation."""
        path = path.format(org=self.org)
        return _read(self.client.request(method, path, headers=self._headers, json=body, params=params), f"{method} {path}")

    def lines(self, path: str, params: dict[str, str]) -> Iterator[str]:
        """Of a file."""
        path = path.format(org=self.org)
        with self.client.stream("GET", path, headers=self._headers, params=params) as answer:
            if answer.status_code != OK:
                raise Unavailable(f"{path} answered {answer.status_code}")
            yield from answer.iter_lines()

    def page(self, path: str, params: dict[str, str]) -> str:
        path = path.format(org=self.org)
        answer = self.client.get(path, headers={**self._headers, "Accept": "text/html"}, params=params)
        if answer.status_code != OK:
            raise Unavailable(f"{path} answered {answer.status_code}")
        return answer.text

    def load(self, pipeline: str, name: str, first: date, last: date) -> dict[str, Any]:
        """Runs it to its end, which is told, under a line with this name."""
        body = {"start_date": str(first), "end_date": str(last)}
        return self._followed(self.ask("POST", f"/api/v1/pipelines/run/{{org}}/{pipeline}", body), name)

    def bring(self, provider: str, file: Path, name: str, exported_on: date) -> dict[str, Any]:
        """Imports a file that somebody downloaded on that day, to its end."""
        path = f"/api/v1/imports/{self.org}/{provider}"
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        answer = self.client.post(
            path, headers=headers, content=file.read_bytes(), params={"name": file.name, "exported_on": str(exported_on)}
        )
        return self._followed(_read(answer, f"POST {path}"), name)

    def connect(self, provider: str, key: Path) -> dict[str, Any]:
        stored = self.ask("POST", f"/api/v1/integrations/{{org}}/{provider}/setup", {"credential": key.read_text()})
        self.say(f"\nStored the sandbox's {provider} key ({stored['validation_status']}, {stored['subject']}), and made its price book:")
        return stored

    def _followed(self, run: dict[str, Any], name: str) -> dict[str, Any]:
        self.process_queue()
        bar = Bar(name)
        for event, told in self._events(run["links"]["events"]):
            if event == "progress":
                bar.draw(told)
        ended = self.ask("GET", run["links"]["run"])
        if ended["status"] != "SUCCESS":
            bar.end(f"{ended['status']}: {ended['error']}")
            raise Fault(f"the run {run['pipeline_logging_id']} ended {ended['status']}: {ended['error']}")
        seconds = f"{(ended['duration_ms'] or 0) / 1000:.1f} s"
        results = [step["result"] for step in ended["steps"] if isinstance(step["result"], dict)]
        self.changed.append(sum(result.get("days_changed", 0) for result in results))
        done = _done(ended["rows_processed"], results)
        if done is None:
            bar.end(f"nothing changed, looked for {seconds}")
            return ended
        quality = ended["data_quality"]
        held = f"{quality['passed']} of {quality['passed'] + quality['failed']} expectations held"
        bar.end(f"{done} in {seconds}; books closed, {held}{_not_held(quality['results'])}")
        return ended

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


def _read(answer: httpx2.Response, asked: str) -> dict[str, Any]:
    if answer.status_code not in (OK, CREATED, ACCEPTED):
        raise Fault(f"{asked} answered {answer.status_code}: {answer.text}")
    read: dict[str, Any] = answer.json()
    return read


def _done(rows: int | None, results: list[dict[str, Any]]) -> str | None:
    """A run that reads no rows may make days anew all the same; None where it did nothing."""
    touched = sum(result.get("days_touched", 0) for result in results)
    if rows or not results:
        return f"{rows or 0:,} rows"
    return f"{touched} day{'' if touched == 1 else 's'} made anew" if touched else None


def _not_held(results: list[dict[str, Any]]) -> str:
    """Which they are, so that nobody has to look for them."""
    failed = [f"{one['table']}.{one['column']}: {one['observed']} rows, {one['expectation']}" for one in results if not one["passed"]]
    return f"; not held: {'; '.join(failed)}" if failed else ""


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
