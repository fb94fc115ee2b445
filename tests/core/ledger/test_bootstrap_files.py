import json
import shutil
from pathlib import Path

import pytest

from src.core.base.faults import Misconfigured
from src.core.base.settings import ROOT
from src.core.ledger.model import load_model

FOLDER = ROOT / "configs" / "setup" / "bootstrap"
POSTGRESQL_NAME_LIMIT = 63
BIGQUERY_CLUSTER_LIMIT = 4
PORTABLE = {"AND", "AS", "CASE", "COALESCE", "ELSE", "END", "FROM", "IN", "JOIN", "LEFT", "ON", "SELECT", "THEN", "WHEN", "WHERE"}


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / "bootstrap"))


def flaws_of(folder):
    with pytest.raises(Misconfigured) as caught:
        load_model(folder)
    return str(caught.value)


CUSTOMERS = {
    "org_profiles", "org_api_keys", "org_subscriptions", "org_usage_quotas", "org_integration_credentials", "org_pipeline_configs",
    "org_scheduled_pipeline_runs", "org_pipeline_execution_queue", "org_meta_pipeline_runs", "org_meta_step_logs",
    "org_meta_dq_results", "org_audit_logs", "org_kms_keys", "org_cost_tracking",
}  # fmt: skip
CUSTOMERS_VIEWS = {"org_consolidated_view", "pipeline_logs_view", "step_logs_view"}
PLATFORMS = {
    "org_imported_files", "org_notification_channels", "org_events", "org_notifications", "org_invoices", "org_counted_sources",
}  # fmt: skip


def test_the_folders_hold_the_customers_14_tables_and_3_views_and_beside_them_the_platforms():
    held = {kind: {path.stem for path in (FOLDER / kind).iterdir()} for kind in ("schemas", "views")}
    assert held == {"schemas": CUSTOMERS, "views": CUSTOMERS_VIEWS}
    model = load_model(FOLDER)
    assert set(model.tables) == CUSTOMERS | PLATFORMS
    assert {view.name for view in model.views} == {*CUSTOMERS_VIEWS, "org_cloud_credentials"}
    assert model.platform == {*PLATFORMS, "org_cloud_credentials"}


def test_everything_is_described():
    model = load_model(FOLDER)
    described = [(f"{name}.{field.name}", field.description) for name, schema in model.schemas.items() for field in schema.fields]
    described += [(name, facts.description) for name, facts in model.facts.items()]
    described += [(view.name, view.description) for view in model.views]
    assert [name for name, description in described if len(description) < 10] == []


def test_the_columns_the_customer_names_are_there():
    named = {
        "org_subscriptions": {"org_slug", "status", "trial_end_date"},
        "org_usage_quotas": {"pipelines_run_today"},
        "org_integration_credentials": {"org_slug", "provider", "credential_name", "encrypted_credential", "validation_status"},
        "org_pipeline_configs": {"is_active", "next_run_time", "priority"},
        "org_pipeline_execution_queue": {"priority", "retry_count", "state"},
        "org_meta_pipeline_runs": {"org_slug", "pipeline_id", "user_id", "pipeline_logging_id"},
    }
    model = load_model(FOLDER)
    assert {name: columns - set(model.tables[name].c.keys()) for name, columns in named.items()} == {name: set() for name in named}


def test_names_and_facts_fit_the_other_engines():
    for name, table in load_model(FOLDER).tables.items():
        assert all(len(str(index.name)) <= POSTGRESQL_NAME_LIMIT for index in table.indexes), name
    for name, facts in load_model(FOLDER).facts.items():
        assert len(facts.cluster) <= BIGQUERY_CLUSTER_LIMIT, name


def test_key_columns_are_required():
    model = load_model(FOLDER)
    required = {name: {field.name for field in schema.fields if field.mode == "REQUIRED"} for name, schema in model.schemas.items()}
    assert {name: set(facts.key) - required[name] for name, facts in model.facts.items()} == {name: set() for name in model.facts}


def test_views_use_joins_case_and_coalesce_only():
    for view in load_model(FOLDER).views:
        words = {word.strip("(),") for word in view.sql.replace("(", " ").split() if word.isupper()}
        unquoted = {word for word in words if not word.startswith("'")}
        assert unquoted <= PORTABLE, view.name


def test_a_file_that_config_does_not_name_is_a_flaw(folder):
    (folder / "schemas" / "org_extras.json").write_text("[]")
    assert "org_extras.json: is not named in config.yml" in flaws_of(folder)


def test_a_file_that_the_platforms_config_does_not_name_is_one_too(folder):
    (folder / "platform" / "views" / "org_extras.sql").write_text("SELECT 1")
    assert "org_extras.sql: is not named in config.yml" in flaws_of(folder)


def test_a_named_file_that_is_not_there_is_a_flaw_and_all_are_told_at_once(folder):
    (folder / "schemas" / "org_api_keys.json").unlink()
    (folder / "views" / "step_logs_view.sql").unlink()
    told = flaws_of(folder)
    assert "org_api_keys.json: is named in config.yml and not there" in told
    assert "step_logs_view.sql: is named in config.yml and not there" in told


def test_a_key_over_a_column_that_is_not_there_is_a_flaw(folder):
    config = folder / "config.yml"
    config.write_text(config.read_text().replace("key: [key_id]", "key: [key_ids]"))
    assert "'key_ids' is not a column; did you mean 'key_id'?" in flaws_of(folder)


@pytest.mark.parametrize("kind", [{"type": "FLOAT64"}, {"type": "STRING", "mode": "REPEATED"}, {"type": "BYTES"}])
def test_a_type_the_ledger_does_not_keep_is_a_flaw(folder, kind):
    file = folder / "schemas" / "org_kms_keys.json"
    file.write_text(json.dumps([*json.loads(file.read_text()), {"name": "odd", "description": "odd", **kind}]))
    assert "org_kms_keys.json: odd" in flaws_of(folder)
