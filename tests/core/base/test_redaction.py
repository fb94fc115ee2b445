from decimal import Decimal

import pytest

from src.core.base.redaction import MASK, hidden, redacted, redacted_text

KEY = "acme_corp_api_Ab12Cd34Ef56Gh78"


@pytest.mark.parametrize("length", range(len(KEY) - 8, len(KEY) + 1))
def test_a_key_is_known_even_when_its_end_was_cut_off(length: int) -> None:
    assert redacted_text(f"organizations/{KEY[:length]}") == f"organizations/{MASK}"


@pytest.mark.parametrize(
    "shape", ["admin_" + "r" * 14, "admin_" + "r" * 60, "sk_live_51H8xAbCdEfGhIjKlMn", "sk_1a2b3c4d5e6f7a8b9c0d", "sk-proj-abcdefgh"]
)
def test_a_key_of_the_root_or_of_a_provider_is_known(shape: str) -> None:
    assert redacted_text(f"no {shape}.") == f"no {MASK}."


@pytest.mark.parametrize(
    "slug", ["sk_ventures_2024", "pk_industries_international", "rk_consulting", "admin_group", "data_api_services", "x_api_v1"]
)
def test_a_slug_that_begins_like_a_key_is_none(slug: str) -> None:
    assert redacted_text(f"organizations/{slug}") == f"organizations/{slug}"


def test_what_begins_like_a_key_again_and_again_is_read_to_its_end_once() -> None:
    text = "sk_" * 20_000

    # every beginning that was followed to the end would take a minute and more
    assert redacted_text(text) == text


def test_names_of_members_are_looked_at_too() -> None:
    assert redacted({"deep": [{KEY: f"it is {KEY}"}]}) == {"deep": [{MASK: f"it is {MASK}"}]}


@pytest.mark.parametrize(
    "secret",
    [
        "ya29." + "a" * 40,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0xx.c2lnbmF0dXJl",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\\nMIIEvQ cut short",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    ],
)
def test_tokens_and_keys_of_service_accounts_are_known(secret: str) -> None:
    assert redacted_text(f"said {secret}") == f"said {MASK}"


def test_of_an_address_of_slacks_the_host_alone_is_told() -> None:
    said = redacted_text("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX answered 404")

    assert said == f"https://hooks.slack.com/{MASK} answered 404"


@pytest.mark.parametrize(
    ("name", "value", "is_hidden"),
    [
        ("input_cached_tokens", "6418.000000000", False),
        ("tokens", "-3", False),
        ("output_tokens", Decimal("1.5"), False),
        ("input_tokens", "sk-admin-of-somebody", True),
        ("refresh_tokens", "12 34", True),
        ("token", "123456", True),
        ("tokens_of", "123456", True),
    ],
)
def test_a_count_of_tokens_is_no_secret_though_its_name_sounds_like_one(name: str, value: object, is_hidden: bool) -> None:
    assert hidden(name, value) is is_hidden
