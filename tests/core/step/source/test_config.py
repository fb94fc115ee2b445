"""What is wrong with the config of a step that keeps books is told before any run."""

from pathlib import Path

import pytest

from src.core.processors.gcp.bq_etl import GoogleTables
from src.core.step.context import StepPlace
from src.core.step.source.engine import SourceEngine

CONFIGS = Path(__file__).resolve().parents[4] / "configs"
FITTING = {"books": "gcp/cost", "destination_table": "gcp_billing_daily_raw", "schema_template": "billing_cost"}
PLACE = StepPlace("load_billing", "organisation", {"extract_billing": "gcp.bq_etl", "load_billing": "gcp.bq_etl"})


@pytest.fixture(scope="module")
def engine() -> SourceEngine:
    return SourceEngine.read(GoogleTables(), CONFIGS, CONFIGS / "gcp/bq_etl")


@pytest.mark.parametrize("config", [FITTING, {"books": "gcp/cost", "staged_by": ["extract_billing"]}, {**FITTING, "stage": True}])
def test_a_config_that_fits_is_told_nothing(engine, config):
    assert engine.check(config, PLACE) == []


@pytest.mark.parametrize(
    ("wrong", "field", "told"),
    [
        ({"books": "gcp/costs"}, "books", "configs/gcp/costs/books.yml"),
        ({"destination_table": "gcp_billing_daily"}, "destination_table", "did you mean 'gcp_billing_daily_raw'"),
        ({"schema_template": "default"}, "schema_template", "has the columns of template 'billing_cost'"),
        ({"late_day": 3}, "late_day", "did you mean 'late_days'"),
        ({"staged_by": ["extract_billing"]}, None, "name the `destination_table`"),
        ({"destination_table": None, "staged_by": ["extract_biling"]}, "staged_by", "did you mean 'extract_billing'"),
        ({"destination_table": None, "staged_by": ["load_billing"]}, "staged_by", "no earlier step"),
        ({"write_mode": "append"}, "write_mode", "overwrite"),
    ],
)
def test_what_does_not_fit_is_named(engine, wrong, field, told):
    config = {name: value for name, value in {**FITTING, **wrong}.items() if value is not None}
    assert [flaw for flaw in engine.check(config, PLACE) if flaw.field == field and told in flaw.message]


def test_a_platform_pipeline_keeps_no_books(engine):
    [flaw] = engine.check(FITTING, StepPlace("load_billing", "platform", {"load_billing": "gcp.bq_etl"}))
    assert "scope: organisation" in flaw.message
