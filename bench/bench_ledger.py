"""A run's way through the ledger (accepted, claimed, settled): on SQLite beside the same statements on a bare connection, on PostgreSQL
beside a queue in its barest form and procrastinate on the same server. Every commit waits for the disk, here and there, but that of a claim
on PostgreSQL (decision 0026). The round trips to PostgreSQL are told by name.

Ours is what the service calls, and more than a queue: `queue_cycle` says what. The others only queue.
`python -m bench.bench_ledger [--cycles N] [--pairs N] [--procrastinate PYTHON]`; without PostgreSQL its half is left out, with a word.
"""

import argparse
import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from bench import queue_cycle, round_trips
from bench.measure import compare
from src.core.ledger.sqlite.statements import Compiled
from tests.engines.places import MEND, postgres_bin
from tests.engines.postgres import PostgresServer, running_postgres

ON_SQLITE = 2.0  # times bare SQLite, which is 0.5x its speed
ON_POSTGRESQL = 1 / 3  # of procrastinate's time
Taken = list[list[tuple[str, list[Any]]]]


def taken_down(url: str, cycles: int) -> Taken:
    """The statements of all cycles, by transaction."""
    taken: Taken = []
    plain = Compiled.run

    def noted(self: Compiled, raw: sqlite3.Connection, params: Any) -> sqlite3.Cursor:
        taken[-1].append((self._sql, self.bound(params)))
        return plain(self, raw, params)

    desk = queue_cycle.opened(url)
    write = desk.ledger.write

    def begun(op: Callable[..., Any], *args: Any) -> Any:
        taken.append([])
        return write(op, *args)

    desk.ledger.write = begun  # type: ignore[method-assign, assignment]
    Compiled.run = noted  # type: ignore[method-assign]
    try:
        asyncio.run(queue_cycle.cycles(desk, cycles))
    finally:
        Compiled.run = plain  # type: ignore[method-assign]
        desk.ledger.close()
    return taken


def bare(fresh: Path, cycles: int) -> None:
    """A child: takes the statements down on one copy, plays them on another."""
    with tempfile.TemporaryDirectory() as place:
        first, second = (shutil.copytree(fresh, Path(place) / name) / "ledger.db" for name in ("first", "second"))
        taken = taken_down(f"sqlite:///{first}", cycles)
        with closing(sqlite3.connect(second, isolation_level=None, cached_statements=256)) as raw:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                raw.execute(f"PRAGMA {pragma}")
            began = time.perf_counter()
            for transaction in taken:
                raw.execute("BEGIN IMMEDIATE")
                for sql, values in transaction:
                    raw.execute(sql, values).fetchone()
                raw.execute("COMMIT")
            print(f"measured {time.perf_counter() - began}")


def on_sqlite(cycles: int, pairs: int) -> bool:
    with tempfile.TemporaryDirectory() as place:
        fresh, used = Path(place) / "fresh", Path(place) / "used"
        fresh.mkdir()
        queue_cycle.prepared(f"sqlite:///{fresh / 'ledger.db'}")
        shutil.copytree(fresh, used)
        anchor = [sys.executable, "-m", "bench.bench_ledger", "--bare", str(fresh), "--cycles", str(cycles)]
        name = f"queue cycle on SQLite, {cycles} runs; anchor: the same statements on a bare connection"
        found = compare(name, anchor, _ours(f"sqlite:///{used / 'ledger.db'}", cycles), pairs, f"<= {ON_SQLITE:.2f}x its time")
    return found.ratios("wall")[0] <= ON_SQLITE


def on_postgresql(server: PostgresServer, cycles: int, pairs: int, python: str | None) -> bool:
    url, place = server.url(server.create_database()), server.dsn(server.create_database())
    queue_cycle.prepared(url)
    ours = _ours(url, cycles)
    name = f"queue cycle on PostgreSQL, {cycles} runs; anchor:"
    plain = [sys.executable, "bench/bare_queue.py", place, str(cycles)]
    compare(f"{name} SQL in its barest form, SKIP LOCKED", plain, ours, pairs, "none: for the record")
    trips = round_trips.told(url, cycles)
    if python is None:
        sys.stdout.write("procrastinate is left out: name a Python that has it with --procrastinate\n")
        return True
    theirs = [python, "bench/procrastinate_queue.py", place, str(cycles)]
    found = compare(f"{name} procrastinate", theirs, ours, pairs, f"<= {ON_POSTGRESQL:.2f}x its time")
    ratio = found.ratios("wall")[0]
    allowed = median(sample.wall for sample in found.anchor) / cycles * ON_POSTGRESQL
    print(f"{1 / ratio:.2f} times procrastinate's cycles a second; goal: 3")
    if ratio > ON_POSTGRESQL:
        print(f"the goal leaves {allowed * 1000:.2f} ms a cycle; the round trips take {trips * 1000:.2f} ms, the rest is work between")
    return ratio <= ON_POSTGRESQL


def _ours(url: str, cycles: int) -> list[str]:
    return [sys.executable, "-m", "bench.queue_cycle", url, str(cycles)]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cycles", type=int, default=300)
    arguments.add_argument("--pairs", type=int, default=5)
    arguments.add_argument("--procrastinate", metavar="PYTHON")
    arguments.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.bare:
        bare(given.bare, given.cycles)
        return 0
    reached = on_sqlite(given.cycles, given.pairs)
    if postgres_bin() is None:
        sys.stdout.write(f"PostgreSQL is left out: {MEND}\n")
    else:
        with running_postgres(durable=True) as server:
            reached = on_postgresql(server, given.cycles, given.pairs, given.procrastinate) and reached
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
