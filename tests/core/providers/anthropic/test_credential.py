"""A key is told by its kind before anybody is asked; then whose it is and which reports it reads, or what mends a refusal."""

import json
from collections.abc import Callable

import pytest

from src.core.base.faults import CredentialRefused, Fault, Misconfigured, Rejected, StepFailed, Throttled, Unavailable
from src.core.base.redaction import redacted_text
from src.core.base.secret import Secret
from src.core.providers.anthropic.credential import probe, recognise
from src.core.providers.link import ProviderLink
from src.sandbox.anthropic.organizations import ORGANIZATIONS
from tests.core.providers.anthropic.conftest import link_at
from tests.fakes.google import FakeGoogle

TAIL = "Zq7RmB2xK9vLw4Ty"
ADMIN = f"sk-ant-admin01-{TAIL}"
KeyOf = Callable[[str], Secret]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        (" \n", "empty"),
        (f"sk-ant-api03-{TAIL}", "an ordinary key, which calls models"),
        (f"sk-ant-api04-{TAIL}", "the analytics of a Claude Enterprise organisation alone"),
        (f"sk-ant-oat01-{TAIL}", "a person's Claude Code"),
        (f"sk-proj-{TAIL}", "a key of OpenAI or of DeepSeek"),
        (json.dumps({"api_key": ADMIN}), "a JSON object"),
        (json.dumps(ADMIN), "quotation marks around it"),
        (f"Bearer {ADMIN}", "the word Bearer"),
        (f"{ADMIN}\n", "white space or a line end"),
        ("sk-ant-admin01-short", "cut short"),
        (f"{ADMIN} {ADMIN}", "cut short"),
        (TAIL, "no key of Anthropic"),
    ],
)
def test_what_is_no_admin_key_is_told_by_its_kind_and_not_echoed(text: str, told: str):
    with pytest.raises(Rejected) as caught:
        recognise(Secret(text), {})

    assert told in caught.value.detail
    assert "begins with sk-ant- and goes on with admin" in redacted_text(caught.value.detail)
    assert [flaw.field for flaw in caught.value.flaws] == ["credential"]
    assert TAIL not in str(caught.value)


def test_a_key_of_analytics_is_one_where_they_are_asked_for():
    text = f"sk-ant-api04-{TAIL}"
    assert recognise(Secret(text), {"api": "analytics"}).secret == Secret(text)
    with pytest.raises(Rejected, match="ordinary key"):
        recognise(Secret(f"sk-ant-api03-{TAIL}"), {"api": "analytics"})


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"api": "both"}, "settings.api"),
        ({"kids": []}, "settings.kids"),
        ({"children": ["<b>"]}, "settings.children.0"),
    ],
)
def test_settings_that_do_not_fit_are_told_by_their_place(settings: dict[str, object], field: str):
    with pytest.raises(Rejected, match="the settings do not fit") as caught:
        recognise(Secret(ADMIN), settings)

    assert [flaw.field for flaw in caught.value.flaws] == [field]


def test_a_good_key_tells_its_organisation_and_what_it_reads(link: ProviderLink, key: KeyOf):
    demo = ORGANIZATIONS["demo"]
    verdict = probe(link, key("demo"), {"children": ["one"]})

    assert (verdict.valid, verdict.subject) == (True, demo.id)
    assert verdict.facts == {
        "organization": demo.id,
        "name": demo.name,
        "api": "reports",
        "children": ["one"],
        "settings": {"children": ["one"]},
    }
    assert key("demo").reveal() not in repr(verdict)


@pytest.mark.parametrize(
    ("name", "settings", "api"),
    [
        ("demo", {"api": "analytics"}, "analytics"),
        ("enterprise", {}, "analytics"),
        ("analytics", {"api": "analytics"}, "analytics"),
        ("clinic", {}, "reports"),
    ],
)
def test_which_reports_are_read(link: ProviderLink, key: KeyOf, name: str, settings: dict[str, str], api: str):
    verdict = probe(link, key(name), settings)

    assert (verdict.facts["api"], verdict.subject) == (api, ORGANIZATIONS.get(name, ORGANIZATIONS["demo"]).id)


@pytest.mark.parametrize(
    ("who", "fault", "told"),
    [
        (("revoked", {}), CredentialRefused, "wrong, was revoked or has ended"),
        (("throttled", {}), Throttled, "rate limit"),
        (("busy", {}), Throttled, "rate limit"),
        (("spent", {}), Rejected, "has reached its spend limit of the month"),
        (("failing", {}), Unavailable, "Anthropic answered 500 to v1/organizations/me"),
        (("overloaded", {}), Unavailable, "Anthropic answered 529 to v1/organizations/me"),
        (("webpage", {}), Unavailable, "between here and Anthropic"),
        (("broken", {}), Unavailable, "it was cut short"),
        (("enterprise", {"api": "reports"}), Fault, "v1/organizations/cost_report"),
        (("clinic", {"api": "analytics"}), StepFailed, "HIPAA"),
    ],
)
def test_what_anthropic_says_is_told_with_its_mend(
    link: ProviderLink, key: KeyOf, who: tuple[str, dict[str, str]], fault: type[Fault], told: str
):
    name, settings = who
    with pytest.raises(fault) as caught:
        probe(link, key(name), settings)

    assert told in caught.value.detail
    assert caught.value.retry_after == {"throttled": 20.0, "busy": 90.0}.get(name)
    assert key(name).reveal()[-4:] not in caught.value.detail


@pytest.mark.parametrize(
    ("status", "body", "fault", "told"),
    [
        (401, {"error": {"message": f"Your key {ADMIN} is odd"}}, CredentialRefused, "an administrator makes a new admin key"),
        (403, {"error": "no"}, CredentialRefused, "Needed is an admin key"),
        (403, ["no"], CredentialRefused, "Needed is an admin key"),
        (404, {}, Misconfigured, "anthropic.api is the address before /v1"),
        (402, {"error": {"message": "Pay"}}, StepFailed, "answered 402 to v1/organizations/me: Pay"),
        (200, {"name": "no id"}, StepFailed, "not of the shape it should have (at id)"),
    ],
)
def test_a_refusal_of_any_shape_names_its_mend(google: FakeGoogle, status: int, body: object, fault: type[Fault], told: str):
    google.fail = lambda _path: (status, body, {})

    with link_at(google.address) as link, pytest.raises(fault) as caught:
        probe(link, Secret(ADMIN), {})

    assert told in caught.value.detail
    assert TAIL not in caught.value.detail
