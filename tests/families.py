"""Where a run's time goes: pytest with `-p tests.families` prints a row for each family of tests. `make families` asks for it.

Seconds are those of the workers, so two workers spend two in each second that passes. CPU is what the worker and every process below it
used: what a family takes and does not use, it waits. What an engine is started for counts to the test that came first.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PARENT, USER, REAPED_SYSTEM = 1, 11, 15  # fields of /proc/PID/stat behind the program's name
ROW = "{0:26} {1:>6} {2:>8} {3:>8}  {4}"

# What a family proves that no faster one does. The longest name that fits counts.
PROVES = {
    "tests/acceptance": "the service, a process on loopback, keeps its promises to who calls, kills and stops it",
    "tests/app": "edge, pages and routes around the real core, in one process",
    "tests/architecture": "imports point one way, house rules and planted defects stand",
    "tests/contract/keyring": "both keyrings seal and open alike",
    "tests/contract/ledger": "an operation does the same on SQLite, PostgreSQL and BigQuery, also among rivals",
    "tests/contract/warehouse": "a publication, a query and a schema do the same on DuckDB and BigQuery",
    "tests/core/base": "settings, documents, redaction: values alone",
    "tests/core/costs": "questions about costs, over a real warehouse",
    "tests/core/crypto": "sealing, rotation, Cloud KMS over gRPC",
    "tests/core/engine": "what one engine alone does: DuckDB's lock-down, BigQuery's requests and faults, the dialect",
    "tests/core/gcp": "a bill loaded by the real pipeline is right to the last digit, on both warehouses",
    "tests/core/ledger": "what one ledger alone does: lost connections, throttling, locks",
    "tests/core/pipeline": "documents, graph, executor and journal",
    "tests/core/processors": "onboarding and what happens meanwhile",
    "tests/core/providers": "what is asked of Google, over HTTP",
    "tests/core/scheduler": "acceptance, leases, take-over and settling, with a clock that tests move",
    "tests/core/step": "extract, books, quality, variables and credentials",
    "tests/delivery": "scripts, image and set-up, against stand-ins that record",
    "tests/engines": "every SQL file and golden before Google's own analyzer; what the emulator promises",
    "tests/fuzz": "no generated call breaks the service",
    "tests/sandbox": "the sandbox says the truth about itself",
}


@dataclass
class Spent:
    tests: int = 0
    seconds: float = 0.0
    cpu: float = 0.0


class Meter:
    """In each worker: what a phase used, told with its report."""

    def __init__(self) -> None:
        self._before: float | None = None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call) -> Iterator[None]:
        outcome = yield
        now = used_by_tree(os.getpid())
        if self._before is not None:
            # what ended unseen is taken out of the sum, so it can fall
            outcome.get_result().user_properties.append(("cpu", max(0.0, now - self._before)))  # type: ignore[attr-defined]
        self._before = now


class Table:
    """Where the reports come together."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, Spent] = defaultdict(Spent)
        self._began = time.monotonic()

    def pytest_runtest_logreport(self, report) -> None:
        spent = self._spent[family_of(report.nodeid)]
        spent.tests += report.when == "call"
        spent.seconds += report.duration
        spent.cpu += sum(value for name, value in report.user_properties if name == "cpu")

    def pytest_terminal_summary(self, terminalreporter) -> None:
        terminalreporter.section("families")
        terminalreporter.line(ROW.format("family", "tests", "seconds", "CPU", "what it proves that no faster one does"))
        whole = Spent()
        for family, spent in sorted(self._spent.items(), key=lambda pair: -pair[1].seconds):
            whole.tests, whole.seconds, whole.cpu = whole.tests + spent.tests, whole.seconds + spent.seconds, whole.cpu + spent.cpu
            terminalreporter.line(row(family.removeprefix("tests/"), spent, PROVES.get(family, "")))
        terminalreporter.line(row("all", whole, f"{time.monotonic() - self._began:.0f} s passed"))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Meter())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table())


def family_of(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return next((name for name in sorted(PROVES, key=len, reverse=True) if path.startswith(f"{name}/")), str(Path(path).parent))


def row(name: str, spent: Spent, proves: str) -> str:
    return ROW.format(name, spent.tests, f"{spent.seconds:.1f}", f"{spent.cpu:.1f}", proves).rstrip()


def used_by_tree(root: int) -> float:
    """CPU seconds of a process, of those below it and of all they have waited for."""
    if not PROC.exists():
        return sum(os.times()[:4])
    below: defaultdict[int, list[int]] = defaultdict(list)
    ticks: dict[int, int] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_bytes().rpartition(b") ")[2].split()
        except OSError:
            continue  # it has ended since
        below[int(fields[PARENT])].append(int(entry.name))
        ticks[int(entry.name)] = sum(int(field) for field in fields[USER:REAPED_SYSTEM])
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        total += ticks.get(process, 0)
        waiting += below[process]
    return total / TICKS
