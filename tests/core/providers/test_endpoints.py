"""Where a provider is asked, and that nobody is asked beyond this machine while the sandbox stands in for providers."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from src.app.wiring import Parts
from src.core.base.faults import Misconfigured
from src.core.base.identity import Actor
from src.core.base.settings import ROOT, Settings, get_settings, load_settings, use_settings
from src.core.providers.endpoints import endpoint
from src.core.providers.link import linked
from src.core.providers.start_check import check_providers
from src.core.step.context import StepContext
from tests.core.providers import asking
from tests.fakes import made_once
from tests.fakes.google import FakeGoogle


def settings(**given: Any) -> Settings:
    return Settings(ca_root_api_key="admin_key", _env_file=None, **given)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """As a service that has started in the sandbox."""
    made_once.lend_sandbox(tmp_path)
    use_settings(settings(embedded_data_dir=tmp_path, sandbox=True))
    started = Parts(get_settings())
    started.start_sandbox()
    yield started
    started.close()
    use_settings(None)


async def ask(parts: Parts, **config: Any) -> Any:
    step = StepContext("r", "extract_usage", Actor("system"), parts, structlog.get_logger())
    return (await asking.get_engine().execute(config, step))["said"]


def test_a_provider_is_asked_where_the_file_says_unless_a_setting_says_otherwise(monkeypatch: pytest.MonkeyPatch):
    assert endpoint(settings(), "openai") == "https://api.openai.com"

    monkeypatch.setenv("PROVIDER_URLS", '{"openai.api": "https://proxy.acme.example/openai/"}')
    monkeypatch.setenv("CA_ROOT_API_KEY", "admin_key")
    assert endpoint(load_settings(), "openai") == "https://proxy.acme.example/openai"
    assert endpoint(load_settings(), "anthropic") == "https://api.anthropic.com"


@pytest.mark.parametrize(
    ("provider", "name", "told"),
    [("opnai", "api", "did you mean 'openai.api'"), ("aws", "storage", "names .*openai.api, anthropic.api")],
)
def test_an_endpoint_that_nobody_knows_is_a_mistake_and_the_likely_one_is_named(provider: str, name: str, told: str):
    with pytest.raises(Misconfigured, match=told):
        endpoint(settings(), provider, name)


def test_an_address_set_for_a_misspelt_name_refuses_the_start():
    with pytest.raises(Misconfigured) as caught:
        Parts(settings(provider_urls={"opnai.api": "https://proxy.acme.example"})).load()

    assert [(flaw.field, flaw.message) for flaw in caught.value.flaws] == [
        ("PROVIDER_URLS", "names 'opnai.api'; did you mean 'openai.api'?")
    ]


def test_a_provider_that_is_served_without_a_package_refuses_the_start(tmp_path: Path):
    shutil.copytree(ROOT / "configs" / "system", tmp_path / "system")
    path = tmp_path / "system" / "providers.yml"
    path.write_text(path.read_text() + "  nobodys: {title: Nobody's, kind: cloud}\n")

    with pytest.raises(Misconfigured, match=r"nothing is known of asking nobodys.*src/core/providers/nobodys/credential.py"):
        check_providers(settings(configs_dir=tmp_path))


@pytest.mark.parametrize(
    ("facts", "told"),
    [('{api: "http://acme.example"}', "api: must begin with https://"), ('{A-P-I: "https://acme.example"}', "A-P-I: a name is")],
)
def test_an_address_in_the_file_is_held_to_what_a_setting_is(tmp_path: Path, facts: str, told: str):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "providers.yml").write_text(f"providers:\n  acme: {{title: Acme, kind: cloud, endpoints: {facts}}}\n")

    with pytest.raises(Misconfigured) as caught:
        endpoint(settings(configs_dir=tmp_path), "acme")

    assert told in str(caught.value)


@pytest.mark.parametrize("itself", [False, True], ids=["linked", "by itself"])
async def test_in_the_sandbox_no_key_goes_to_a_provider_that_it_does_not_serve(parts: Parts, itself: bool):
    served = {name: url for name, url in parts.settings.provider_urls.items() if name != "anthropic.api"}
    parts.settings = parts.settings.model_copy(update={"provider_urls": served})
    use_settings(parts.settings)

    with pytest.raises(Misconfigured, match=r"the sandbox does not serve anthropic.api: nothing is sent to api.anthropic.com"):
        await ask(parts, provider="anthropic", itself=itself)


def test_in_the_sandbox_a_client_asks_no_other_machine_whatever_address_it_was_given(parts: Parts):
    with linked(parts, "gcp") as link:
        assert link.http.ask("GET", link.settings.bigquery_url).status == 404
        for address in ("https://oauth2.googleapis.com/token", "http://127.0.0.1.nip.example/", "https://93.184.215.14/"):
            with pytest.raises(Misconfigured, match="not on this machine"):
                link.http.ask("GET", address)


@pytest.mark.parametrize("itself", [False, True], ids=["linked", "by itself"])
async def test_what_stands_in_for_a_provider_is_asked_in_its_place(parts: Parts, google: FakeGoogle, itself: bool):
    parts.settings = parts.settings.asking_at({"openai.api": google.address})
    use_settings(parts.settings)
    google.fail = lambda path: (200, {"path": path}, {})

    assert await ask(parts, provider="openai", itself=itself) == {"path": "/usage"}
