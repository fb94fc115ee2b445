"""Runs a command with engines beside it: `python -m tests.engines LEDGER WAREHOUSE [--keep] -- COMMAND...`.

LEDGER is sqlite, postgresql or bigquery-emulator, WAREHOUSE duckdb or bigquery-emulator; the settings that name them are in the command's
environment.
"""

import argparse
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.engines.emulator import running_emulator
from tests.engines.places import ROOT
from tests.engines.postgres import running_postgres

LEDGERS = ("sqlite", "postgresql", "bigquery-emulator")
WAREHOUSES = ("duckdb", "bigquery-emulator")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.engines", description=__doc__)
    parser.add_argument("ledger", choices=LEDGERS)
    parser.add_argument("warehouse", choices=WAREHOUSES)
    parser.add_argument("--keep", action="store_true", help="find again what the engines stored for this checkout the last time")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    settings: dict[str, str] = {}
    with contextlib.ExitStack() as engines:
        if "bigquery-emulator" in (given.ledger, given.warehouse):
            emulator = engines.enter_context(running_emulator(_folder(given, "bigquery")))
            settings |= emulator.settings
        if given.ledger == "postgresql":
            server = engines.enter_context(running_postgres(durable=True, folder=_folder(given, "postgresql")))
            settings["LEDGER_URL"] = server.url("postgres")
        if given.ledger == "bigquery-emulator":
            settings["LEDGER_URL"] = "bigquery://local/organizations"
        if given.warehouse == "bigquery-emulator":
            settings["WAREHOUSE"] = "bigquery"
        command = subprocess.Popen(given.command, env={**os.environ, **settings})
        for ending in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, lambda number, _frame: command.send_signal(number))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command has it too, and ends first
        return command.wait()


def _folder(given: argparse.Namespace, name: str) -> Path | None:
    """In the system's temporary folder: PostgreSQL runs as a user who may not enter the folders of whoever started it.

    Each pair has its own, for a ledger and a warehouse that do not know each other are no service.
    """
    # the number rises with how the emulator stores: what an earlier one kept, this one would open as something else
    if not given.keep:
        return None
    home = Path(tempfile.gettempdir()) / f"convergence-engines-2-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]}"
    pair = home / f"{given.ledger}-{given.warehouse}"
    for folder in (home, pair):
        folder.mkdir(mode=0o711, exist_ok=True)
    return pair / name


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as lacking:
        # an engine that is not there or did not start says so itself
        sys.exit(str(lacking))
