import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.base.faults import Fault, Flaw, Misconfigured, Missing, Rejected
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.document import Input, Pipeline, Retry, Step
from src.core.pipeline.registry import Registry
from tests.core.pipeline.parts import REGISTRY

ROOT = Path(__file__).resolve().parents[3]
STEP = "steps:\n  - {id: load_it, ps_type: sample.scripted}\n"


HOOKED = "pipeline: a\nscope: organisation\nprovider: gcp\ndomain: cost\nhooks: [{{{}}}]\n" + STEP.replace("{", "{{").replace("}", "}}")


def put(folder: Path, path: str, text: str) -> Path:
    file = folder / "configs" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    return folder / "configs"


def flaws_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(Misconfigured) as raised:
        Catalog.load(put(folder, "gcp/cost/billing.yml", text), REGISTRY)
    return [str(flaw) for flaw in raised.value.flaws]


def test_the_pipelines_of_this_repository_load():
    catalog = Catalog.load(ROOT / "configs")

    assert {"setup/bootstrap", "setup/organizations/dryrun", "setup/organizations/onboarding"} <= set(catalog.entries)
    for entry in catalog.entries.values():
        assert {step.ps_type for step in entry.document.steps} <= set(catalog.registry.known)


def test_every_flaw_of_every_file_is_told_at_once_with_its_line(tmp_path):
    put(tmp_path, "a.yml", "pipeline: a\nscope: platform\nsteps: []\n")
    put(tmp_path, "b.yml", "pipeline: b\nscope: platform\nstepz:\n  - {id: load_it, ps_type: sample.scripted}\n")
    put(tmp_path, "broken.yml", "pipeline: [\n")
    flaws = flaws_of(
        tmp_path,
        """
        pipeline: gcp-cost
        scope: platform
        inputs:
          date: {type: date}
          plan: {type: string, default: 7}
        variables:
          table: {value: "no name", kind: identifier}
          days: "{end_dat}"
        steps:
          - id: extract_it
            ps_type: sample.scriptd
            config:
              title: "{run_idd} of {"
              query: SELECT '{date}', {start_date}_x, {start}
          - id: extract_it
            ps_type: sample.scripted
            depends_on: [exract_it]
        """,
    )

    told = "\n".join(flaws)
    assert "configs/a.yml:3: steps: Tuple should have at least 1 item" in told
    assert "configs/b.yml:3: stepz: unknown key 'stepz'; did you mean 'steps'?" in told
    assert "configs/b.yml:1: steps: the key 'steps' is needed here" in told
    assert "configs/broken.yml:2:" in told
    here = "configs/gcp/cost/billing.yml"
    assert f"{here}:4: inputs.date: 'date' is given by every run" in told
    assert f"{here}:5: inputs.plan.default: the default must be a text" in told
    assert f"{here}:7: variables.table: 'no name' is not a name" in told
    assert f"{here}:8: variables.days: the variable {{end_dat}} is not declared; did you mean 'end_date'?" in told
    assert f"{here}:11: steps[0].ps_type: no processor for 'sample.scriptd'; did you mean 'sample.scripted'?" in told
    assert "create tests/fakes/processors/sample/scriptd.py, or use one of: sample.blocking, sample.ending" in told
    assert f"{here}:13: steps[0].config.title: the variable {{run_idd}} is not declared; did you mean 'run_id'?" in told
    assert f"{here}:13: steps[0].config.title: a single '{{'; write '{{{{' for a brace" in told
    assert f"{here}:14: steps[0].config.query: {{date}} is a value and becomes a parameter: take it out of the quotes" in told
    assert f"{here}:14: steps[0].config.query: {{start_date}} is a value and becomes a parameter: it cannot be part of the word" in told
    assert f"{here}:14: steps[0].config.query: the variable {{start}} is not declared; did you mean 'start_date'?" in told
    assert f"{here}:15: steps[1].id: the step id 'extract_it' stands twice" in told
    assert f"{here}:17: steps[1].depends_on[0]: there is no step 'exract_it'; did you mean 'extract_it'?" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pipeline: Gcp_Cost\nscope: platform\n" + STEP, ":1: pipeline: 'Gcp_Cost' is not a pipeline name: kebab-case"),
        ("pipeline: a\n" + STEP, "needs `provider` and `domain`"),
        ("pipeline: a\nprovider: GCP\ndomain: cost\n" + STEP, ":2: provider: 'GCP' is not snake_case"),
        ("pipeline: a\nscope: everywhere\n" + STEP, ":2: scope: Input should be 'platform' or 'organisation'"),
        (
            "pipeline: a\nscope: platform\ntimeout: 10\n" + STEP,
            ":3: timeout: '10' is not a duration; write it like 500ms, 30s, 10m or 1h30m",
        ),
        ("pipeline: a\nscope: platform\ntimeout: 0s\n" + STEP, ":3: timeout: a time limit must be longer than nothing"),
        ("pipeline: a\nscope: platform\ntimeout: 25h\n" + STEP, ":3: timeout: '25h' is longer than 24h"),
        ("pipeline: a\nscope: platform\ntimeout: " + "9" * 4000 + "h\n" + STEP, "is longer than 24h"),
        (
            "pipeline: a\nscope: platform\nsteps:\n  - {id: fetch_it, ps_type: sample.scripted}\n",
            ":4: steps[0].id: 'fetch_it' is not a step id: snake_case, starting with one of extract_, transform_, load_, validate_, n",
        ),
        (
            "pipeline: a\nscope: platform\nsteps:\n  - {id: load_it, ps_type: Sample}\n",
            ":4: steps[0].ps_type: 'Sample' is not a ps_type: dotted snake_case",
        ),
        (
            "pipeline: a\nscope: platform\nsteps:\n  - {id: load_it, ps_type: sample.scripted, when: on_failure}\n",
            "steps[0]: `when: on_failure` needs `depends_on`",
        ),
        (HOOKED.format("ps_type: notify_systems.pigeon, config: {channel: Finance}"), ":5: hooks[0].ps_type: Input should be"),
        (HOOKED.format("ps_type: notify_systems.slack_notification, config: {chanel: x}"), "did you mean 'channel'?"),
        (HOOKED.format("ps_type: notify_systems.slack_notification"), "hooks[0].config"),
        (
            HOOKED.format("ps_type: notify_systems.slack_notification, config: {channel: x}").replace("organisation", "platform"),
            "`hooks` are for pipelines of scope organisation",
        ),
        (
            "pipeline: a\nscope: platform\nsteps:\n  - id: load_it\n    ps_type: sample.scripted\n    retry: {attempts: '3'}\n",
            ":6: steps[0].retry.attempts: '3' is not a whole number; write it without quotes",
        ),
        (
            "pipeline: a\nscope: platform\nsteps:\n  - {id: load_it, ps_type: sample.scripted, retry: {attemps: 3}}\n",
            "steps[0].retry.attemps: unknown key 'attemps'; did you mean 'attempts'?",
        ),
        ("pipeline: a\nscope: platform\ninputs:\n  x: {type: text}\n" + STEP, ":4: inputs.x.type: Input should be 'string'"),
        ("pipeline: a\nscope: platform\ninputs:\n  x-y: {type: string}\n" + STEP, "'x-y' is not a name"),
        (
            "pipeline: a\nscope: platform\ninputs:\n  x: {type: integer, pattern: a}\n" + STEP,
            ":4: inputs.x: `pattern` is for inputs of type string",
        ),
        ("pipeline: a\nscope: platform\ninputs:\n  x: {type: string, pattern: '('}\n" + STEP, "is not a regular expression"),
        (
            "pipeline: a\nscope: platform\ninputs:\n  x: {type: string, required: true, default: a}\n" + STEP,
            "a required input has no use for a default",
        ),
        (
            "pipeline: a\nscope: platform\ninputs:\n  x: {type: string}\nvariables:\n  x: 1\n" + STEP,
            ":6: variables.x: 'x' is an input already",
        ),
        (
            "pipeline: a\nscope: platform\nvariables:\n  x: {value: 3, kind: identifier}\n" + STEP,
            ":4: variables.x: an identifier is a text",
        ),
        ("pipeline: a\nprovider: gcp\ndomain: cost\ninputs:\n  org_slug: {type: string}\n" + STEP, "'org_slug' is given by every run"),
        ("pipeline: a\npipeline: b\nscope: platform\n" + STEP, ":2: pipeline: this key stands twice"),
        ("just a text\npipeline: a\n", "configs/gcp/cost/billing.yml:2"),
        ("- 1\n", ":1: a mapping (key: value) is needed here"),
        ("pipelin: a\nscope: platform\n" + STEP, ":1: pipelin: unknown key 'pipelin'; did you mean 'pipeline'?"),
        ("", "configs/gcp/cost/billing.yml:1: is empty; write its pipeline, or delete the file"),
        ("# what was here\n---\n", "configs/gcp/cost/billing.yml:1: is empty; write its pipeline, or delete the file"),
        ("null\n", "configs/gcp/cost/billing.yml:1: pipeline: the key 'pipeline' is needed here"),
    ],
)
def test_a_wrong_document_says_what_and_where(tmp_path, text, told):
    assert any(told in flaw for flaw in flaws_of(tmp_path, text)), flaws_of(tmp_path, text)


def test_a_cycle_is_printed(tmp_path):
    flaws = flaws_of(
        tmp_path,
        """
        pipeline: a
        scope: platform
        steps:
          - {id: load_a, ps_type: sample.scripted, depends_on: [load_c]}
          - {id: load_b, ps_type: sample.scripted, depends_on: [load_a]}
          - {id: load_c, ps_type: sample.scripted, depends_on: [load_b]}
          - {id: load_d, ps_type: sample.scripted, depends_on: [load_c]}
        """,
    )
    assert flaws == ["configs/gcp/cost/billing.yml:4: steps[0].depends_on: steps wait for each other: load_a -> load_c -> load_b -> load_a"]


def test_only_pipelines_are_read_and_their_ids_are_their_paths(tmp_path):
    put(tmp_path, "system/plans.yml", "plans: {a: !tag 1}\n")
    put(tmp_path, "setup/bootstrap/config.yml", "tables:\n  pipeline: x\n")
    put(tmp_path, "setup/bootstrap/pipeline.yml", "pipeline: boot\nscope: platform\n" + STEP)
    configs = put(tmp_path, "gcp/cost/billing.yml", "pipeline: bill\nprovider: gcp\ndomain: cost\n" + STEP)

    assert set(Catalog.load(configs, REGISTRY).entries) == {"setup/bootstrap", "gcp/cost/billing"}


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("gcp/pipeline.yml", "steps: []\n", "the key 'pipeline' is needed here"),
        ("gcp/cost.yaml", "pipeline: a\n", "ends in .yml; rename it"),
        ("gcp/Cost-Billing.yml", "pipeline: a\n", "snake_case; rename it"),
    ],
)
def test_a_file_that_would_be_overlooked_is_told(tmp_path, path, text, told):
    with pytest.raises(Misconfigured, match=told):
        Catalog.load(put(tmp_path, path, text), REGISTRY)


def test_a_missing_configs_folder_is_told(tmp_path):
    with pytest.raises(Misconfigured, match="CONFIGS_DIR"):
        Catalog.load(tmp_path / "nowhere", REGISTRY)


@pytest.fixture
def shop(tmp_path: Path) -> Catalog:
    def org(name: str, provider: str, domain: str, more: str = "") -> str:
        return f"pipeline: {name}\nprovider: {provider}\ndomain: {domain}\n{more}{STEP}"

    put(tmp_path, "gcp/cost/billing.yml", org("gcp-cost-billing", "gcp", "cost", "aliases: [gcp/cost/cost_billing, gcp/billing]\n"))
    put(tmp_path, "openai/usage_cost.yml", org("openai-usage-cost", "openai", "cost"))
    put(tmp_path, "aws/cost/billing.yml", org("aws-cost-billing", "aws", "cost"))
    put(tmp_path, "aws/cost/usage.yml", org("aws-cost-usage", "aws", "cost"))
    put(tmp_path, "azure/cost/pipeline.yml", org("azure-cost", "azure", "cost"))
    return Catalog.load(
        put(tmp_path, "setup/bootstrap/pipeline.yml", "pipeline: boot\nscope: platform\naliases: [admin/bootstrap]\n" + STEP), REGISTRY
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("gcp", "cost", "billing"), "gcp/cost/billing"),
        (("gcp", "cost", "cost_billing"), "gcp/cost/billing"),
        (("gcp", "billing"), "gcp/cost/billing"),
        (("gcp", "cost"), "gcp/cost/billing"),
        (("openai", "usage_cost"), "openai/usage_cost"),
        (("openai", "cost", "usage_cost"), "openai/usage_cost"),
        (("openai", "cost"), "openai/usage_cost"),
        (("aws", "cost", "usage"), "aws/cost/usage"),
        (("azure", "cost"), "azure/cost"),
        (("azure", "cost", "azure-cost"), "azure/cost"),
    ],
)
def test_a_pipeline_is_found_by_every_name_it_has(shop, asked, found):
    assert shop.look_up(*asked).document_id == found


def test_a_name_that_fits_none_or_several_is_told(shop):
    with pytest.raises(Rejected, match="several pipelines; name one of: aws/cost/billing, aws/cost/usage"):
        shop.look_up("aws", "cost")
    with pytest.raises(Missing, match="did you mean 'gcp/cost/billing'"):
        shop.look_up("gcp", "cost", "biling")
    with pytest.raises(Missing):
        shop.look_up("setup", "bootstrap")
    with pytest.raises(Missing):
        shop.look_up("admin", "bootstrap")
    assert shop.get("gcp/billing").document_id == "gcp/cost/billing"
    with pytest.raises(Missing, match="did you mean 'setup/bootstrap'"):
        shop.get("setup/bootstrp")


def test_names_and_aliases_are_taken_once(tmp_path):
    text = "pipeline: same\nscope: platform\naliases: [ALIAS]\n" + STEP
    put(tmp_path, "a.yml", text.replace("ALIAS", "b"))
    put(tmp_path, "c.yml", text.replace("ALIAS", "d"))

    with pytest.raises(Misconfigured) as raised:
        Catalog.load(put(tmp_path, "b.yml", text.replace("ALIAS", "d")), REGISTRY)

    told = str(raised.value)
    assert "configs/b.yml:1: pipeline: the name 'same' is taken by configs/a.yml:1; choose another" in told
    assert "configs/a.yml:3: aliases[0]: the alias 'b' is taken by configs/b.yml:1; choose another" in told
    assert "configs/c.yml:3: aliases[0]: the alias 'd' is taken by configs/b.yml:3; choose another" in told


def test_files_that_lead_to_one_pipeline_are_told_with_both_places(tmp_path):
    def org(name: str, more: str = "") -> str:
        return f"# of the house\npipeline: {name}\nprovider: gcp\ndomain: cost\n{more}{STEP}"

    put(tmp_path, "gcp/cost.yml", org("one"))
    put(tmp_path, "gcp/cost/pipeline.yml", org("two"))
    put(tmp_path, "gcp/cost/billing.yml", org("three"))
    put(tmp_path, "gcp/again/billing.yml", org("four"))
    # a domain may have several pipelines: each is asked for by its name
    configs = put(tmp_path, "gcp/cost/usage.yml", org("five"))

    with pytest.raises(Misconfigured) as raised:
        Catalog.load(configs, REGISTRY)

    assert [str(flaw).removesuffix("; choose another") for flaw in raised.value.flaws] == [
        "configs/gcp/cost.yml:2: pipeline: the id 'gcp/cost' is taken by configs/gcp/cost/pipeline.yml:2",
        "configs/gcp/again/billing.yml:4: domain: the short path 'gcp/cost/billing' is taken by configs/gcp/cost/billing.yml:2",
    ]


def test_what_lies_beside_pipelines_may_be_empty_and_sql_may_not_be_wrong(tmp_path):
    for path in ("gcp/bq_etl/config.yml", "gcp/cost/books.yml", "system/plans.yml"):
        put(tmp_path, path, "")
    put(tmp_path, "costs/daily.sql", "SELEC 1\n")
    put(tmp_path, "gcp/cost/books/measures.sql", "-- remarks\nSELECT a,\n  FROM {rows} GRUOP BY a\n")
    put(tmp_path, "gcp/cost/books/fill.sql", "SELECT {columns}, FARM_FINGERPRINT(a) AS x FROM {rows}\n")
    configs = put(tmp_path, "gcp/cost/views/a_view.sql", "")

    with pytest.raises(Misconfigured) as raised:
        Catalog.load(configs, REGISTRY)

    assert [str(flaw) for flaw in raised.value.flaws] == [
        "configs/gcp/cost/books/fill.sql:1: FARM_FINGERPRINT(a): this function is not known to answer alike in both engines",
        "configs/gcp/cost/books/measures.sql:3: this is not GoogleSQL at 'BY': Invalid expression / Unexpected token",
        "configs/gcp/cost/views/a_view.sql:1: one statement is expected, and this text holds none",
    ]


@pytest.mark.parametrize(
    ("ps_type", "told"),
    [
        ("sample.blocking", "sample/blocking.py` answers|has no `async def execute"),
        ("sample.factoryless", "tests/fakes/processors/sample/factoryless.py has no `get_engine\\(\\)`"),
        ("sample.unimportable", "sample/unimportable.py cannot be imported: cannot import name 'NotThere'"),
        ("sample.ghost", "create tests/fakes/processors/sample/ghost.py"),
        ("sample", "is not a ps_type"),
        ("sample.scripted; import os", "is not a ps_type"),
        ("..os", "is not a ps_type"),
        ("sample.__init__", "is not a ps_type"),
        ("os.path", "no processor for 'os.path'"),
    ],
)
def test_what_is_no_processor_is_not_given(ps_type, told):
    with pytest.raises(Misconfigured, match=told):
        REGISTRY.resolve(ps_type)


def test_a_processor_is_found_under_both_file_names_and_made_anew():
    assert REGISTRY.resolve("sample.ending") is not REGISTRY.resolve("sample.ending")
    assert REGISTRY.known == (
        "sample.blocking",
        "sample.ending",
        "sample.modelless",
        "sample.scripted",
        "sample.silent",
        "sample.staged",
        "sample.statusless",
        "sample.unimportable",
    )
    with pytest.raises(Misconfigured, match="is not a package"):
        Registry("tests.fakes.nowhere").resolve("a.b")


KEYS = st.sampled_from(
    [*Pipeline.model_fields, *Step.model_fields, *Input.model_fields, *Retry.model_fields, "value", "kind", "query", "x"]
)
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(),
    st.dates(),
    st.sampled_from(["platform", "load_it", "sample.scripted", "30s", "string", "{date}", "{", "'{date}'", "on_failure", "gcp"]),
    st.text(max_size=6),
)
VALUES = st.recursive(ATOMS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)), max_leaves=20)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=8), st.booleans())
def test_any_mapping_loads_or_is_a_fault(tmp_path, data, whole):
    raw = {"pipeline": "a", **({"scope": "platform", "steps": [data]} if whole else data)}
    configs = put(tmp_path, "a.yml", yaml.safe_dump(raw, allow_unicode=True))
    flaws: tuple[Flaw, ...] | None = None
    try:
        Catalog.load(configs, REGISTRY)
    except Fault as fault:
        flaws = fault.flaws
    assert flaws is None or {flaw.file for flaw in flaws} == {"configs/a.yml"}
