"""Each provider's credentials are shown with its own facts, typed, however many providers there are."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from src.app.models.integrations import CREDENTIALS, CredentialPart, SetupPart
from src.app.models.provider_answers import any_of, by_provider
from src.core.base.faults import Misconfigured
from src.core.providers.gcp.credential import Connection as Gcp
from src.core.providers.packages import ShownConnection
from tests.fakes.providers.acme_cloud.credential import Connection as Acme

BOTH: dict[str, type[ShownConnection]] = {"gcp": Gcp, "acme_cloud": Acme}
COMMON = {
    "credential_name": "default",
    "credential_fingerprint": "f",
    "subject": "s",
    "validation_status": "VALID",
    "validation_error": None,
    "validated_at": None,
    "expires_at": None,
    "created_at": datetime(2026, 11, 20, tzinfo=UTC),
}
SETUP: dict[str, Any] = {
    "changes": None,
    "unknown": None,
    "changes_unknown_because": None,
    "status": "SUCCESS",
    "org_slug": "acme",
    "replaced": False,
    "pipeline_logging_id": "r",
    "plan_too_small": None,
    "schedules": [],
}


def test_an_answer_has_the_facts_of_its_own_provider_between_what_all_have():
    setups = by_provider(BOTH, "SetupAnswer", CredentialPart, SetupPart)
    stored = {"workspace": "w", "seats": 7, "settings": {"region": "eu"}, "project": "p"}

    shown = json.loads(setups["acme_cloud"](**stored, **COMMON, **SETUP, provider="acme_cloud").model_dump_json())

    assert list(shown) == ["provider", *COMMON, "workspace", "seats", *SETUP]
    assert (shown["workspace"], shown["seats"]) == ("w", 7)


def test_what_was_stored_before_a_fact_was_known_is_shown_with_its_default():
    shown = CREDENTIALS["gcp"](**COMMON, provider="gcp").model_dump()

    assert (shown["project"], shown["dataset"], shown["tables"]) == (None, None, ())


def test_the_type_of_an_answer_is_told_apart_by_its_provider():
    answers = TypeAdapter(any_of(by_provider(BOTH, "CredentialAnswer", CredentialPart)))

    schema = answers.json_schema(mode="serialization")
    assert schema["discriminator"]["mapping"].keys() == BOTH.keys()
    assert "seats" in schema["$defs"]["AcmeCloudCredentialAnswer"]["required"]
    assert type(answers.validate_python({**COMMON, "provider": "gcp"})).__name__ == "GcpCredentialAnswer"
    with pytest.raises(ValidationError, match="acme_cloud"):
        answers.validate_python({**COMMON, "provider": "stranger"})


def test_a_fact_that_would_take_the_place_of_another_is_refused():
    class Hiding(ShownConnection):
        expires_at: str = ""
        status: str = ""

    with pytest.raises(Misconfigured, match="the Connection of acme has expires_at, status, which every answer has already"):
        by_provider({"acme": Hiding}, "SetupAnswer", CredentialPart, SetupPart)
