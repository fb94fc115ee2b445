import pytest

from src.core.base.faults import Misconfigured, Missing, Rejected
from src.core.base.settings import ROOT
from src.core.providers.directory import Providers
from src.core.providers.packages import PACKAGES

KNOWN = Providers.load(ROOT / "configs" / "system" / "providers.yml")


@pytest.mark.parametrize(
    ("said", "name"), [("gcp", "gcp"), ("GCP_SA", "gcp"), ("gcp_sa", "gcp"), ("claude", "anthropic"), ("OpenAI", "openai")]
)
def test_a_provider_is_known_by_its_aliases_in_any_case(said: str, name: str):
    assert KNOWN.get(said).name == name


def test_an_unknown_one_is_missing_and_one_not_served_is_refused():
    with pytest.raises(Missing, match="did you mean 'azure'"):
        KNOWN.get("azur")
    with pytest.raises(Rejected, match="served: gcp"):
        KNOWN.served("aws")


def test_every_served_provider_can_be_asked_and_has_its_pipelines():
    served = {name for name, one in KNOWN.by_name.items() if one.served}

    assert served == set(PACKAGES.names)
    for name in served:
        assert {path.name for path in (ROOT / "configs" / "integrations" / name).iterdir()} >= {"setup.yml", "validate.yml"}


def test_a_name_for_two_providers_is_a_mistake_in_the_file(tmp_path):
    path = tmp_path / "providers.yml"
    path.write_text("providers:\n  a: {title: A, kind: cloud, aliases: [B]}\n  b: {title: B, kind: model}\n")

    with pytest.raises(Misconfigured) as caught:
        Providers.load(path)

    assert "names two providers" in str(caught.value)
