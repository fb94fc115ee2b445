"""`gcp.bq_etl` as a general way from a table of the source to a table of the organisation."""

import shutil
from datetime import date, timedelta

import pytest

from src.core.base.faults import Misconfigured, Rejected
from src.core.base.settings import use_settings
from src.core.base.window import Window
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.executor import AsyncPipelineExecutor
from src.core.pipeline.journal import LedgerJournal
from src.sandbox.gcp.worlds import EUROS, standard_table
from tests.fakes.billing import ROOT

FIRST = date(2026, 10, 1)
DOCUMENT = """
pipeline: gcp-copy-{mode}
provider: gcp
domain: copies
inputs:
  least: {{type: number, default: 0}}
steps:
  - id: load_copy
    ps_type: gcp.bq_etl
    config:
      source_tables: [{table}]
      destination_table: {destination}
      schema_template: {template}
      write_mode: {mode}
      source_query: |
        SELECT @source_table AS source_table, DATE(export_time) AS ingest_date, {columns}
        FROM incoming WHERE cost >= {{least}}
"""


async def copy(acme, mode, days=1, template="default", columns="TO_JSON_STRING(incoming) AS record", **inputs: object):
    configs = acme.parts.settings.data_dir / "configs"
    if not configs.exists():
        shutil.copytree(acme.parts.settings.configs_dir, configs)
        use_settings(acme.parts.settings.model_copy(update={"configs_dir": configs}))
    path = configs / "gcp" / "copies" / f"{mode}.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(DOCUMENT.format(mode=mode, table=standard_table(EUROS), destination="gcp_copy", template=template, columns=columns))
    executor = AsyncPipelineExecutor(acme.parts, Catalog.load(configs), LedgerJournal(acme.parts.ledger))
    window = Window(FIRST, FIRST + timedelta(days - 1))
    outcome = await executor.run(f"gcp/copies/{mode}", actor=ROOT, tenant=acme.tenant, window=window, inputs=inputs)
    return outcome.require().of("load_copy")


def rows(acme):
    return {row["ingest_date"]: row["n"] for row in acme.ask("SELECT ingest_date, COUNT(*) AS n FROM gcp_copy GROUP BY ingest_date")}


def written(acme, days=1):
    counted = [acme.parts.sandbox.gcp.answers(standard_table(EUROS), FIRST + timedelta(n), FIRST + timedelta(n)).rows for n in range(days)]
    return {FIRST + timedelta(n): count for n, count in enumerate(counted)}


async def test_append_adds_to_what_is_there(acme):
    first = await copy(acme, "append", least=-1e9)
    await copy(acme, "append", least=-1e9)

    assert first["destination_table"] == "gcp_copy"
    assert first["rows_processed"] == written(acme)[FIRST]
    assert rows(acme) == {FIRST: 2 * written(acme)[FIRST]}


async def test_overwrite_replaces_the_load_days_it_reads_and_no_other(acme):
    await copy(acme, "append", days=3, least=-1e9)
    await copy(acme, "overwrite", days=2, least=-1e9)

    assert rows(acme) == written(acme, 3)


async def test_truncate_leaves_what_it_reads_alone(acme):
    await copy(acme, "append", days=3, least=-1e9)
    await copy(acme, "truncate", least=-1e9)

    assert rows(acme) == written(acme)


async def test_variables_of_the_run_are_bound_into_the_query(acme):
    everything = await copy(acme, "truncate", least=-1e9)
    some = await copy(acme, "truncate", least=1)

    assert 0 < some["rows_processed"] < everything["rows_processed"]
    assert acme.ask("SELECT COUNT(*) AS n FROM gcp_copy WHERE SAFE_CAST(JSON_VALUE(record, '$.cost') AS FLOAT64) < 1") == [{"n": 0}]


async def test_what_a_step_may_not_say_is_named(acme):
    with pytest.raises(Misconfigured, match="did you mean 'billing_cost'"):
        await copy(acme, "append", template="billing_costs")
    with pytest.raises(Rejected):
        await copy(acme, "overwrite", columns="no_such_column AS record")
    assert "gcp_copy" not in acme.parts.warehouse.tables(acme.tenant) or rows(acme) == {}
