"""DeepSeek's models are read by OpenAI's client, which is the one that DeepSeek's documents name; balances as they are told."""

from decimal import Decimal

import openai
import pytest
from openai import DefaultHttpx2Client, OpenAI

from src.sandbox.server import Sandbox
from tests.sandbox.deepseek.conftest import Ask, base, deepseek_of


@pytest.mark.parametrize("version", ["", "/v1"])
def test_the_clients_own_type_fits_the_list_of_models(kept: Sandbox, version: str):
    with DefaultHttpx2Client(trust_env=False) as http:
        client = OpenAI(api_key=deepseek_of(kept).key("demo"), base_url=f"{base(kept)}{version}", max_retries=0, http_client=http)

        models = list(client.models.list())

        assert [one.id for one in models] == ["deepseek-flash", "deepseek-v4-pro"]
        assert {(one.object, one.owned_by) for one in models} == {("model", "deepseek")}


@pytest.mark.parametrize(
    ("key", "raised"),
    [
        ("revoked", openai.AuthenticationError),
        ("throttled", openai.RateLimitError),
        ("busy", openai.RateLimitError),
        ("spent", openai.APIStatusError),
        ("failing", openai.InternalServerError),
        ("overloaded", openai.InternalServerError),
    ],
)
def test_what_a_key_may_not_is_the_clients_own_exception(kept: Sandbox, key: str, raised: type[openai.APIStatusError]):
    with DefaultHttpx2Client(trust_env=False) as http:
        client = OpenAI(api_key=deepseek_of(kept).key(key), base_url=base(kept), max_retries=0, http_client=http)

        with pytest.raises(raised) as caught:
            client.models.list()

    assert caught.value.response.headers.get("retry-after") == ("20" if key == "throttled" else None)
    assert caught.value.status_code == {"revoked": 401, "spent": 402, "failing": 500, "overloaded": 503}.get(key, 429)


@pytest.mark.parametrize(
    ("key", "currencies", "available"),
    [("demo", ["USD"], True), ("yuan", ["CNY"], True), ("twofold", ["CNY", "USD"], True), ("empty", ["USD"], False)],
)
def test_a_balance_is_told_in_whole_cents_of_each_currency(ask: Ask, key: str, currencies: list[str], *, available: bool):
    told = ask("/user/balance", key).json()

    assert (told["is_available"], [one["currency"] for one in told["balance_infos"]]) == (available, currencies)
    for one in told["balance_infos"]:
        assert Decimal(one["total_balance"]) == Decimal(one["granted_balance"]) + Decimal(one["topped_up_balance"])
        assert all(one[name] == f"{Decimal(one[name]):.2f}" for name in ("total_balance", "granted_balance", "topped_up_balance"))


def test_what_is_not_there_is_not_found(ask: Ask):
    assert ask("/dashboard/billing/usage").status_code == 404
    assert ask("/dashboard/billing/usage").json()["error"]["type"] == "invalid_request_error"
