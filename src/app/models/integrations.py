import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from src.app.models.organizations import Answer, Request

# A name a person chooses: it stands in logs, so nothing that could be mistaken for anything else.
NAME = r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$"
LONGEST_CREDENTIAL = 100_000
LONGEST_SETTINGS = 10_000


def _as_text(value: object) -> object:
    text = json.dumps(value) if isinstance(value, dict) else value
    if isinstance(text, str):
        if len(text) > LONGEST_CREDENTIAL:
            raise ValueError(f"is longer than {LONGEST_CREDENTIAL} characters")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError("holds halves of characters")
        return text
    raise ValueError("must be a text, or the JSON object itself")


Credential = Annotated[
    SecretStr,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": LONGEST_CREDENTIAL}, {"type": "object"}], "writeOnly": True}),
]


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > LONGEST_SETTINGS:
        raise ValueError(f"is longer than {LONGEST_SETTINGS} characters")
    return value


class SetupRequest(Request):
    credential: Credential = Field(description="For gcp the JSON key of a service account, as a text or as the object itself; kept sealed")
    credential_name: str = Field(default="default", pattern=NAME, description="Tells several credentials of one provider apart")
    settings: Annotated[dict[str, Any], AfterValidator(_bounded)] = Field(
        default_factory=dict,
        description="For gcp `project`, `dataset` and `tables` of the billing export, where they cannot be found by looking",
    )


class ExportAnswer(Answer):
    project: str
    dataset: str
    table: str
    kind: Literal["standard", "detailed"]
    billing_account: str | None
    location: str | None
    counts: bool = Field(description="Whether it is loaded: one table of each billing account is")
    reason: str


class CredentialAnswer(Answer):
    provider: str
    credential_name: str
    credential_fingerprint: str = Field(description="Names the credential without giving it away")
    subject: str | None = Field(description="Whom the provider knows it as: for gcp the service account")
    validation_status: Literal["PENDING", "VALID", "INVALID"]
    validation_error: str | None
    validated_at: datetime | None = Field(description="When the provider was last asked")
    expires_at: datetime | None
    created_at: datetime
    project: str | None = Field(description="Of all tables that count, where they have one in common")
    dataset: str | None
    tables: list[ExportAnswer]


class SetupAnswer(CredentialAnswer):
    status: Literal["SUCCESS"]
    org_slug: str
    replaced: bool = Field(description="Whether a credential of this name was there before")
    pipeline_logging_id: str


class ValidateAnswer(CredentialAnswer):
    status: Literal["SUCCESS"]
    org_slug: str
    pipeline_logging_id: str


class IntegrationAnswer(Answer):
    provider: str
    title: str
    kind: Literal["cloud", "model"]
    status: Literal["VALID", "INVALID", "PENDING", "NOT_SET_UP", "NOT_SERVED"] = Field(
        description="The best of its credentials; NOT_SERVED: this release does not know the provider yet"
    )
    credentials: list[CredentialAnswer]


class IntegrationList(Answer):
    org_slug: str
    integrations: list[IntegrationAnswer]


class RemovedAnswer(Answer):
    org_slug: str
    provider: str
    credential_name: str
    credential_fingerprint: str
    state: Literal["deleted"]
