import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from src.app.models.organizations import Answer, Request
from src.app.models.provider_answers import any_of, by_provider, kinds_told
from src.core.providers.packages import PACKAGES

# A name a person chooses: it stands in logs, so nothing that could be mistaken for anything else.
NAME = r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$"
LONGEST_CREDENTIAL = 100_000
LONGEST_SETTINGS = 10_000
PROVIDERS = {name: PACKAGES.credential(name) for name in PACKAGES.names}
CONNECTIONS = {name: facts.connection for name, facts in PROVIDERS.items()}
KINDS = kinds_told((name, facts.kinds) for name, facts in PROVIDERS.items())


def _as_text(value: object) -> object:
    text = json.dumps(value) if isinstance(value, dict) else value
    if isinstance(text, str):
        if len(text) > LONGEST_CREDENTIAL:
            raise ValueError(f"is longer than {LONGEST_CREDENTIAL} characters")
        # JSON may escape half a character; it has no UTF-8, so it could not be sealed
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError("holds halves of characters")
        return text
    raise ValueError("must be a text, or the JSON object itself")


Credential = Annotated[
    SecretStr,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": LONGEST_CREDENTIAL}, {"type": "object"}], "writeOnly": True}),
]


def bounded(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > LONGEST_SETTINGS:
        raise ValueError(f"is longer than {LONGEST_SETTINGS} characters")
    return value


class SetupRequest(Request):
    credential: Credential = Field(description=f"{KINDS[:1].upper()}{KINDS[1:]}, as a text or as the object itself; kept sealed")
    credential_name: str = Field(default="default", pattern=NAME, description="Tells several credentials of one provider apart")
    settings: Annotated[dict[str, Any], AfterValidator(bounded)] = Field(
        default_factory=dict,
        description="For gcp `project`, `dataset` and `tables` of the billing export, where they cannot be found by looking; "
        "a provider that takes none refuses any",
    )
    skip_validation: bool = Field(
        default=False, description="Keeps it as PENDING, known by its kind alone; the provider is asked when it is validated, or by a run"
    )
    another_account: bool = Field(
        default=False,
        description="Of a provider that does not say whose account a credential is of: it is of another one than the others, "
        "so both are counted; without it a second credential is refused (409)",
    )


class CredentialPart(Answer):
    """Of every provider's credential; what it opens comes on top, as the provider's package says."""

    provider: str
    credential_name: str
    credential_fingerprint: str = Field(description="Names the credential without giving it away")
    subject: str | None = Field(description="Whom the provider knows it as: for gcp the service account")
    validation_status: Literal["PENDING", "VALID", "INVALID", "UNREACHABLE"] = Field(
        description="PENDING: never asked; UNREACHABLE: the provider did not answer when it was asked last, `validation_error` says how"
    )
    validation_error: str | None
    validated_at: datetime | None = Field(description="When the provider was last asked")
    expires_at: datetime | None
    created_at: datetime


class HandoverAnswer(Answer):
    account: str = Field(description="Whose days: for gcp the billing account")
    from_source: str = Field(description="The table that they were counted from")
    to_source: str = Field(description="The table that they will be counted from when a run has read it")
    first_day: date = Field(description="The first day of use that changes hands; all later ones do too")
    last_day: date | None = Field(description="The last load day that was read of the table they were counted from")
    says: str = Field(description="The same in a sentence")


class UnknownAnswer(Answer):
    account: str = Field(description="Whose days: for gcp the billing account")
    source: str = Field(description="The table that will be counted, and does not tell them")
    first_day: date | None = Field(description="The first load day of which nobody knows; null: whatever was before the last")
    last_day: date = Field(description="The last of them: the day on which the table was made, of which it has a part")
    says: str = Field(description="The same in a sentence, with what helps")


class Exchange(Answer):
    changes: list[HandoverAnswer] | None = Field(
        description="Days that were counted from one table and will be from another; null where that cannot be told"
    )
    unknown: list[UnknownAnswer] | None = Field(
        description="Days of which no table that is read will tell all: they are partial; null where that cannot be told"
    )
    changes_unknown_because: str | None = Field(description="Why both are null: the credential is kept all the same")


class SetupPart(Exchange):
    status: Literal["SUCCESS"] = Field(description="SUCCESS; all else is a problem")
    org_slug: str
    replaced: bool = Field(description="Whether a credential of this name was there before")
    pipeline_logging_id: str
    plan_too_small: str | None = Field(description="What waits because the plan allows fewer runs a day than the schedules come to")
    schedules: list[str] = Field(description="What runs by itself with it from now on: pipeline, cron expression and zone")


class ValidatePart(Exchange):
    status: Literal["SUCCESS"] = Field(description="SUCCESS: the provider was asked; what it said, `validation_status` says")
    org_slug: str
    pipeline_logging_id: str


CREDENTIALS = by_provider(CONNECTIONS, "CredentialAnswer", CredentialPart)
SETUPS = by_provider(CONNECTIONS, "SetupAnswer", CredentialPart, SetupPart)
VALIDATIONS = by_provider(CONNECTIONS, "ValidateAnswer", CredentialPart, ValidatePart)

# The true ones are made from whatever packages there are; a type checker knows of them what all have.
if TYPE_CHECKING:
    CredentialAnswer: TypeAlias = CredentialPart
    SetupAnswer: TypeAlias = SetupPart
    ValidateAnswer: TypeAlias = ValidatePart
else:
    CredentialAnswer, SetupAnswer, ValidateAnswer = any_of(CREDENTIALS), any_of(SETUPS), any_of(VALIDATIONS)


class IntegrationAnswer(Answer):
    provider: str
    title: str = Field(description="Name of the provider for people")
    kind: Literal["cloud", "model"] = Field(description="A cloud, or a provider of models")
    status: Literal["VALID", "INVALID", "PENDING", "UNREACHABLE", "NOT_SET_UP", "NOT_SERVED"] = Field(
        description="The best of its credentials; NOT_SERVED: this release does not know the provider yet"
    )
    credentials: list[CredentialAnswer] = Field(description="Its credentials")


class IntegrationList(Answer):
    org_slug: str
    integrations: list[IntegrationAnswer] = Field(description="Every provider, set up or not")


class RemovedAnswer(Answer):
    org_slug: str
    provider: str
    credential_name: str
    credential_fingerprint: str = Field(description="Names the credential without giving it away")
    state: Literal["deleted"] = Field(description="deleted; all else is a problem")
    kept: list[str] = Field(description="What stays: the provider's other credentials, its price books, and what was loaded")
