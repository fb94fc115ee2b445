"""Authenticated requests through the whole stack, beside a bare FastAPI route under the same server and the same load."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx2

from bench.bench_start import ROOT, free_port

ROOT_KEY = "admin_for_a_bench"
MANY = "1000000000"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    rps: float
    p99_ms: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    url: str
    pid: int
    goal: str = ""
    header: str = ""


@contextmanager
def serving(application: str, port: int, environment: dict[str, str]) -> Iterator[int]:
    argv = [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    server = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with suppress(httpx2.TransportError):
                httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            time.sleep(0.02)
        yield server.pid
    finally:
        server.terminate()
        server.wait(30)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def load(target: Target, seconds: float) -> Load:
    argv = [sys.executable, "bench/load.py", target.url, "--seconds", str(seconds), "--connections", "32", "--warm-up", "0.5"]
    before = cpu_seconds(target.pid)
    said = subprocess.run([*argv, *(["-H", target.header] if target.header else [])], cwd=ROOT, capture_output=True, text=True, check=True)
    spent = cpu_seconds(target.pid) - before
    found = json.loads(said.stdout)
    if found["errors"]:
        raise SystemExit(f"{target.name}: {found['errors']} errors, the first: {found['first_error']}")
    # the warm-up is in the CPU time and not in the count; it is added at the same rate
    return Load(found["rps"], found["p99_ms"], spent / (found["rps"] * (seconds + 0.5)) * 1e6)


def onboarded(address: str) -> str:
    root = {"X-CA-Root-Key": ROOT_KEY}
    body = {"org_slug": "bench_org", "company_name": "Bench", "admin_email": "bench@example.com"}
    with httpx2.Client(base_url=address, headers=root, timeout=60, trust_env=False) as client:
        client.post("/api/v1/admin/bootstrap", json={}).raise_for_status()
        return str(client.post("/api/v1/organizations/onboard", json=body).raise_for_status().json()["api_key"])


def report(targets: list[Target], samples: dict[str, list[Load]]) -> None:
    anchor = samples[targets[0].name]
    print(f"{'':30}{'rps':>9}{'p99 ms':>9}{'cpu us':>9}{'peak MB':>9}{'rps x':>8}{'least':>7}{'most':>7}{'p99 x':>8}   goal")
    for target in targets:
        mine = samples[target.name]
        rps = [a.rps / b.rps for a, b in zip(mine, anchor, strict=True)]
        p99 = [a.p99_ms / b.p99_ms for a, b in zip(mine, anchor, strict=True)]
        middle = [median(getattr(one, of) for one in mine) for of in ("rps", "p99_ms", "cpu_us")]
        print(
            f"{target.name:30}{middle[0]:9.0f}{middle[1]:9.2f}{middle[2]:9.1f}{peak_mb(target.pid):9.0f}"
            f"{median(rps):8.2f}{min(rps):7.2f}{max(rps):7.2f}{median(p99):8.2f}   {target.goal}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    bare_port, port, uncached_port = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "ENVIRONMENT": "development",
            "CA_ROOT_API_KEY": ROOT_KEY,
            "EMBEDDED_DATA_DIR": f"{folder}/data",
            "LEDGER_URL": f"sqlite:///{folder}/data/ledger.db",
            "LOCAL_KEYRING": f"{folder}/data/keyring.json",
            "LOG_FORMAT": "json",
            # on, and too high to be reached
            "RATE_LIMIT_ORG_PER_MINUTE": MANY,
            "RATE_LIMIT_ROOT_PER_MINUTE": MANY,
        }
        # the same ledger seen by a process that keeps no key, so that every request reads it
        uncached = {**settings, "EMBEDDED_DATA_DIR": f"{folder}/other", "AUTH_CACHE_SECONDS": "0"}
        with (
            serving("bench.hello_fastapi:app", bare_port, {}) as bare,
            serving("src.app.main:app", port, settings) as ours,
            serving("src.app.main:app", uncached_port, uncached) as reading,
        ):
            address = f"http://127.0.0.1:{port}"
            key = f"X-API-Key: {onboarded(address)}"
            root = f"X-CA-Root-Key: {ROOT_KEY}"
            targets = [
                Target("bare FastAPI route", f"http://127.0.0.1:{bare_port}/hello", bare),
                Target("authenticated GET", f"{address}/api/v1/whoami", ours, "rps >= 0.5x, p99 <= 2x", key),
                Target("its key read from the ledger", f"http://127.0.0.1:{uncached_port}/api/v1/whoami", reading, "rps >= 0.4x", key),
                Target("an organisation read and shown", f"{address}/api/v1/organizations/bench_org", ours, "rps >= 0.4x", root),
            ]
            samples: dict[str, list[Load]] = {target.name: [] for target in targets}
            for number in range(given.pairs):
                for target in targets if number % 2 == 0 else reversed(targets):
                    samples[target.name].append(load(target, given.seconds))
            print(f"\n32 connections, {given.pairs} rounds of {given.seconds:g} s, one server process each")
            report(targets, samples)


if __name__ == "__main__":
    main()
