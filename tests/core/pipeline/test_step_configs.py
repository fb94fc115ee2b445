"""What a step's processor cannot run with is told when the documents are read, with file and line."""

import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Misconfigured
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.checks import StepCheck, models_of
from src.core.pipeline.document import Pipeline
from src.core.pipeline.registry import Registry
from src.core.step.context import Processor
from tests.core.pipeline.parts import REGISTRY

HEAD = """
pipeline: gcp-cost-tried
provider: gcp
domain: tried
inputs:
  days: {type: integer, default: 3}
  credential_name: {type: string, default: default}
steps:
  - id: validate_first
    ps_type: gcp.authenticator
  - id: load_it
    depends_on: [validate_first]
"""
LINE = HEAD.strip().count("\n") + 4  # of the first key of the config of `load_it`
BOOKS = "books: gcp/cost\ndestination_table: gcp_billing_daily_raw\n"
QUERY = "destination_table: gcp_tried\n"
HERE = "configs/gcp/tried.yml"


def told(folder: Path, ps_type: str, config: str, head: str = HEAD) -> Iterator[str]:
    """Without the file, which is always the same, and without the place of the step."""
    path = folder / HERE
    path.parent.mkdir(parents=True, exist_ok=True)
    written = f"{head.strip()}\n    ps_type: {ps_type}\n    config:\n{textwrap.indent(config, ' ' * 6)}"
    path.write_text(written if config else written.replace("config:", "config: {}"))
    try:
        Catalog.load(folder / "configs")
    except Misconfigured as wrong:
        for flaw in map(str, wrong.flaws):
            assert flaw.startswith(f"{HERE}:"), flaw
            line, _, rest = flaw.removeprefix(f"{HERE}:").partition(": steps[1].config")
            yield f"{int(line) - LINE}{rest}"


FITTING = [
    ("gcp.authenticator", "credential_name: '{credential_name}'\n"),
    ("gcp.authenticator", ""),
    ("gcp.validation", "template: default\nrequired: [cost]\n"),
    ("integrations.validate", "provider: gcp\n"),
    ("integrations.kms_decrypt", "provider: google\n"),
    ("integrations.kms_store", "credential_from: validate_first\n"),
    ("gcp.bq_etl", BOOKS + "source_query: SELECT * FROM incoming WHERE cost > 0 AND usage_date = {date}\n"),
    ("gcp.bq_etl", QUERY + "source_query: SELECT 1 AS cost FROM `p.d.t` QUALIFY RANK() OVER (ORDER BY cost) = 1\n"),
]


@pytest.mark.parametrize(("ps_type", "config"), FITTING)
def test_what_a_processor_can_run_with_is_told_nothing(tmp_path, ps_type, config):
    assert list(told(tmp_path, ps_type, config)) == []


@pytest.mark.parametrize(
    ("ps_type", "config", "flaw"),
    [
        ("setup.initial.onetime_bootstrap", "dataset: x\n", "0.dataset: unknown key 'dataset'; this processor takes no config"),
        ("setup.organizations.offboarding", "force: true\n", "0.force: unknown key 'force'; this processor takes no config"),
        ("gcp.authenticator", "credential_nam: a\n", "0.credential_nam: unknown key 'credential_nam'; did you mean 'credential_name'?"),
        ("gcp.authenticator", "credential_name: 7\n", "0.credential_name: Input should be a valid string"),
        ("gcp.authenticator", "credential_from: load_it\n", "0.credential_from: step 'load_it' does not come before this one"),
        (
            "gcp.validation",
            "template: billing_costs\n",
            "0.template: there is no schema template 'billing_costs'; did you mean 'billing_cost'?",
        ),
        ("gcp.validation", "required: cost\n", "0.required: Input should be a valid tuple"),
        ("integrations.validate", "", "-1.provider: the key 'provider' is needed here"),
        ("integrations.validate", "provider: gpc\n", "0.provider: there is no provider 'gpc'; did you mean 'gcp'?"),
        ("integrations.kms_decrypt", "provider: azure\n", "0.provider: azure (Microsoft Azure) is not served by this release"),
        ("integrations.kms_store", "", "-1.credential_from: the key 'credential_from' is needed here"),
        ("gcp.bq_etl", "books:\ndestination_table: gcp_billing_daily_raw\n", "0.books: Input should be a valid string"),
        ("gcp.bq_etl", "books: gcp/costs\ndestination_table: gcp_billing_daily_raw\n", "0.books: there is no configs/gcp/costs/books.yml"),
        ("gcp.bq_etl", BOOKS + "late_days: '{days}'\n", "2.late_days: '{days}' is not a whole number"),
        ("gcp.bq_etl", BOOKS + "staged_by: validate_first\n", "2.staged_by: Input should be a valid tuple"),
        ("gcp.bq_etl", BOOKS + "empty: allowed\n", "2.empty: belongs to steps without `books`"),
        ("gcp.bq_etl", "books: gcp/cost\ndestination_table: [a]\n", "1.destination_table: Input should be a valid string"),
        ("gcp.bq_etl", "books: gcp/cost\nstaged_by: [[validate_first]]\n", "1.staged_by[0]: Input should be a valid string"),
        ("gcp.bq_etl", BOOKS, "-1: rows of gcp_billing_daily_raw need a source_query"),
        (
            "gcp.bq_etl",
            BOOKS + "source_query: SELECT * FROM incomin\n",
            "2.source_query: there is no table 'incomin' here; it reads incoming",
        ),
        ("gcp.bq_etl", BOOKS + "source_query: DELETE FROM incoming WHERE TRUE\n", "2.source_query: only SELECT is served here"),
        ("gcp.bq_etl", BOOKS + "source_query: SELECT FOO(cost) FROM incoming\n", "2.source_query: FOO(cost): this function is not known"),
        ("gcp.bq_etl", BOOKS + "source_query: SELECT @suorce AS x FROM incoming\n", "2.source_query: nothing gives it @suorce"),
        ("gcp.bq_etl", QUERY + "source_query: |\n  SELECT a\n  FRM `p.d.t`\n", "3.source_query: this is not GoogleSQL at '`p.d.t`'"),
        (
            "gcp.bq_etl",
            "source_query: SELECT 1 AS x\ndestination_table: GCP_Tried\n",
            "1.destination_table: GCP_Tried must be snake_case and begin with 'gcp_'",
        ),
        (
            "gcp.bq_etl",
            "source_query: SELECT 1 AS x\ndestination_table: tried\n",
            "1.destination_table: tried must be snake_case and begin with 'gcp_'",
        ),
        ("gcp.bq_etl", "source_query: SELECT 1 AS x\ndestination_table: x_tried\n", "1.destination_table: fetched, incoming and names"),
        ("gcp.bq_etl", "source_query: SELECT 1 AS x\ndestination_table: x_cost_daily\n", "1.destination_table: x_cost_daily is kept by"),
        ("gcp.bq_etl", QUERY + "source_query: SELECT 1 AS x\nwrite_mode: merge\n", "2.write_mode: Input should be 'append'"),
    ],
)
def test_what_it_cannot_run_with_is_told_with_its_line(tmp_path, ps_type, config, flaw):
    found = list(told(tmp_path, ps_type, config))
    assert any(one.startswith(flaw) for one in found), found


@pytest.mark.parametrize("table", ["gcp_tried", "x_gcp_tried"])
def test_a_document_names_its_own_table_after_its_provider(tmp_path, table):
    assert not list(told(tmp_path, "gcp.bq_etl", f"source_query: SELECT 1 AS x\ndestination_table: {table}\n"))


def test_what_is_wrong_at_several_places_is_told_at_once(tmp_path):
    config = BOOKS + "source_query: |\n  SELECT *\n  FROM incomin\n  WHERE cost > @least\nlate_day: 3\nrows_per_statement: 0\n"
    assert sorted(one.partition(":")[0] for one in told(tmp_path, "gcp.bq_etl", config)) == [
        "2.source_query",
        "2.source_query",
        "6.late_day",
        "7.rows_per_statement",
    ]


def test_a_model_that_is_none_is_told():
    with pytest.raises(Misconfigured, match=r"`config_model` of tests/fakes/processors/sample/modelless.py is no model"):
        REGISTRY.resolve("sample.modelless")


@cache
def processor(ps_type: str) -> Processor:
    return Registry().resolve(ps_type)


TYPES = Registry().known
TEXTS = st.sampled_from(
    ["gcp/cost", "gcp_billing_daily_raw", "extract_it", "{date}", "SELECT 1", "SELECT {date} FROM incoming", "{", "overwrite"]
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(st.data(), st.sampled_from(TYPES), st.booleans())
def test_any_config_is_judged_and_none_is_stumbled_over(data, ps_type, platform):
    keys = sorted({key for model in models_of(processor(ps_type)) for key in model.model_fields} | {"x"})
    config: dict[str, Any] = data.draw(st.dictionaries(st.sampled_from(keys), VALUES))
    steps = [{"id": "extract_it", "ps_type": ps_type, "config": {"stage": True}}, {"id": "load_it", "ps_type": ps_type, "config": config}]
    facts = {"scope": "platform"} if platform else {"provider": "gcp", "domain": "cost"}
    document = Pipeline.model_validate({"pipeline": "a", "steps": steps, **facts})

    wrong = StepCheck.of(document, document.steps[1], processor(ps_type), frozenset({"extract_it"})).as_written()

    assert "x" not in config or ("x",) in {one.at for one in wrong}
