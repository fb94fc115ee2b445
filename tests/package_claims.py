"""What packages that price calls say of the uses that a trap is about, where they claim the same figure.

    python -m tests.package_claims PYTHON

PYTHON is one that has both packages, as `make bench-llm` makes it. What they say stands in package_claims.csv, and `make traps` prints it
beside our answers; that of genai-prices is held by a test, for it is here too.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from bench.llm_claims import CALLS, NAMES, genai_prices_call
from src.sandbox.anthropic import use as of_anthropic
from src.sandbox.anthropic.organizations import ORGANIZATIONS
from src.sandbox.anthropic.prices import alias
from src.sandbox.anthropic.traps import traps as anthropic_traps
from src.sandbox.deepseek import use as of_deepseek
from src.sandbox.deepseek.accounts import ACCOUNTS
from src.sandbox.deepseek.traps import traps as deepseek_traps
from src.sandbox.trap import Trap
from tests.anthropic_traps import READINGS
from tests.deepseek_traps import READING
from tests.trap_answers import CLAIMS

TRAPS = {one.name: one for one in (*anthropic_traps(READINGS), *deepseek_traps(READING))}
DIGITS = 9
KINDS = ("input", "read", "write_5m", "write_1h", "out")
Request = Mapping[str, Any]


def asked() -> Mapping[str, Sequence[Request]]:
    """The requests of each trap that is about what use comes to."""
    told = {
        name: list((_deepseek if "account" in one.where else _anthropic)(one)) for name, one in TRAPS.items() if one.measure == "computed"
    }
    return {name: requests for name, requests in told.items() if requests}


def _days(trap: Trap, first: date, last: date) -> Iterator[date]:
    first, last = (date.fromisoformat(trap.where.get(name, str(usual))) for name, usual in (("first", first), ("last", last)))
    yield from (first + timedelta(number) for number in range((last - first).days + 1))


def _anthropic(trap: Trap) -> Iterator[Request]:
    where = trap.where
    for day in _days(trap, READINGS.first, READINGS.last):
        for one in of_anthropic.used(ORGANIZATIONS[where["organization"]], day, READINGS.late):
            work = one.work
            so = one.of_api and alias(work.model) == where["model"]
            tier = "fast" if work.fast else work.tier
            region = "us" if work.geo == "us" else "any"
            if so and tier == where.get("tier", tier) and region == where.get("region", region):
                of_work = {"provider": "anthropic", "model": alias(work.model), "moment": one.at.isoformat()}
                ways = {"batch": work.tier == "batch", "fast": work.fast, "us": work.geo == "us"}
                yield from _each(one.requests, one.amounts, {**of_work, **ways})


def _deepseek(trap: Trap) -> Iterator[Request]:
    ways = {"batch": False, "fast": False, "us": False}
    for day in _days(trap, READING.first, READING.last):
        for one in of_deepseek.used(ACCOUNTS[trap.where["account"]], day, READING.late):
            if one.work.model == trap.where.get("model", one.work.model):
                amounts = {"input": one.amounts["miss"], "read": one.amounts["hit"], "out": one.amounts["out"]}
                of_work = {"provider": "deepseek", "model": one.work.model, "moment": one.at.isoformat()}
                yield from _each(one.requests, amounts, {**of_work, **ways})


def _each(requests: int, amounts: Mapping[str, int], of_work: Request) -> Iterator[Request]:
    """All but one of them alike, so that together they are what was used."""
    told = {kind: amounts.get(kind, 0) for kind in KINDS}
    alike = {kind: number // requests for kind, number in told.items()}
    last = {kind: number - alike[kind] * (requests - 1) for kind, number in told.items()}
    yield {**of_work, **alike, "times": requests - 1}
    yield {**of_work, **last, "times": 1}


def summed(requests: Sequence[Request], prices: Sequence[Decimal | None]) -> Decimal | None:
    """Floats are what they were meant to be in nine digits."""
    told = [price * request["times"] for request, price in zip(requests, prices, strict=True) if price is not None]
    return round(sum(told, Decimal(0)), DIGITS) if len(told) == len(requests) else None


def of_genai_prices() -> Mapping[str, Decimal | None]:
    price = genai_prices_call()
    return {name: summed(requests, [price(one) for one in requests]) for name, requests in asked().items()}


def main() -> None:
    traps = asked()
    lines = "".join(f"{json.dumps(one)}\n" for requests in traps.values() for one in requests)
    rows: list[tuple[str, str, str]] = []
    for package in CALLS:
        command = [sys.argv[1], "-m", "bench.llm_claims", package]
        version, *said = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
        told = iter(None if line == "null" else Decimal(line) for line in said)
        for name, requests in traps.items():
            says = summed(requests, [next(told) for _ in requests])
            if says is not None:
                rows.append((name, f"{NAMES[package]} {version}", f"{says.normalize():f}"))
    with CLAIMS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("trap", "package", "says"), *sorted(rows)])


if __name__ == "__main__":
    main()
