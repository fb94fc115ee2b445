"""Five million rows of OpenAI's usage priced into the columns of `openai_cost_daily`.

Beside the statement of a publication, as it is asked of the warehouse, stands bare DuckDB: the same rows and columns by one statement
written by hand, which tells uses apart by UNION ALL and multiplies in pieces of 18 digits. And a sample of calls beside the packages
that price calls: `litellm.cost_per_token` and `genai_prices.calc_price`, one call after the other, as they are made to be used.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import duckdb

from bench.measure import compare, run
from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.schema import TableSchema
from src.core.base.settings import Settings
from src.core.engine import open_warehouse, write_rows
from src.core.engine.port import Fence, ParquetFiles
from src.core.step.prices.book import Book
from src.core.step.prices.changes import Reset
from src.core.step.prices.kinds import PRICING, seed_of
from src.core.step.prices.rate_card import RATES, rate_card
from src.core.step.prices.rates import Rate

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
RAW = TableSchema.load(CONFIGS / "openai/schemas/openai_usage_daily_raw.json")
DAILY = TableSchema.load(CONFIGS / "openai/schemas/openai_cost_daily.json")
TENANT = Tenant(org_slug("bench_org"), Environment.DEVELOPMENT)
MEMORY, THREADS = "4GB", 2
ROWS, SAMPLE, SAMPLES = 5_000_000, 20_000, 3
MODELS = (
    "gpt-4o-2024-11-20", "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14", "gpt-5-2025-08-07", "gpt-5-mini-2025-08-07",
    "gpt-5.1-2025-11-13", "gpt-5.4-2026-03-05", "gpt-5.4-mini", "gpt-5.6-luna", "gpt-6-luna", "gpt-6-astra", "o3-2025-04-16",
)  # fmt: skip
# made by the engine, so that this process's own memory stays out of the figures
USAGE = """WITH drawn AS (SELECT n, hash(n) AS a, hash(n, 1) AS b, hash(n, 2) AS c FROM range({rows}) AS r(n)),
counted AS (
  SELECT *, a % 400000 AS text, CASE WHEN b % 20 = 0 THEN b % 3000 ELSE 0 END AS image, b % 90000 AS cached,
    CASE WHEN c % 3 = 0 THEN c % 4000 ELSE 0 END AS written, c % 20000 AS output
  FROM drawn
)
SELECT
  'org-bench' AS source, CAST(DATE '2026-10-01' + CAST(n % 31 AS INT) AS VARCHAR) AS source_slice,
  DATE '2026-10-01' + CAST(n % 31 AS INT) AS usage_date,
  TIMESTAMPTZ '2026-10-01 00:00:00+00' + to_days(CAST(n % 31 AS INT)) AS bucket_start, 86400 AS bucket_seconds, 'completions' AS endpoint,
  'proj_' || (a % 50) AS project_id, 'user_' || (b % 300) AS user_id, 'key_' || (c % 400) AS api_key_id,
  ['{models}'][1 + CAST(a % {count} AS INT)] AS model, b % 6 = 0 AS batch, 'default' AS service_tier, 'unlabeled' AS api_source,
  text + image + cached + written AS input_tokens, cached AS input_cached_tokens, text + image AS input_uncached_tokens,
  written AS input_cache_write_tokens, written AS input_cache_write_30m_tokens, 0 AS input_cache_write_12h_tokens,
  text AS input_text_tokens, 0 AS input_audio_tokens, image AS input_image_tokens, cached AS input_cached_text_tokens,
  0 AS input_cached_audio_tokens, 0 AS input_cached_image_tokens, output AS output_tokens, output AS output_text_tokens,
  0 AS output_audio_tokens, 0 AS output_image_tokens, 1 + a % 40 AS num_model_requests
FROM counted"""
# What a use is made of, by hand: kind, the kind it is charged as where it has no rate, quantity.
PARTS = (
    ("input", "NULL", "input_text_tokens"),
    ("audio_input", "NULL", "input_audio_tokens"),
    ("image_input", "'input'", "input_image_tokens"),
    ("cached_input", "NULL", "input_cached_text_tokens"),
    ("cached_audio_input", "NULL", "input_cached_audio_tokens"),
    ("cached_image_input", "'cached_input'", "input_cached_image_tokens"),
    ("cache_write_30m", "NULL", "input_cache_write_30m_tokens"),
    ("cache_write_12h", "NULL", "input_cache_write_12h_tokens"),
    ("output", "NULL", "output_text_tokens"),
    ("audio_output", "NULL", "output_audio_tokens"),
    ("image_output", "NULL", "output_image_tokens"),
)
PART = "SELECT *, '{}' AS token_kind, {} AS kind_else, {} AS quantity FROM told WHERE {} != 0"
# A price of one token in a million-millionth of a dollar is whole, and times a quantity it fits 18 digits.
BARE = """INSERT INTO openai_cost_daily BY NAME
WITH told AS (
  SELECT *, CASE WHEN batch THEN 'batch' ELSE 'standard' END AS tier,
    CASE WHEN num_model_requests = 1 THEN input_tokens END AS prompt_tokens
  FROM openai_usage_daily_raw
),
used AS ({parts}),
priced AS (
  SELECT *, CAST(unit_price * 1000000000000 AS BIGINT) AS pico, CAST(long_unit_price * 1000000000000 AS BIGINT) AS long_pico,
    CAST(uncached_price * 1000000000000 AS BIGINT) AS plain_pico, CAST(standard_price * 1000000000000 AS BIGINT) AS standard_pico
  FROM read_parquet($rates)
)
SELECT
  u.usage_date, u.bucket_start, u.bucket_start + to_seconds(u.bucket_seconds) AS bucket_end, u.source AS account, u.endpoint, u.project_id,
  u.user_id, u.api_key_id, u.api_source, u.model AS model_told, r.model, r.name_rule, u.tier AS service_tier, u.token_kind,
  u.kind_else, r.token_kind AS charged_kind, u.quantity, 'token' AS unit, u.vector_store_id AS detail, u.prompt_tokens,
  r.rate_id IS NOT NULL AND u.input_tokens > r.doubt_over AS may_be_long,
  r.rate_id, r.price, r.per, r.unit AS price_unit, r.currency,
  CAST(u.quantity * r.pico AS DECIMAL(18, 0)) * CAST(0.000000000001 AS DECIMAL(12, 12)) AS cost,
  CASE WHEN u.input_tokens > r.doubt_over
    THEN CAST(u.quantity * r.long_pico AS DECIMAL(18, 0)) * CAST(0.000000000001 AS DECIMAL(12, 12)) END AS cost_if_long,
  r.unpriced_reason,
  CASE WHEN u.input_tokens <= r.doubt_over THEN r.price_rule
    WHEN r.long_pico IS NULL THEN r.price_rule || '+long_untold' ELSE r.price_rule || '+may_be_long' END AS price_rule,
  'any' AS region, 'any' AS price_window, NULL AS cost_least, NULL AS cost_most,
  CAST(u.quantity * r.plain_pico AS DECIMAL(18, 0)) * CAST(0.000000000001 AS DECIMAL(12, 12)) AS cost_if_uncached,
  CAST(u.quantity * r.standard_pico AS DECIMAL(18, 0)) * CAST(0.000000000001 AS DECIMAL(12, 12)) AS cost_if_standard
FROM used AS u LEFT JOIN priced AS r
  ON u.model = r.told_model AND u.tier = r.told_tier AND u.token_kind = r.told_kind
  AND u.bucket_start >= r.valid_from AND u.bucket_start < r.valid_to
  AND coalesce(u.prompt_tokens, 1) > r.over_from AND coalesce(u.prompt_tokens, 1) <= r.over_to"""
SUMS = "SELECT COUNT(*) AS rows, SUM(quantity) AS quantity, SUM(cost) AS cost, SUM(cost_if_long) AS cost_if_long, "
SUMS += "SUM(cost_if_uncached) AS uncached, SUM(cost_if_standard) AS standard FROM openai_cost_daily"


def question(name: str) -> str:
    meters = (CONFIGS / "openai/books/meters.sql").read_text().replace("{openai_usage_daily_raw}", RAW.name)
    return (CONFIGS / name).read_text().replace("{meters}", f"({meters})")


def settings(folder: Path) -> Settings:
    return Settings(_env_file=None, embedded_data_dir=folder / "ours", duckdb_memory_limit=MEMORY, duckdb_threads=THREADS)


def stored(folder: Path) -> Path:
    return folder / "ours" / "warehouse" / TENANT.dataset / f"{TENANT.dataset}.duckdb"


def prepare(folder: Path, rows: int) -> None:
    """The usage in a file that every measured run starts from, and the rates of its kinds of use."""
    warehouse = open_warehouse(settings(folder), SystemClock())
    warehouse.ensure_dataset(TENANT)
    for schema in (RAW, DAILY):
        warehouse.ensure_table(TENANT, schema)
    usage = warehouse.io_folder(TENANT) / "usage.parquet"
    query = USAGE.format(rows=rows, models="', '".join(MODELS), count=len(MODELS))
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{usage}' (FORMAT parquet)")
    with warehouse.publication(TENANT, "bench", Fence("bench", 1)) as publication:
        publication.replace(RAW.name, ParquetFiles((usage,)))
        uses = publication.query(question("system/books/uses.sql")).to_pylist()
    warehouse.close()
    usage.unlink()
    seed = seed_of(CONFIGS, "openai", PRICING)
    book: Book[Rate] = Book()
    book = book.after(book.change(Reset(seed.rates), datetime(2026, 11, 1, tzinfo=UTC)))
    card = rate_card(uses, seed, book)
    write_rows(folder / "rates.parquet", card.shape.fields, card.rows)
    stored(folder).rename(folder / "seed.duckdb")


def ours(folder: Path) -> None:
    shutil.copyfile(folder / "seed.duckdb", stored(folder))
    warehouse = open_warehouse(settings(folder), SystemClock())
    rates = warehouse.io_folder(TENANT) / "rates.parquet"
    shutil.copyfile(folder / "rates.parquet", rates)
    started = time.perf_counter()
    with warehouse.publication(TENANT, "bench", Fence("bench", 2)) as publication:
        publication.stage("rates", ParquetFiles((rates,)), RATES)
        publication.insert(DAILY.name, question("system/prices/cost.sql"))
    print(f"measured {time.perf_counter() - started}")
    [sums] = warehouse.query(TENANT, SUMS).to_pylist()
    print(f"came to {list(sums.values())}")
    warehouse.close()


def summed(folder: Path) -> None:
    """The same costs added up, where packages write no table either."""
    shutil.copyfile(folder / "seed.duckdb", stored(folder))
    warehouse = open_warehouse(settings(folder), SystemClock())
    rates = warehouse.io_folder(TENANT) / "rates.parquet"
    shutil.copyfile(folder / "rates.parquet", rates)
    started = time.perf_counter()
    with warehouse.publication(TENANT, "bench", Fence("bench", 2)) as publication:
        publication.stage("rates", ParquetFiles((rates,)), RATES)
        publication.query(SUMS.replace(DAILY.name, f"({question('system/prices/cost.sql')}) AS priced"))
    print(f"measured {time.perf_counter() - started}")
    warehouse.close()


def bare(folder: Path) -> None:
    shutil.copyfile(folder / "seed.duckdb", folder / "bare.duckdb")
    connection = duckdb.connect(folder / "bare.duckdb", config={"storage_compatibility_version": "v1.5.0"})
    for name, value in (("memory_limit", MEMORY), ("threads", THREADS), ("preserve_insertion_order", False), ("TimeZone", "UTC")):
        connection.execute(f"SET {name} = $value", {"value": value})
    parts = " UNION ALL ".join(PART.format(kind, other, measure, measure) for kind, other, measure in PARTS)
    started = time.perf_counter()
    connection.begin()
    connection.execute(BARE.replace("{parts}", parts), {"rates": str(folder / "rates.parquet")})
    connection.commit()
    print(f"measured {time.perf_counter() - started}")
    print(f"came to {list(connection.execute(SUMS).fetchall()[0])}")
    connection.close()


def measure(rows: int, pairs: int, packages: str | None) -> None:
    """The pricing part of `make bench-llm`; `packages` is a Python that has litellm and genai-prices."""
    with tempfile.TemporaryDirectory(prefix="bench-llm-") as place:

        def child(name: str) -> list[str]:
            return [sys.executable, "-m", "bench.llm_pricing", "--child", name, "--folder", place, "--rows", str(rows)]

        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {rows:,} rows of usage, {len(DAILY.fields)} columns, {MEMORY}, {THREADS} threads")
        run(child("prepare"))
        sides = {name: subprocess.run(child(name), capture_output=True, check=True, text=True).stdout for name in ("bare", "ours")}
        came_to = {name: said.partition("came to ")[2].strip() for name, said in sides.items()}
        # two that do not say the same have not done the same work
        if len(set(came_to.values())) != 1 or not came_to["ours"]:
            raise SystemExit(f"the two sides do not come to the same: {came_to}")
        print(f"both come to rows, quantity, cost and cost if long of {came_to['ours']}")
        found = compare("usage priced", child("bare"), child("ours"), pairs, "wall <= 1.2")
        if packages:
            written = median(sample.wall for sample in found.ours)
            added_up = median(run(child("summed")).wall for _ in range(SAMPLES))
            beside_packages(rows / added_up, rows / written, packages)


def beside_packages(priced: float, written: float, packages: str) -> None:
    """One call after the other, as both packages are asked."""
    print(
        f"\nours: {priced:,.0f} rows of usage priced a second, {written:,.0f} priced and written to the table; goal: >= 300 times litellm's"
    )
    for package in ("litellm", "genai_prices"):
        theirs = SAMPLE / median(run([packages, "-m", "bench.llm_packages", package, str(SAMPLE)]).wall for _ in range(SAMPLES))
        times = f"ours prices {priced / theirs:,.0f} times as many, with the table {written / theirs:,.0f}"
        print(f"{package:14}{theirs:10,.0f} calls a second; {times}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--packages", help="a Python that has litellm and genai-prices")
    options.add_argument("--child", choices=["prepare", "ours", "summed", "bare"])
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    if given.child == "prepare":
        prepare(given.folder, given.rows)
    elif given.child:
        {"ours": ours, "summed": summed, "bare": bare}[given.child](given.folder)
    else:
        measure(given.rows, given.pairs, given.packages)


if __name__ == "__main__":
    main()
