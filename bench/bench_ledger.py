"""A run's way through the ledger (accepted, claimed, settled) beside the same statements on a bare SQLite connection.

Both commit to disk at each transaction (synchronous=FULL). The statements are taken down while ours makes them, then played again.
"""

import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from src.core.base.identity import Actor
from src.core.base.settings import Settings
from src.core.ledger import orgs, queue, quotas, runs, scheduled
from src.core.ledger.plans import Plan
from src.core.ledger.runs import NewRun
from src.core.ledger.sqlite_statements import Compiled
from src.core.ledger.store import Ledger, Unit, open_ledger
from src.core.scheduler.settling import Ending, settle

CYCLES = 300
PAIRS = 7
GOAL = 0.5
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 19)
LEASE = timedelta(seconds=30)
PLAN = Plan("WIDE", 10**6, 10**6, 10)
Taken = list[list[tuple[str, list[Any]]]]


def cycle(ledger: Ledger, number: int) -> None:
    run_id = f"run{number:06}"
    ledger.write(_accept, run_id)
    ledger.write(_claim)
    ledger.write(_end, run_id)


def _accept(unit: Unit, run_id: str) -> None:
    run = NewRun(
        pipeline_logging_id=run_id,
        org_slug="acme",
        pipeline_id="acme-gcp-cost",
        document="gcp/cost/billing",
        trigger_type="api",
        window_start=DAY,
        window_end=DAY,
        status="QUEUED",
        accepted_at=AT,
        active_key=f"acme|gcp/cost/billing|{run_id}",
    )
    assert runs.working(unit, str(run.active_key)) is None
    assert quotas.reserve(unit, "acme", day=DAY, at=AT).admitted
    assert runs.accept(unit, run)
    common: dict[str, Any] = {
        "scheduled_run_id": run_id,
        "org_slug": "acme",
        "pipeline_id": run.pipeline_id,
        "document": run.document,
        "queued_at": AT,
        "max_retries": 2,
        "pipeline_logging_id": run_id,
    }
    assert scheduled.add(unit, scheduled.NewTrigger(trigger_type="api", scheduled_time=AT, created_at=AT, **common))
    assert queue.add(unit, queue.NewEntry(queue_id=run_id, available_at=AT, **common))


def _claim(unit: Unit) -> None:
    entry = queue.claim(unit, "bench", AT, AT + LEASE)
    assert entry is not None
    assert runs.take(unit, entry.pipeline_logging_id, AT) == 1
    assert scheduled.start(unit, entry.pipeline_logging_id, AT)


def _end(unit: Unit, run_id: str) -> None:
    entry = queue.get(unit, run_id)
    assert entry is not None
    assert queue.complete(unit, queue.Hold(run_id, "bench", entry.lease_generation))
    ending = Ending(run_id=run_id, audit_id=f"a{run_id}", org_slug="acme", actor=Actor("system"), status="SUCCESS", at=AT)
    assert settle(unit, ending)


@contextmanager
def ledger_in(folder: Path) -> Iterator[Ledger]:
    ledger = open_ledger(Settings(_env_file=None, ledger_url=f"sqlite:///{folder / 'ledger.db'}"))
    try:
        yield ledger
    finally:
        ledger.close()


def prepared(folder: Path) -> None:
    with ledger_in(folder) as ledger:
        ledger.bootstrap()
        acme = orgs.NewOrg(org_slug="acme", company_name="Acme", admin_email="a@acme.example", plan=PLAN, created_at=AT, generation=1)
        assert ledger.write(orgs.create, acme)


def taken_down(folder: Path) -> Taken:
    """The statements of all cycles, by transaction."""
    taken: Taken = []
    run = Compiled.run

    def noted(self: Compiled, raw: sqlite3.Connection, params: Any) -> sqlite3.Cursor:
        taken[-1].append((self._sql, self.bound(params)))
        return run(self, raw, params)

    with ledger_in(folder) as ledger:
        write = ledger.write

        def begun(op: Callable[..., Any], *args: Any) -> Any:
            taken.append([])
            return write(op, *args)

        ledger.write = begun  # type: ignore[method-assign, assignment]
        Compiled.run = noted  # type: ignore[method-assign]
        try:
            for number in range(CYCLES):
                cycle(ledger, number)
        finally:
            Compiled.run = run  # type: ignore[method-assign]
    return taken


def ours(folder: Path, _taken: Taken) -> float:
    with ledger_in(folder) as ledger:
        ledger.glance(runs.get, "none")
        began = time.perf_counter()
        for number in range(CYCLES):
            cycle(ledger, number)
        return time.perf_counter() - began


def bare(folder: Path, taken: Taken) -> float:
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None, cached_statements=256)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA secure_delete=ON")
        began = time.perf_counter()
        for transaction in taken:
            raw.execute("BEGIN IMMEDIATE")
            for sql, values in transaction:
                raw.execute(sql, values).fetchone()
            raw.execute("COMMIT")
        return time.perf_counter() - began


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        fresh = Path(place) / "fresh"
        fresh.mkdir()
        prepared(fresh)

        def on_copy(work: Callable[[Path, Taken], float], taken: Taken) -> float:
            folder = Path(place) / "copy"
            shutil.copytree(fresh, folder)
            try:
                return work(folder, taken)
            finally:
                shutil.rmtree(folder)

        first = Path(place) / "first"
        shutil.copytree(fresh, first)
        taken = taken_down(first)
        pairs = [(on_copy(bare, taken), on_copy(ours, taken)) for _ in range(PAIRS)]
    speeds = [anchor / mine for anchor, mine in pairs]
    per = [1000 * median(column) / CYCLES for column in zip(*pairs, strict=True)]
    sys.stdout.write(
        f"queue cycle: ours {per[1]:.2f} ms, bare SQLite {per[0]:.2f} ms; speed {median(speeds):.2f}x "
        f"({min(speeds):.2f} to {max(speeds):.2f}), goal >= {GOAL}x\n"
    )
    return 0 if median(speeds) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
