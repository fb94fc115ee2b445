"""The balance as DeepSeek tells it, and what is no balance."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.faults import CredentialRefused, Rejected, StepFailed
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.providers.deepseek import client
from src.core.providers.deepseek.credential import probe, recognise
from src.core.providers.http.client import HttpAnswer
from src.core.providers.link import ProviderLink, linked
from src.sandbox.server import Sandbox
from tests.core.providers.linked import OnClock
from tests.sandbox.conftest import HeldClock, sandboxed

KEY = "sk-" + "0123456789abcdef" * 2
RIGHT = {
    "is_available": True,
    "balance_infos": [{"currency": "USD", "total_balance": "41.27", "granted_balance": "1.27", "topped_up_balance": "40.00"}],
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandboxed(tmp_path_factory.mktemp("deepseek") / "sandbox", HeldClock()) as sandbox:
        yield sandbox


@pytest.fixture
def link(sandbox: Sandbox) -> Iterator[ProviderLink]:
    given = Settings(_env_file=None, sandbox=True).asking_at({"deepseek.api": sandbox.endpoints["deepseek.api"]})
    with linked(OnClock(given), "deepseek") as link:
        yield link


def key(sandbox: Sandbox, name: str) -> Secret:
    provider: Any = sandbox.providers["deepseek"]
    return Secret(provider.key(name))


def test_each_currency_is_told_by_itself(link: ProviderLink, sandbox: Sandbox) -> None:
    found = client.balance(link, key(sandbox, "twofold"))
    assert [one.currency for one in found] == ["CNY", "USD"]
    assert all(one.total_balance == one.granted_balance + one.topped_up_balance for one in found)


def test_a_key_that_is_let_in_names_no_account(link: ProviderLink, sandbox: Sandbox) -> None:
    verdict = probe(link, key(sandbox, "yuan"), {})
    assert (verdict.valid, verdict.subject, verdict.facts) == (True, None, {"currencies": ["CNY"]})
    with pytest.raises(CredentialRefused) as refused:
        probe(link, Secret(KEY), {})
    assert "0123" not in refused.value.detail
    assert "make another" in refused.value.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (f" {KEY}", "white space"),
        (f"Bearer {KEY}", "Bearer"),
        ("sk-ant-admin01-abcdefghijklmnopqrst", "anthropic"),
        ("sk-proj-abcdefghijklmnopqrstuvw", "openai"),
        ("sk-short", "cut short"),
        ('{"key": "x"}', "JSON"),
        ("hunter2", "no key of DeepSeek"),
    ],
)
def test_what_is_no_key_is_told_by_its_kind_and_not_shown(text: str, said: str) -> None:
    with pytest.raises(Rejected, match=said) as refused:
        recognise(Secret(text), {})
    assert "hunter2" not in refused.value.detail


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"balance_infos": None}, "balance_infos"),
        ({"is_available": "yes"}, "is_available"),
        ({"balance_infos": [{**RIGHT["balance_infos"][0], "total_balance": 41.27}]}, "balance_infos.0.total_balance"),  # type: ignore[index]
        ({"balance_infos": [{**RIGHT["balance_infos"][0], "granted_balance": "NaN"}]}, "balance_infos.0.granted_balance"),  # type: ignore[index]
        ({"balance_infos": [{**RIGHT["balance_infos"][0], "currency": "$"}]}, "balance_infos.0.currency"),  # type: ignore[index]
        ({"balance_infos": [*RIGHT["balance_infos"], *RIGHT["balance_infos"]]}, "twice"),  # type: ignore[misc]
    ],
)
def test_what_is_no_balance_is_refused_by_its_place(link: ProviderLink, monkeypatch: Any, change: dict[str, Any], place: str) -> None:
    body = json.loads(json.dumps({**RIGHT, **change}), parse_float=Decimal)
    monkeypatch.setattr(link.http, "ask", lambda *_, **__: HttpAnswer(200, {}, body))
    with pytest.raises(StepFailed, match=place):
        client.balance(link, Secret(KEY))
