import pytest

from src.core.base.faults import Misconfigured
from src.core.providers.packages import PACKAGES, ProviderPackages

FAKES = ProviderPackages("tests.fakes.providers")


def test_a_folder_with_a_credential_is_a_provider_and_no_other_is():
    assert "gcp" in PACKAGES.names
    assert not {"http", "export", "__pycache__"} & set(PACKAGES.names)
    assert FAKES.names == ("acme_cloud", "formless", "mute", "nameless", "unimportable")
    assert FAKES.credential("acme_cloud").kinds == "an admin key of Acme"
    assert list(FAKES.credential("acme_cloud").connection.model_fields) == ["workspace", "seats"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("acme_clod", "did you mean 'acme_cloud'"),
        ("../gcp", "known are acme_cloud, formless"),
        ("formless", "formless/credential.py has no class Connection"),
        ("nameless", "nameless/credential.py has no KINDS"),
        ("mute", "mute/credential.py has no `probe"),
        ("unimportable", "unimportable/credential.py cannot be imported: .*NothingOfThisName"),
    ],
)
def test_what_a_package_lacks_is_told_with_its_file(name: str, told: str):
    with pytest.raises(Misconfigured, match=told):
        FAKES.credential(name)


def test_a_prefix_that_is_no_package_is_a_mistake():
    with pytest.raises(Misconfigured, match="is not a package"):
        _ = ProviderPackages("src.core.providers.packages").names
