"""What is wrong with a step of `gcp.bq_etl` without books, told before any run of it."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from src.core.base.faults import Misconfigured, Rejected
from src.core.base.settings import ROOT
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.preparation import prepare
from src.core.step.etl.protected_tables import kept_tables, table_flaw
from src.core.step.etl.query import query_flaws

DOCUMENT = """
pipeline: gcp-copy
provider: gcp
domain: copies
inputs:
  table: {type: string, default: gcp_copy}
  mode: {type: string, default: append}
steps:
  - id: load_copy
    ps_type: gcp.bq_etl
    config:
"""
QUERY = "SELECT * FROM `acme-billing.spent.costs` WHERE day = {date}"


def loaded(folder: Path, more: str = "", **config: str) -> Catalog:
    lines = {"source_query": f'"{QUERY}"', "destination_table": "gcp_copy", **config}
    made = "".join(f"{name}: {value}\n" for name, value in lines.items())
    path = folder / "configs" / "gcp" / "copy.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(DOCUMENT.lstrip() + textwrap.indent(made, " " * 6) + more)
    return Catalog.load(folder / "configs")


def flaws(folder: Path, more: str = "", **config: str) -> str:
    with pytest.raises(Misconfigured) as wrong:
        loaded(folder, more, **config)
    return "\n".join(map(str, wrong.value.flaws))


def test_a_step_that_is_right_loads(tmp_path):
    assert "gcp/copy" in loaded(tmp_path, write_mode="append", schema_template="billing_cost", empty="allowed").entries


def test_the_document_of_the_how_to_loads(tmp_path):
    page = (ROOT / "docs/howto/run-a-query-at-the-source.md").read_text()
    path = tmp_path / "configs/gcp/spending/teams.yml"
    path.parent.mkdir(parents=True)
    path.write_text(textwrap.dedent(page.partition("   ```yaml\n")[2].partition("   ```")[0]))

    assert Catalog.load(tmp_path / "configs").get("gcp/spending/teams").document.steps[0].config["write_mode"] == "overwrite"


def test_every_flaw_is_told_at_once_with_its_line(tmp_path):
    told = flaws(
        tmp_path,
        source_query='"DELETE FROM incoming WHERE day IN UNNEST(@days)"',
        destination_table="gcp_billing_daily_raw",
        schema_template="billing_costs",
        write_mode="replace",
        source_tables="[a]",
        write_mod="append",
    )

    here = "configs/gcp/copy.yml"
    assert f"{here}:11: steps[0].config.source_query: is one SELECT that BigQuery runs; this begins with 'delete'" in told
    assert f"{here}:11: steps[0].config.source_query: nothing gives it @days; write {{name}} for a variable" in told
    assert f"{here}:11: steps[0].config.source_query: there is no table 'incoming' without `books`" in told
    assert f"{here}:12: steps[0].config.destination_table: gcp_billing_daily_raw is kept by configs/gcp/cost/books.yml" in told
    assert f"{here}:13: steps[0].config.schema_template: there is no schema template 'billing_costs'; did you mean 'billing_cost'?" in told
    assert f"{here}:14: steps[0].config.write_mode: Input should be 'append', 'overwrite' or 'truncate'" in told
    assert f"{here}:15: steps[0].config.source_tables: belongs to steps with `books`" in told
    assert f"{here}:16: steps[0].config.write_mod: unknown key 'write_mod'; did you mean 'write_mode'?" in told


def test_names_and_places_that_do_not_fit_are_told(tmp_path):
    second = "  - {id: load_other, ps_type: gcp.bq_etl, config: {source_query: SELECT 1 AS record, destination_table: gcp_other}}\n"
    told = flaws(tmp_path, second, destination_table="gcp-name", credential_from="load_nothing", empty="maybe", source_query="SELECT {dat}")

    assert "source_query: the variable {dat} is not declared; did you mean 'date'?" in told
    assert "destination_table: gcp-name must be snake_case and begin with 'gcp_'" in told
    assert "credential_from: there is no earlier step 'load_nothing'" in told
    assert "empty: Input should be 'allowed' or 'refused'" in told
    assert "steps[0].config: a document publishes once a run, and step load_other publishes too" in told
    assert "steps[1].config: a document publishes once a run, and step load_copy publishes too" in told


def test_a_platform_has_no_credential_to_read_with(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "DOCUMENT", DOCUMENT.replace("provider: gcp\n", "scope: platform\n").replace("domain: copies\n", ""))

    assert "an organisation's credential is needed" in flaws(tmp_path)


def test_what_variables_make_of_a_config_is_judged_when_a_run_is_accepted(tmp_path, bare):
    entry = loaded(tmp_path, destination_table='"{table}"', write_mode='"{mode}"').get("gcp/copy")

    def accept(**inputs: Any) -> None:
        prepare(bare.parts, entry, run_id="run", tenant=bare.tenant, window=None, inputs=inputs)

    accept(table="gcp_mine", mode="append")
    with pytest.raises(Rejected, match=r"load_copy\.destination_table: gcp_cost_daily is kept by") as kept:
        accept(table="gcp_cost_daily")
    assert [flaw.field for flaw in kept.value.flaws] == ["load_copy.destination_table"]
    with pytest.raises(Rejected, match=r"load_copy.write_mode: Input should be"):
        accept(mode="merge")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("WITH a AS (SELECT 1 AS x) SELECT * FROM a", []),
        ("(SELECT 1 AS x) UNION ALL (SELECT 2)", []),
        ("FROM `p.d.t` |> WHERE x > 1", []),
        ("-- DELETE FROM incoming; @days\nSELECT '@days; incoming' AS x, @@error.message;", []),
        ("WITH incoming AS (SELECT 1 AS x) SELECT * FROM incoming", []),
        ("SELECT * FROM incoming.costs", []),
        ("SELECT incoming FROM `p.d.t`", []),
        ("SELECT 1; DROP TABLE `p.d.t`", ["several statements"]),
        ("DECLARE x INT64", ["begins with 'declare'"]),
        ("", ["begins with ''"]),
        ("SELECT @source_table FROM `p.d.t`, incoming", ["nothing gives it @source_table", "no table 'incoming'"]),
        ("SELECT * FROM `p.d.t` JOIN Incoming USING (x)", ["no table 'incoming'"]),
    ],
)
def test_a_query_is_one_select_that_stands_for_itself(sql, told):
    found = list(query_flaws(sql))

    assert len(found) == len(told)
    assert all(words in flaw for words, flaw in zip(told, found, strict=True))


def test_every_table_that_something_else_keeps_is_known():
    kept = kept_tables(ROOT / "configs")

    for name in (
        "gcp_billing_daily_raw",
        "GCP_Cost_Daily",
        "billing_cost_daily",
        "gcp_cost_billing",
        "org_comprehensive_view",
        "x_cost_daily",
        "openai_model_pricing",
        "openai_subscriptions",
        "openai_subscriptions_monthly",
        "openai_subscriptions_monthly_before",
        "openai_cost_daily_before",
    ):
        assert table_flaw(name, kept)
    assert table_flaw("onboarding_validation_test", kept)
    for name in ("x_mine", "incoming", "Fetched"):
        assert "are the pipeline's own" in str(table_flaw(name, kept))
    assert table_flaw("gcp_copy", kept) is None


def test_books_of_any_provider_keep_their_tables_and_views(tmp_path):
    configs = tmp_path / "configs"
    onboarding = configs / "setup/organizations/onboarding/config.yml"
    onboarding.parent.mkdir(parents=True)
    onboarding.write_text((ROOT / "configs/setup/organizations/onboarding/config.yml").read_text())
    (configs / "acme" / "views").mkdir(parents=True)
    (configs / "acme" / "views" / "a_view.sql").touch()
    (configs / "acme" / "books.yml").write_text("raw:\n  a_raw: {}\nderived:\n  a_daily: {}")

    assert {"a_raw", "a_daily", "a_daily_before", "a_view"} <= {*kept_tables(configs)}
