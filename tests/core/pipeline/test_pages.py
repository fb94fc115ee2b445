"""The page about documents says what the models say."""

import re
from pathlib import Path

import pytest

from src.core.pipeline.catalog import Catalog
from src.core.pipeline.document import ACTIONS, Input, Pipeline, Retry, Step
from src.core.pipeline.variables import BUILT_IN
from tests.core.pipeline.parts import REGISTRY

PAGES = Path(__file__).resolve().parents[3] / "docs"
PAGE = (PAGES / "reference/pipeline-documents.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [Pipeline, Input, Step, Retry], ids=lambda model: model.__name__)
def test_every_key_is_explained(model):
    assert [name for name in model.model_fields if f"`{name}`" not in PAGE] == []


def test_every_word_and_variable_is_explained():
    words = [*ACTIONS, "on_success", "on_failure", "on_completion", "always", *(f"{{{name}}}" for name in BUILT_IN)]

    assert [word for word in words if f"`{word}`" not in PAGE] == []
    assert [meaning for meaning in BUILT_IN.values() if meaning not in PAGE and not meaning.startswith("the ")] == []


def test_the_example_is_a_document(tmp_path):
    example = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    path = tmp_path / "configs/gcp/cost/billing.yml"
    path.parent.mkdir(parents=True)
    path.write_text(example.replace("gcp.bq_etl", "sample.scripted").replace("notify_systems.email_notification", "sample.ending"))

    entry = Catalog.load(tmp_path / "configs", REGISTRY).look_up("gcp", "billing")

    assert entry.document.pipeline_id("acme_corp") == "acme-corp-gcp-cost"
