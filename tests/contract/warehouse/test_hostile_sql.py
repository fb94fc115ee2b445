"""Tenant SQL is never accepted; this is what stands should it ever arrive."""

import pytest

from src.core.base.faults import Fault, Rejected
from src.core.engine.port import Fence

HOSTILE = [
    "ATTACH '/tmp/other.duckdb' AS other",
    "DETACH acme_corp_dev",
    "COPY costs TO '/tmp/out.csv'",
    "COPY costs FROM '/etc/passwd'",
    "EXPORT DATABASE '/tmp/out'",
    "EXPORT DATA OPTIONS (uri='gs://x/*', format='CSV') AS SELECT * FROM costs",
    "IMPORT DATABASE '/tmp/out'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET threads",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CHECKPOINT",
    "CREATE TABLE x AS SELECT 1 AS a",
    "CREATE MACRO m() AS 1",
    "CREATE SECRET s (TYPE s3)",
    "DROP TABLE costs",
    "TRUNCATE TABLE costs",
    "ALTER TABLE costs ADD COLUMN x INT64",
    "USE memory",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "BEGIN TRANSACTION; SELECT 1; COMMIT",
    "SELECT 1 AS a; DROP TABLE costs",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_parquet('../../*/*.parquet')",
    "SELECT * FROM parquet_metadata('/tmp/x.parquet')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM other_org_dev.costs",
    "SELECT * FROM `other_org_dev.main.costs`",
    "SELECT * FROM acme_corp_dev.costs",
    "SELECT * FROM main.costs",
    "SELECT * FROM system.main.costs",
    "SELECT * FROM warehouse",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('costs')",
    "SELECT getenv('HOME') AS a",
    "SELECT current_setting('allowed_directories') AS a",
    "SELECT getvariable('x') AS a",
    "SELECT x_numeric_divide(1, 2) AS a",
    "SELECT @@global.x AS a",
    "SELECT ? AS a",
    "SELECT * FROM costs FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01 00:00:00+00'",
    "SELECT (SELECT COUNT(*) FROM read_text('/etc/hostname')) AS a",
    "SELECT * FROM costs WHERE EXISTS (SELECT 1 FROM glob('/*'))",
    "WITH x AS (SELECT * FROM read_text('/etc/hostname')) SELECT * FROM x",
    # a name that a WITH elsewhere in the statement gives does not hide the engine's own relation here
    "SELECT * FROM duckdb_databases AS a CROSS JOIN (WITH duckdb_databases AS (SELECT 1 AS z) SELECT z FROM duckdb_databases) AS b",
    "SELECT * FROM sqlite_master WHERE EXISTS (WITH sqlite_master AS (SELECT 1 AS z) SELECT z FROM sqlite_master)",
    "(WITH Pg_Tables AS (SELECT 1 AS z) SELECT z FROM Pg_Tables) UNION ALL (SELECT COUNT(*) AS z FROM pg_tables)",
    "WITH duckdb_tables AS (SELECT * FROM duckdb_tables) SELECT * FROM duckdb_tables",
    "WITH RECURSIVE pragma_database_list AS (SELECT * FROM pragma_database_list) SELECT * FROM pragma_database_list",
    "WITH x AS (SELECT * FROM duckdb_views), duckdb_views AS (SELECT 1 AS z) SELECT * FROM x",
    "SELECT (WITH `duckdb_logs` AS (SELECT 1 AS z) SELECT z FROM `duckdb_logs`) AS a FROM duckdb_logs",
    "FROM costs |> AS duckdb_columns |> CROSS JOIN duckdb_columns",
    "SELECT * FROM duckdb_databases AS costs",
    "SELECT * FROM elsewhere CROSS JOIN (WITH elsewhere AS (SELECT 1 AS z) SELECT z FROM elsewhere) AS b",
    "WITH x AS (SELECT * FROM y), y AS (SELECT 1 AS z) SELECT * FROM x",
    "WITH x AS (SELECT * FROM x) SELECT * FROM x",
]


@pytest.mark.parametrize("sql", HOSTILE)
def test_hostile_sql_is_refused_everywhere_and_changes_nothing(shared, shared_costs, sql):
    before = shared.measure(shared_costs, "costs").rows
    calls = [
        lambda: shared.query(shared_costs, sql),
        lambda: list(shared.stream(shared_costs, sql)),
        lambda: shared.ensure_view(shared_costs, "v", sql),
        lambda: shared.export(shared_costs, sql, "out.csv", "csv"),
    ]
    for call in calls:
        with pytest.raises(Rejected):
            call()
    for act in ("query", "execute"):
        with pytest.raises(Fault), shared.publication(shared_costs, "r", Fence("hostile", 1)) as publication:
            getattr(publication, act)(sql)
    assert shared.measure(shared_costs, "costs").rows == before == 2
    assert shared.tables(shared_costs) == ("costs",)
    assert list(shared.io_folder(shared_costs).iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM x_fences WHERE TRUE",
        "UPDATE x_fences SET generation = 0 WHERE TRUE",
        "INSERT INTO x_table_facts (table_name) VALUES ('a')",
    ],
)
def test_what_the_warehouse_keeps_for_itself_cannot_be_changed(shared, shared_costs, sql):
    with pytest.raises(Fault), shared.publication(shared_costs, "r", Fence("hostile", 1)) as publication:
        publication.execute(sql)
