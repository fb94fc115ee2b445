"""What keeps production from starting: each flaw by the setting that it names."""

import pytest
from pydantic import SecretStr

from src.core.base.names import Environment
from src.core.base.settings import Settings

SOUND = Settings(
    _env_file=None,
    environment=Environment.PRODUCTION,
    ca_root_api_key=SecretStr("r" * 32),
    gcp_project_id="some-project",
    kms_key_name="projects/some-project/locations/us/keyRings/convergence/cryptoKeys/credentials",
    cors_origins=("https://app.example.com",),
)
URLS = [name for name in Settings.model_fields if name.endswith("_url") and name != "ledger_url"]


def flaws(**changed: object) -> set[str | None]:
    return {flaw.field for flaw in SOUND.model_copy(update=changed).flaws()}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, set()),
        ({"disable_auth": True}, {"DISABLE_AUTH"}),
        ({"sandbox": True}, {"SANDBOX"}),
        ({"rate_limit_enabled": False}, {"RATE_LIMIT_ENABLED"}),
        ({"cors_origins": ("*",)}, {"CORS_ORIGINS"}),
        ({"ca_root_api_key": SecretStr("r" * 31)}, {"CA_ROOT_API_KEY"}),
        ({"kms_key_name": None}, {"KMS_KEY_NAME"}),
        ({"environment": Environment.STAGING, "kms_key_name": None}, {"KMS_KEY_NAME"}),
        ({"warehouse": "duckdb"}, {"EMBEDDED_DATA_DIR"}),
    ],
)
def test_what_production_may_not_be_is_named(changed, named):
    assert flaws(**changed) == named


@pytest.mark.parametrize("name", URLS)
def test_credentials_travel_to_no_address_in_clear(name):
    assert flaws(**{name: "http://127.0.0.1:1"}) == {name.upper()}
