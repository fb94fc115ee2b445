"""A month of Google Cloud's billing export, two million rows with nested labels and credits, to raw rows and daily costs.

Ours is the whole load engine: raw rows and daily costs replaced in one publication, with control totals, data quality, completeness,
history and the manifest; raw rows are the files they came in. Beside it the same two statements into tables of bare DuckDB, and dlt's
Arrow path, which writes the raw rows alone. Each measured load comes second in its process, after one of a single day: a service has
run before. Of one load of ours it is printed where the time goes, and of each side how many bytes lie on the disk.
`python -m bench.bench_ingest [--rows N] [--pairs N] [--dlt PYTHON]`
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import structlog

from bench.measure import compare, run
from src.core.base.clock import SystemClock
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.settings import Settings, use_settings
from src.core.engine import open_warehouse
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.duckdb.publication import DuckDBPublication
from src.core.engine.port import Warehouse
from src.core.ledger.store import open_ledger
from src.core.processors.gcp.bq_etl import BigQueryETLEngine, GoogleTables
from src.core.providers.export import TablePlace
from src.core.providers.slices import OnBytes, Slice, SliceDays, day_slice
from src.core.step.context import StepContext
from src.core.step.gcp.exports import ExportSource
from src.core.step.source.config import SourceStep
from src.core.step.source.engine import SourceEngine

MEMORY, THREADS = "4GB", 2
ROOT = Path(__file__).resolve().parents[1]
TENANT = Tenant(org_slug("bench_org"), Environment.DEVELOPMENT)
FIRST = date(2026, 8, 1)
TODAY = date(2026, 12, 20)  # every month of the bench is over
MONTHS = 3
DAYS = 30
RESTATED = FIRST + timedelta(14)
TABLE = "gcp_billing_export_v1_0A0A0A_0B0B0B_0C0C0C"
SOURCE = f"bench.export.{TABLE}"
CONFIGS = ROOT / "configs"
# An hourly row of each of some thousand resources: what a resource is called, costs and is labelled with belongs to it.
ROW = """WITH hours AS (SELECT n, n %% %(resources)d AS r, (n // %(resources)d) %% 24 AS h FROM range(%(start)d, %(end)d) AS x(n))
SELECT
  '0A0A0A-0B0B0B-0C0C0C' AS billing_account_id,
  {'month': strftime(DATE '%(day)s', '%%Y%%m'), 'publisher_type': 'GOOGLE'} AS invoice,
  'regular' AS cost_type,
  {'id': 'S' || (hash(r, 2) %% 900 %% 30), 'description': 'Service ' || (hash(r, 2) %% 900 %% 30)} AS service,
  {'id': 'K' || (hash(r, 2) %% 900), 'description': 'Sku ' || (hash(r, 2) %% 900)} AS sku,
  TIMESTAMPTZ '%(day)s 00:00:00+00' + INTERVAL (h::BIGINT - CASE WHEN n %% 50 = 0 THEN 24 ELSE 0 END) HOUR AS usage_start_time,
  TIMESTAMPTZ '%(day)s 01:00:00+00' + INTERVAL (h::BIGINT - CASE WHEN n %% 50 = 0 THEN 24 ELSE 0 END) HOUR AS usage_end_time,
  {'id': 'p' || (hash(r, 4) %% 40), 'number': '1', 'name': 'project ' || (hash(r, 4) %% 40),
   'labels': [{'key': 'env', 'value': 'prod'}], 'ancestry_numbers': '/1/',
   'ancestors': [{'resource_name': 'projects/1', 'display_name': 'one'}]} AS project,
  [{'key': 'team', 'value': 't' || (hash(r, 5) %% 12)}, {'key': 'app', 'value': 'a' || (hash(r, 5) %% 50)}] AS labels,
  [{'key': 'compute.googleapis.com/cores', 'value': '4'}] AS system_labels,
  {'location': 'us-central1', 'country': 'US', 'region': 'us-central' || (hash(r, 6) %% 5), 'zone': 'z'} AS location,
  'GOOGLE' AS transaction_type,
  TIMESTAMPTZ '%(day)s 00:30:00+00' + INTERVAL (h::BIGINT) HOUR AS export_time,
  (hash(n, 8) %% 1000000) / 1e6 AS cost,
  (hash(n, 8) %% 1000000) / 1e6 AS cost_at_list,
  'USD' AS currency,
  1.0::DOUBLE AS currency_conversion_rate,
  {'amount': 3600.0::DOUBLE, 'unit': 'seconds', 'amount_in_pricing_units': 1.0::DOUBLE, 'pricing_unit': 'hour'} AS usage,
  list_transform(range((hash(n, 9) %% 3)::BIGINT), lambda i: {
    'id': 'c' || i, 'full_name': 'credit', 'type': 'SUSTAINED_USAGE_DISCOUNT', 'name': 'sud',
    'amount': -((hash(n, 10) %% 1000)::BIGINT) / 1e6}) AS credits
FROM hours"""


def generate(folder: Path, rows: int) -> None:
    """A file for each load day of three months, `rows` in each month."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        for number in range(MONTHS * DAYS):
            day = FIRST + timedelta(number)
            span = {"start": rows * number // DAYS, "end": rows * (number + 1) // DAYS}
            query = ROW % {"day": day, "resources": max(1, rows // DAYS // 24), **span}
            connection.execute(f"COPY ({query}) TO '{folder / f'{day}.parquet'}' (FORMAT parquet)")


class Files:
    """The generated export of one table, as the load engine reads one."""

    def __init__(self, folder: Path, days: Iterable[date]) -> None:
        self._folder, self._days = folder, tuple(days)

    def load_days(self, table: str, since: date, until: date) -> tuple[Slice, ...]:  # noqa: ARG002 - there is one
        with duckdb.connect() as connection:
            return tuple(
                day_slice(
                    day, _rows(connection, self._folder / f"{day}.parquet"), (self._folder / f"{day}.parquet").stat().st_size, str(day)
                )
                for day in self._days
                if since <= day <= until
            )

    def made(self, table: str) -> None:  # noqa: ARG002 - there is one
        return None

    def holds(self, table: str, days: Iterable[Slice]) -> dict[str, SliceDays]:  # noqa: ARG002 - all are read
        return {}

    def fetch(self, table: str, days: Iterable[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:  # noqa: ARG002 - there is one
        paths = []
        for day in days:
            path = into / f"{day.day}.parquet"
            path.hardlink_to(self._folder / path.name)
            on_bytes(day.bytes or 0)
            paths.append(path)
        return tuple(paths)

    def place(self, table: str, days: Iterable[Slice]) -> TablePlace | None:  # noqa: ARG002 - files are nowhere else
        return None

    def close(self) -> None: ...


class Services:
    """What the load engine asks of a running service."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(_env_file=None, embedded_data_dir=folder, duckdb_memory_limit=MEMORY, duckdb_threads=THREADS)
        use_settings(self.settings)
        self.clock, self.ids = Today(), Numbers()
        self.ledger = open_ledger(self.settings)
        self.ledger.bootstrap()
        self.warehouse: Warehouse = open_warehouse(self.settings, SystemClock())


class Today(SystemClock):
    def now(self) -> datetime:
        return datetime.combine(TODAY, super().now().timetz())


class Numbers:
    def new(self) -> str:
        return f"{time.time_ns():020}"


def _rows(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    [(rows,)] = connection.execute("SELECT num_rows FROM parquet_file_metadata($path)", {"path": str(path)}).fetchall()
    return int(rows)


def days_of(part: str) -> tuple[date, ...]:
    if part == "day":
        return (RESTATED,)
    first = int(part.removeprefix("month")) * DAYS
    return tuple(FIRST + timedelta(number) for number in range(first, first + DAYS))


SEED, OURS = "seed", "ours"
BARE_SEED, BARE = "bare_seed.duckdb", "bare.duckdb"
EMPTY = ["month0", "month1", "month2"]
SHOWN_STATEMENTS = 12


def dataset(folder: Path) -> Path:
    return folder / OURS / "warehouse" / TENANT.dataset


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _laid(source: str, target: str) -> None:
    """A file of raw rows never changes, so a second name of it is a copy."""
    (os.link if source.endswith(".parquet") else shutil.copyfile)(source, target)


def prepare(folder: Path) -> None:
    """A service that has one month already, and a bare database that has the same rows in tables."""
    ours(folder, ["month0"])
    (folder / OURS).rename(folder / SEED)
    shutil.copytree(folder / SEED, folder / OURS, copy_function=_laid)
    with duckdb.connect(folder / BARE_SEED, config={"storage_compatibility_version": "v1.5.0"}) as connection:
        connection.execute(f"ATTACH '{dataset(folder) / f'{TENANT.dataset}.duckdb'}' AS ours (READ_ONLY)")
        for table in ("gcp_billing_daily_raw", "gcp_cost_daily"):
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM ours.{table}")
        connection.execute("DETACH ours")
        connection.execute("CHECKPOINT")
    print(
        f"a month on the disk: ours {bytes_below(dataset(folder)):,} bytes, bare {(folder / BARE_SEED).stat().st_size:,}, "
        f"the export's files {sum((folder / f'{day}.parquet').stat().st_size for day in days_of('month0')):,}"
    )


def ours(folder: Path, parts: list[str], *, told: bool = False) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if (folder / SEED).exists():
        shutil.rmtree(folder / OURS, ignore_errors=True)
        if parts != EMPTY:
            shutil.copytree(folder / SEED, folder / OURS, copy_function=_laid)
    services = Services(folder / OURS)
    services.warehouse.ensure_dataset(TENANT)
    services.warehouse.io_folder(TENANT)
    if parts != EMPTY:
        load(services, folder, days_of("day"), "warm")
    for part in parts:
        spent = timed() if told else []
        started = time.perf_counter()
        load(services, folder, days_of(part), part)
        whole = time.perf_counter() - started
        print(f"measured {whole}")
        if told:
            _tell(part, whole, spent)
    services.warehouse.close()


def timed() -> list[tuple[float, str]]:
    """From here on each call of a publication, with the seconds it took."""
    spent: list[tuple[float, str]] = []

    def watch(name: str) -> None:
        original = getattr(DuckDBPublication, name)

        def call(publication: DuckDBPublication, *given: object, **named: object) -> object:
            started = time.perf_counter()
            try:
                return original(publication, *given, **named)
            finally:
                spent.append((time.perf_counter() - started, f"{name} {' '.join(' '.join(map(str, given[:1])).split())[:90]}"))

        setattr(DuckDBPublication, name, call)

    for name in ("stage", "remove", "insert", "append", "replace", "execute", "query", "show"):
        watch(name)
    return spent


def _tell(part: str, whole: float, spent: list[tuple[float, str]]) -> None:
    inside = sum(seconds for seconds, _ in spent)
    print(f"where the time of {part} goes: {whole:.3f} s, {inside:.3f} in {len(spent)} statements, {whole - inside:.3f} beside them")
    for seconds, said in sorted(spent, reverse=True)[:SHOWN_STATEMENTS]:
        print(f"  {seconds:7.3f} s  {said}")


def load(services: Services, folder: Path, days: tuple[date, ...], part: str) -> None:
    context = StepContext(
        run_id=f"bench-{part}-{time.time_ns()}",
        step_id="load_billing",
        actor=Actor("system"),
        services=services,  # type: ignore[arg-type]  # no vault and no sources are asked for
        log=structlog.get_logger("bench"),
        tenant=TENANT,
        variables={"start_date": days[0], "end_date": days[-1]},
        inputs={"late_days": 0},
        document_id="gcp/cost/billing",
    )
    engine = BigQueryETLEngine()
    document = engine.settings.configs_dir / "gcp/cost/billing.yml"
    step = SourceStep(
        source_query=query_of(document),
        destination_table="gcp_billing_daily_raw",
        schema_template="billing_cost",
        write_mode="overwrite",
        books="gcp/cost",
        late_days=0,
        reload=True,
    )
    engine.engine.load(step, context, [ExportSource(TablePlace("bench", "export", TABLE), Files(folder, days))])


def query_of(document: Path) -> str:
    text = document.read_text()
    lines = text[text.index("source_query: |") :].splitlines()[1:]
    return "\n".join(line.strip() for line in lines)


def bare(folder: Path, parts: list[str]) -> None:
    """The same rows, the same SQL as our dialect renders it, the same settings; nothing else."""
    shutil.copyfile(folder / BARE_SEED, folder / BARE)
    connection = duckdb.connect(folder / BARE, config={"storage_compatibility_version": "v1.5.0"})
    for name, value in (
        ("memory_limit", MEMORY),
        ("threads", THREADS),
        ("preserve_insertion_order", False),
        ("TimeZone", "UTC"),
        ("checkpoint_threshold", "1TB"),
    ):
        connection.execute(f"SET {name} = $value", {"value": value})
    raw = connection.sql("SELECT * FROM gcp_billing_daily_raw LIMIT 0")
    kinds = dict(zip(raw.columns, map(str, raw.types), strict=True))
    columns = {"gcp_billing_daily_raw": kinds}
    books = SourceEngine.read(GoogleTables(), CONFIGS, CONFIGS / "gcp/bq_etl").books["gcp/cost"]
    fill = Catalogue(columns).render(books.cost.fill).sql
    for number, part in enumerate(["day", *parts]):
        days = days_of(part)
        given = connection.sql(f"SELECT * FROM read_parquet('{folder / f'{days[0]}.parquet'}') LIMIT 0").columns
        chosen = ", ".join(f'CAST("{name}" AS {kinds[name]}) AS "{name}"' for name in given)
        files = [str(folder / f"{day}.parquet") for day in days]
        touched = [days[0] - timedelta(1), *days]
        started = time.perf_counter()
        connection.begin()
        where = {"first": days[0], "last": days[-1]}
        connection.execute("DELETE FROM gcp_billing_daily_raw WHERE ingest_date BETWEEN $first AND $last", where)
        connection.execute(
            "INSERT INTO gcp_billing_daily_raw BY NAME SELECT $source AS source_table, CAST(export_time AS DATE) AS ingest_date, "
            f"CAST(coalesce(usage_start_time, export_time) AS DATE) AS usage_date, {chosen} "
            "FROM read_parquet($files)",
            {"source": SOURCE, "files": files},
        )
        span = {"first": touched[0], "last": touched[-1]}
        connection.execute("DELETE FROM gcp_cost_daily WHERE usage_date BETWEEN $first AND $last", span)
        everything = dict.fromkeys(("account", "until_day", "own_from", "load_floor", "load_ceiling", "fills_from"))
        connection.execute(f"INSERT INTO gcp_cost_daily BY NAME {fill}", {"source": SOURCE, "days": touched, **span, **everything})
        connection.commit()
        if number:
            print(f"measured {time.perf_counter() - started}")
    connection.close()


def measure(folder: str, rows: int, pairs: int, dlt: str | None) -> None:
    def child(name: str) -> list[str]:
        return [sys.executable, "-m", "bench.bench_ingest", "--child", name, "--folder", folder, "--rows", str(rows)]

    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {rows:,} rows a month with nested labels and credits, {MEMORY}, {THREADS} threads")
    run(child("generate"))
    print(run(child("prepare")).said)
    compare("a month to raw and daily, beside bare DuckDB", child("bare:month0"), child("ours:month0"), pairs, "wall <= 0.6")
    compare("one restated day, beside bare DuckDB", child("bare:day"), child("ours:day"), pairs, "wall <= 1.0")
    compare("one restated day, beside our own month", child("ours:month0"), child("ours:day"), pairs, "wall <= 0.15")
    if dlt:
        anchor = [dlt, str(Path(__file__).with_name("dlt_ingest.py")), folder]
        compare(
            "a month to raw and daily, beside dlt's Arrow path to raw alone",
            anchor,
            child("ours:month0"),
            pairs,
            "wall <= 0.25 (4x faster)",
        )
    else:
        print("\nwithout dlt: `make bench-ingest` installs it in an environment of its own")
    print()
    for part in ("month0", "day"):
        print(run(child(f"told:{part}")).said)
    three = [run(child("three")) for _ in range(max(3, pairs // 2))]
    print("\nthree months in a row, one after the other into an empty dataset (seconds each; the third must not cost more than the first)")
    for sample in three:
        print(f"  {sample.wall:.2f} s for the last, peak {sample.peak_mb:.0f} MB")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--dlt", help="a Python that has dlt")
    options.add_argument("--child")
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    if given.child == "generate":
        generate(given.folder, given.rows)
    elif given.child == "prepare":
        prepare(given.folder)
    elif given.child == "three":
        ours(given.folder, EMPTY)
    elif given.child:
        side, _, part = given.child.partition(":")
        if side == "bare":
            bare(given.folder, [part])
        else:
            ours(given.folder, [part], told=side == "told")
    else:
        with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
            measure(folder, given.rows, given.pairs, given.dlt)


if __name__ == "__main__":
    main()
