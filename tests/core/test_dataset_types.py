"""`configs/system/dataset_types.yml` says what the two kinds of dataset are, and the code says none of it again."""

import re

import pytest

from src.core.base import dataset_types as said
from src.core.base.dataset_types import DatasetTypes, dataset_types
from src.core.base.documents import parse_document
from src.core.base.faults import Misconfigured
from src.core.base.identity import dataset_name
from src.core.base.names import Environment, OrgSlug
from src.core.base.settings import ROOT

TEXT = said.FILE.read_text()
SOURCES = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "src").rglob("*.py")}


@pytest.mark.parametrize(
    ("environment", "name"), [("development", "guruinc_dev"), ("staging", "guruinc_stage"), ("production", "guruinc_prod")]
)
def test_an_organisations_dataset_is_named_by_the_file(environment: str, name: str):
    assert dataset_name(OrgSlug("guruinc"), Environment(environment)) == name


def test_a_name_that_two_would_share_is_refused():
    with pytest.raises(Misconfigured, match=re.escape("{env} must stand in it")):
        parse_document(TEXT.replace("{org_slug}_{env}", "{org_slug}"), DatasetTypes, "dataset_types.yml")


def test_what_the_file_says_stands_nowhere_else_in_the_code():
    kinds = dataset_types()
    own = kinds.organization.housekeeping
    words = [own.profile, own.validation, *kinds.central.erasing.keeps.values()]
    twice = {word: [name for name, text in SOURCES.items() if f'"{word}"' in text] for word in words}

    assert {word: names for word, names in twice.items() if names} == {}
