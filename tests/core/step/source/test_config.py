"""What is wrong with the config of a step that keeps books is told before any run."""

from typing import Any

import pytest

from src.core.pipeline.checks import StepCheck
from src.core.pipeline.document import Step
from src.core.processors.gcp.bq_etl import BigQueryETLEngine
from src.core.step.context import StepPlace

QUERY = "SELECT * FROM incoming WHERE load_day IN UNNEST(@slices)"
FITTING = {"books": "gcp/cost", "destination_table": "gcp_billing_daily_raw", "schema_template": "billing_cost", "source_query": QUERY}
STEPS = dict.fromkeys(("extract_billing", "extract_other", "load_billing", "load_later"), "gcp.bq_etl")
CONFIGS: dict[str, dict[str, Any]] = {
    "extract_billing": {**FITTING, "stage": True},
    "load_billing": FITTING,
    "extract_other": {"stage": True},
    "load_later": {"stage": True},
}
PLACE = StepPlace("load_billing", "organisation", STEPS, frozenset({"extract_billing"}), CONFIGS)


@pytest.fixture(scope="module")
def processor() -> BigQueryETLEngine:
    return BigQueryETLEngine()


def told(processor: BigQueryETLEngine, config: dict[str, Any], place: StepPlace = PLACE) -> list[tuple[str, str]]:
    check = StepCheck(Step(id=place.step_id, ps_type="gcp.bq_etl", config=config), processor, place)
    return [(".".join(map(str, wrong.at)), wrong.message) for wrong in check.as_written()]


@pytest.mark.parametrize("config", [FITTING, {"books": "gcp/cost", "staged_by": ["extract_billing"]}, {**FITTING, "stage": True}])
def test_a_config_that_fits_is_told_nothing(processor, config):
    assert told(processor, config) == []


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"books": "gcp/costs"}, "books", "configs/gcp/costs/books.yml; did you mean 'gcp/cost'?"),
        ({"destination_table": "gcp_billing_daily"}, "destination_table", "did you mean 'gcp_billing_daily_raw'"),
        ({"schema_template": "default"}, "schema_template", "has the columns of template 'billing_cost'"),
        ({"late_day": 3}, "late_day", "did you mean 'late_days'"),
        ({"staged_by": ["extract_billing"]}, "", "name the `destination_table`"),
        (
            {"destination_table": None, "source_query": None, "staged_by": ["extract_biling"]},
            "staged_by.0",
            "did you mean 'extract_billing'",
        ),
        ({"destination_table": None, "source_query": None, "staged_by": ["load_billing"]}, "staged_by.0", "does not come before this one"),
        ({"destination_table": None, "source_query": None, "staged_by": ["load_later"]}, "staged_by.0", "name it in `depends_on`"),
        ({"write_mode": "append"}, "write_mode", "overwrite"),
    ],
)
def test_what_does_not_fit_is_named(processor, wrong, field, said):
    config = {name: value for name, value in {**FITTING, **wrong}.items() if value is not None}
    assert [message for at, message in told(processor, config) if at == field and said in message]


def test_a_platform_pipeline_keeps_no_books(processor):
    [(_, message)] = told(processor, FITTING, StepPlace("load_billing", "platform", {"load_billing": "gcp.bq_etl"}))
    assert "scope: organisation" in message


def test_what_publishes_twice_and_what_stages_nothing_is_told(processor):
    place = StepPlace("load_billing", "organisation", STEPS, frozenset(STEPS), {"extract_other": FITTING})
    assert told(processor, {"books": "gcp/cost", "staged_by": ["extract_other"]}, place) == [
        ("", "a document publishes once a run, and step extract_billing publishes too; give this one a document of its own"),
        ("staged_by", "step 'extract_other' stages nothing; give its config `stage: true`"),
    ]
