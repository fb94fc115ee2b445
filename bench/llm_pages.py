"""A month of model usage, 31 days of 40 models in 50 projects, from a server on loopback to Parquet files that are ready to be staged.

Beside it the bare work: the same days by the same client, msgspec, and columns of Arrow; no file, no order, no digest, no other report.
The server is a process of its own. Each measured load comes second in its process, after one of a single day: a service has run before.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pyarrow as pa
from msgspec.structs import astuple

from bench.measure import LEAST_PAIRS, compare, run
from src.core.base.clock import SystemClock
from src.core.base.schema import TableSchema
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.base.window import Window
from src.core.providers.http.buckets import DAY
from src.core.providers.link import linked
from src.core.providers.openai.days import usage_days
from src.core.providers.openai.reports import TOKEN_MEASURES, USAGE
from src.core.step.source.by_day import days_asked

ROOT = Path(__file__).resolve().parents[1]
COMPLETIONS = USAGE["completions"]
FIRST, TODAY = date(2026, 1, 1), date(2026, 12, 20)
MODELS, PROJECTS, MONTH = 40, 50, 31
SPANS = (31, 62, 124)
GOAL = "wall at most 1.5 times the bare work"
KEY = Secret("sk-admin-" + "0" * 40)
SCHEMA = ROOT / "configs/openai/schemas/openai_usage_daily_raw.json"


def measure(pairs: int = LEAST_PAIRS) -> None:
    with serving() as address:
        child = [sys.executable, "-m", "bench.llm_pages", "--address", address]
        rows = MONTH * MODELS * PROJECTS
        compare(f"{rows:,} rows of usage to staged files", [*child, "bare", str(MONTH)], [*child, "ours", str(MONTH)], pairs, GOAL)
        print("\nmemory as days grow:")
        for days in SPANS:
            sample = run([*child, "ours", str(days)])
            print(f"{days:4} days {sample.wall:8.3f} s {sample.cpu:8.3f} cpu s {sample.peak_mb:8.0f} MB")


@contextmanager
def serving() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-m", "bench.llm_pages", "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield (server.stdout.readline() if server.stdout else "").strip()
        finally:
            server.terminate()


@lru_cache(maxsize=max(SPANS))
def bucket(start: int) -> bytes:
    rows = [row(start // DAY, model, project) for model in range(MODELS) for project in range(PROJECTS)]
    return json.dumps({"object": "bucket", "start_time": start, "end_time": start + DAY, "results": rows}, separators=(",", ":")).encode()


def row(day: int, model: int, project: int) -> dict[str, object]:
    told = {"object": "organization.usage.completions.result"}
    sums = {name: (day * 31 + model * 7_919 + project * 104_729 + at * 15_485_863) % 9_000_000 for at, name in enumerate(TOKEN_MEASURES)}
    kinds = {"project_id": f"proj_{project:024x}", "user_id": None, "api_key_id": f"key_{project:024x}", "model": f"gpt-{model}-2026-03-05"}
    return {**told, **sums, "num_model_requests": 420 + project, **kinds, "batch": False, "service_tier": "default", "api_source": None}


class Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        start, end, limit = int(asked.get("page", asked["start_time"])), int(asked["end_time"]), int(asked["limit"])
        told = range(start, end, DAY)[:limit]
        # the month again and again: what is used costs this server nothing while it is measured
        pieces = [bucket(one) if place.path.endswith("completions") else b'{"start_time":%d,"results":[]}' % one for one in told]
        following = b'"%d"' % told.stop if told.stop < end else b"null"
        more = b"true" if told.stop < end else b"false"
        body = b'{"object":"page","data":[%s],"has_more":%s,"next_page":%s}' % (b",".join(pieces), more, following)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # a page that is larger than its asker takes is not read to its end
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line for each page would be measured too."""


def serve() -> None:
    for number in range(max(SPANS)):
        bucket(seconds(FIRST + timedelta(number)))
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


def bare(address: str, window: Window) -> None:
    names = COMPLETIONS.row.__struct_fields__
    kinds = {"batch": pa.bool_(), **dict.fromkeys(COMPLETIONS.measures, pa.int64())}
    with httpx2.Client() as client:
        params = {"start_time": seconds(window.start), "end_time": seconds(window.end + timedelta(1)), "limit": len(window)}
        body = client.get(f"{address}/{COMPLETIONS.path}", params=params, headers={"Accept-Encoding": "identity"}).content
    page = COMPLETIONS.decoder.decode(body)
    rows = [row for bucket in page.data for row in bucket.results or ()]
    columns = zip(*map(astuple, rows), strict=True)
    table = pa.table({name: pa.array(values, kinds.get(name, pa.string())) for name, values in zip(names, columns, strict=True)})
    assert table.num_rows == len(window) * MODELS * PROJECTS


class HeldToday(SystemClock):
    def now(self) -> datetime:
        return datetime.combine(TODAY, super().now().timetz())


class AtAddress:
    """As much of a service as a link takes."""

    def __init__(self, address: str) -> None:
        self.settings = Settings(_env_file=None, sandbox=True).asking_at({"openai.api": address})
        self.clock = HeldToday()


def ours(address: str, window: Window) -> None:
    columns = TableSchema.load(SCHEMA).fields[2:]
    with tempfile.TemporaryDirectory() as name, linked(AtAddress(address), "openai") as link:
        folder = Path(name)
        ask = partial(usage_days, link, KEY, widths={})
        with days_asked(folder, "bench", {"usage": (columns, ask)}, TODAY) as (source,):
            listing = source.slices(window, window)
            files = source.fetch(listing.slices, folder, lambda _: None)
        assert (len(files), sum(one.rows or 0 for one in listing.slices)) == (len(window), len(window) * MODELS * PROJECTS)


def seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="?", choices=("measure", "serve", "bare", "ours"), default="measure")
    parser.add_argument("days", nargs="?", type=int, default=MONTH)
    parser.add_argument("--address", default="")
    parser.add_argument("--pairs", type=int, default=LEAST_PAIRS)
    given = parser.parse_args()
    if given.part in ("measure", "serve"):
        measure(given.pairs) if given.part == "measure" else serve()
        return
    work = bare if given.part == "bare" else ours
    work(given.address, Window.day(FIRST))
    started = time.perf_counter()
    work(given.address, Window(FIRST, FIRST + timedelta(given.days - 1)))
    print(f"measured {time.perf_counter() - started}")


if __name__ == "__main__":
    main()
