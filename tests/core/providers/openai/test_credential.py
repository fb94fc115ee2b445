"""A key is told by its kind before anybody is asked; then OpenAI is asked once, and what it says is told with its mend."""

import json

import pytest

from src.core.base.faults import CredentialRefused, Fault, Misconfigured, Rejected, Throttled, Unavailable
from src.core.base.secret import Secret
from src.core.providers.link import ProviderLink
from src.core.providers.openai.credential import probe, recognise
from src.sandbox.openai.organizations import ORGANIZATIONS
from src.sandbox.openai.provider import Openai
from tests.core.providers.openai.conftest import link_at
from tests.fakes.google import FakeGoogle
from tests.sandbox.conftest import HeldClock, sandboxed

TAIL = "Zq7RmB2xK9vLw4Ty"
ADMIN = f"sk-admin-{TAIL}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        (" \n", "empty"),
        (f"sk-proj-{TAIL}", "this is a project key"),
        (f"sk-svcacct-{TAIL}", "the key of a service account"),
        (f"sk-{TAIL}", "a person's key or one of a ChatGPT workspace"),
        (f"sk-ant-admin01-{TAIL}", "set up as the provider anthropic"),
        (f"  sk-proj-{TAIL}\n", "this is a project key"),
        (json.dumps({"api_key": ADMIN}), "a JSON object; of what it holds the key alone"),
        (json.dumps({"private_key": TAIL * 200}), "a JSON object"),
        (json.dumps(ADMIN), "quotation marks around it"),
        (f"Bearer {ADMIN}", "the word Bearer stands before it"),
        (f"{ADMIN}\n", "white space or a line end around the key"),
        (f" {ADMIN}", "white space or a line end around the key"),
        ("sk-admin-short", "cut short, or something else was copied along"),
        (f"{ADMIN} {ADMIN}", "cut short, or something else was copied along"),
        (f"sk-admin-{TAIL * 40}", "cut short, or something else was copied along"),
        (f"org-{TAIL}", "the id of an organisation"),
        (TAIL, "this is no key of OpenAI"),
    ],
)
def test_what_is_no_admin_key_is_told_by_its_kind_and_not_echoed(text: str, told: str):
    with pytest.raises(Rejected) as caught:
        recognise(Secret(text), {})

    assert told in caught.value.detail
    assert "begins with sk-admin-" in caught.value.detail
    assert "api.usage.read" in caught.value.detail
    assert "Settings > Organization > Admin keys" in caught.value.detail
    assert [flaw.field for flaw in caught.value.flaws] == ["credential"]
    assert TAIL not in str(caught.value)


def test_nobody_is_asked_about_what_cannot_be_an_admin_key(google: FakeGoogle):
    with link_at(google.address) as link, pytest.raises(Rejected):
        probe(link, Secret(f"sk-proj-{TAIL}"), {})

    assert google.asked == []


def test_a_good_key_is_worth_one_cheap_call_and_tells_its_organisation(google: FakeGoogle, link: ProviderLink, openai: Openai):
    text = openai.key("demo")

    verdict = probe(link, Secret(text), {})

    organization = ORGANIZATIONS["demo"].id
    assert (verdict.valid, verdict.subject, verdict.facts) == (True, organization, {"organization": organization})
    assert verdict.secret == Secret(text)
    assert verdict.fingerprint.startswith(f"{text[-4:]}-")
    assert text not in repr(verdict)

    google.fail = lambda _path: (200, {"data": []}, {})
    with link_at(google.address) as elsewhere:
        assert probe(elsewhere, Secret(ADMIN), {}).subject is None
    assert google.asked == ["GET /v1/organization/costs?start_time=1795219200&limit=1"]


@pytest.mark.parametrize(
    ("key", "fault", "told"),
    [
        ("revoked", CredentialRefused, "wrong, was revoked or has ended: an owner makes a new admin key at"),
        ("narrow", CredentialRefused, "Give the key the permission to read usage (api.usage.read)"),
        ("narrow-401", CredentialRefused, "Give the key the permission to read usage (api.usage.read)"),
        ("throttled", Throttled, "Rate limit reached"),
        ("busy", Throttled, "Rate limit reached"),
        ("failing", Unavailable, "OpenAI answered 500 to v1/organization/costs: The server had an error"),
        ("webpage", Unavailable, "something between here and OpenAI answered in its place"),
        ("broken", Unavailable, "it was cut short"),
    ],
)
def test_what_openai_says_is_told_with_its_mend(link: ProviderLink, openai: Openai, key: str, fault: type[Fault], told: str):
    text = openai.key(key)

    with pytest.raises(fault) as caught:
        probe(link, Secret(text), {})

    assert type(caught.value) is fault
    assert told in caught.value.detail
    assert caught.value.retry_after == (20.0 if key == "throttled" else None)
    assert text[-4:] not in caught.value.detail


def test_a_slow_answer_and_none_at_all_are_told(link: ProviderLink, openai: Openai, tmp_path):
    with link_at(link.endpoint(), provider_timeout_seconds=0.2) as hasty, pytest.raises(Unavailable, match="PROVIDER_TIMEOUT_SECONDS"):
        probe(hasty, Secret(openai.key("slow")), {})

    with sandboxed(tmp_path / "sandbox", HeldClock()) as gone:
        address = gone.endpoints["openai.api"]
    with link_at(address) as nowhere, pytest.raises(Unavailable, match="could not be reached"):
        probe(nowhere, Secret(openai.key("demo")), {})


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, {"error": {"message": f"Your key {ADMIN} is odd", "code": None}}, "An admin key of a ChatGPT workspace is another thing"),
        (403, {"error": "no"}, "Needed is an admin key"),
        (403, ["no"], "Needed is an admin key"),
    ],
)
def test_a_refusal_of_any_shape_names_its_mend(google: FakeGoogle, status: int, body: object, told: str):
    google.fail = lambda _path: (status, body, {})

    with link_at(google.address) as link, pytest.raises(Rejected) as caught:
        probe(link, Secret(ADMIN), {})

    assert told in caught.value.detail
    assert TAIL not in caught.value.detail


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, {"error": {"message": "No", "code": "unsupported_country_region_territory"}}, "ask from elsewhere"),
        (404, {}, "openai.api is the address before /v1"),
    ],
)
def test_what_any_key_would_meet_is_the_operator_s_to_mend(google: FakeGoogle, status: int, body: object, told: str):
    google.fail = lambda _path: (status, body, {})

    with link_at(google.address) as link, pytest.raises(Misconfigured, match=told):
        probe(link, Secret(ADMIN), {})


def test_a_subject_that_is_no_name_is_left_out(google: FakeGoogle):
    google.fail = lambda _path: (200, {"data": []}, {"openai-organization": "<b>acme</b>"})

    with link_at(google.address) as link:
        assert probe(link, Secret(ADMIN), {}).facts == {"organization": None}
