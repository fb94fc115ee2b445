"""What keeps production from starting: each flaw by the setting that it names."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from src.core.base.faults import Misconfigured
from src.core.base.names import Environment
from src.core.base.settings import Settings, load_settings

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
        ({"smtp_security": "none"}, {"SMTP_SECURITY"}),
        ({"smtp_host": "smtp.example.com"}, {"SMTP_FROM"}),
        ({"smtp_username": "costs"}, {"SMTP_PASSWORD"}),
        ({"smtp_password": SecretStr("p")}, {"SMTP_USERNAME"}),
        ({"smtp_ca_file": Path("/nowhere/ca.pem")}, {"SMTP_CA_FILE"}),
        ({"notify_inside_hosts": ("10.0.0.1:8025",)}, {"NOTIFY_INSIDE_HOSTS"}),
    ],
)
def test_what_production_may_not_be_is_named(changed, named):
    assert flaws(**changed) == named


@pytest.mark.parametrize("name", URLS)
def test_credentials_travel_to_no_address_in_clear(name):
    assert flaws(**{name: "http://127.0.0.1:1"}) == {name.upper()}


@pytest.mark.parametrize(
    "url", ["https://api.example.com", "https://api.example.com:8443/v1", "http://127.0.0.1:9", "http://[::1]:9", "http://localhost:9"]
)
def test_a_provider_may_be_asked_over_https_and_in_clear_on_this_machine(url, monkeypatch):
    monkeypatch.setenv("PROVIDER_URLS", json.dumps({"openai.api": url}))

    assert load_settings().provider_urls == {"openai.api": url}
    assert flaws(provider_urls={"openai.api": url}) == (set() if url.startswith("https") else {"PROVIDER_URLS"})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("openai.api=https://api.example.com", "is not a JSON object of addresses; write it like"),
        ('["https://api.example.com"]', "is not a JSON object"),
        ('{"openai.api": 7}', "is not a JSON object"),
        ('{"openai.api": "http://api.example.com"}', "openai.api: must begin with https://"),
        ('{"openai.api": "http://127.0.0.1.example.com"}', "openai.api: must begin with https://"),
        ('{"openai.api": "ftp://127.0.0.1"}', "openai.api: is no address"),
        ('{"openai.api": "api.example.com"}', "openai.api: is no address"),
        ('{"openai.api": "https://"}', "openai.api: is no address"),
        ('{"openai.api": "https://api.example.com:port"}', "openai.api: is no address"),
        ('{"openai.api": "https://api.example.com/ v1"}', "openai.api: is no address"),
        ('{"openai.api": "https://key@api.example.com"}', "openai.api: must be an address alone"),
        ('{"openai.api": "https://api.example.com?key=1"}', "openai.api: must be an address alone"),
    ],
)
def test_an_address_that_is_none_is_told_and_not_used(value, told, monkeypatch):
    monkeypatch.setenv("PROVIDER_URLS", value)

    with pytest.raises(Misconfigured) as caught:
        load_settings()

    assert [flaw.field for flaw in caught.value.flaws] == ["PROVIDER_URLS"]
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("NOTIFY_INSIDE_HOSTS", "10.0.0.1", "'10.0.0.1' is not host:port; write it like 127.0.0.1:8025"),
        ("NOTIFY_INSIDE_HOSTS", "ok:1,me@here:2", "'me@here:2' is not host:port"),
        ("NOTIFY_INSIDE_HOSTS", "http://here:2/", "is not host:port"),
        ("SMTP_FROM", "costs", "is no address of mail"),
        ("SMTP_FROM", "costs@example.com\nBcc: all@example.com", "is no address of mail"),
        ("PUBLIC_URL", "costs.example.com", "is no address"),
        ("SMTP_SECURITY", "ssl", "'starttls', 'tls' or 'none'"),
    ],
)
def test_what_messages_are_sent_by_is_told_where_it_is_wrong(name, value, told, monkeypatch):
    monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured) as raised:
        load_settings()

    assert told in str(raised.value)
    assert name in str(raised.value)


def test_hosts_inside_are_a_list_with_commas(monkeypatch):
    monkeypatch.setenv("NOTIFY_INSIDE_HOSTS", "127.0.0.1:8025, Mail.Inside:25,[::1]:9")

    assert load_settings().notify_inside_hosts == ("127.0.0.1:8025", "mail.inside:25", "[::1]:9")
