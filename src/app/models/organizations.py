from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, computed_field, model_validator

from src.core.base.documents import keys_at, names_of
from src.core.base.faults import MOST_FLAWS
from src.core.base.redaction import redacted_text

PLAN_NAMES = AliasChoices("subscription_plan", "plan")


def _plan_name(value: object) -> object:
    # in capitals a key that was sent by mistake would not be known as one, and be said back
    return value.strip().upper() if isinstance(value, str) and redacted_text(value) == value else value


PlanName = Annotated[str, BeforeValidator(_plan_name), Field(max_length=50)]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    # a field that is misspelt would be left out unnoticed, and its default be taken for what was meant
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _few_unknown(cls, given: Any) -> Any:
        """The validator makes an error of each field it does not know, on the event loop: 50,000 of them held everybody up."""
        if not isinstance(given, dict):
            return given
        refuse_two_names(cls, given)
        known = keys_at(cls, ())
        unknown = [name for name in given if name not in known]
        # by what the answer counts: else those between would be told and counted as left out
        if len(unknown) <= MOST_FLAWS:
            return given
        return {name: given[name] for name in (*known, *unknown[:MOST_FLAWS]) if name in given}


def refuse_two_names(model: type[BaseModel], given: Mapping[str, Any]) -> None:
    """Of two names of one field it could only be guessed which is meant."""
    for name, info in model.model_fields.items():
        said = [one for one in names_of(name, info) if one in given]
        if len(said) > 1:
            raise ValueError(f"names {said[0]} and {said[1]}, which mean the same; send one of them")


class UnfitBody(RequestValidationError):
    """Of a route that reads its body itself: the model that its parts were held against is told with it."""

    def __init__(self, errors: Sequence[Any], body: Any, model: type[BaseModel]) -> None:
        super().__init__(errors, body=body)
        self.model = model


class BootstrapRequest(Request):
    force_recreate_dataset: bool = Field(
        default=False, description="Drops and rebuilds the management tables and views; no organisation's dataset is touched"
    )
    confirm: Annotated[str, Field(max_length=50)] | None = Field(default=None, description='"organizations", needed to force in production')


class BootstrapAnswer(Answer):
    status: Literal["SUCCESS"] = Field(description="SUCCESS; all else is a problem")
    dataset: str = Field(description="Name of the management dataset")
    tables_created: list[str] = Field(description="Tables that this call made")
    tables_existing: list[str] = Field(description="Tables that were there")
    columns_added: list[str] = Field(description="Of both kinds of table, as table.column")
    views_created: list[str] = Field(description="Views that this call made")
    views_existing: list[str] = Field(description="Views that were there")
    platform_tables_created: list[str] = Field(description="Of what the platform keeps beyond the customer's 14 tables and 3 views")
    platform_tables_existing: list[str] = Field(description="Those of them that were there")
    platform_views_created: list[str] = Field(description="Views that this call made of what the platform keeps")
    platform_views_existing: list[str] = Field(description="Those of them that were there")


class OrganizationRequest(Request):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"org_slug": "acmecorp", "company_name": "Acme Corp", "admin_email": "admin@acme.com", "subscription_plan": "STARTER"}
            ]
        },
    )

    org_slug: str = Field(max_length=200, description="3 to 50 of a-z, 0-9 and _; the name in keys, paths and datasets")
    company_name: str = Field(max_length=200, description="Name for people to read")
    admin_email: str = Field(max_length=320, description="Who answers for the organisation")
    subscription_plan: PlanName | None = Field(
        default=None,
        validation_alias=PLAN_NAMES,
        description="STARTER, PROFESSIONAL or SCALE, in any case; STARTER when left out. `plan` is the same",
    )
    timezone: str = Field(default="UTC", max_length=64, description="IANA zone whose days the quota counts")
    adopt_dataset: bool = Field(
        default=False, description="Takes over a dataset of this name that holds data already, as after the management tables were rebuilt"
    )


class CheckAnswer(Answer):
    name: str = Field(description="Name of the check")
    result: Literal["passed", "failed", "skipped"] = Field(description="skipped where another that failed makes it needless")
    detail: str = Field(description="What was found, and what to do where it failed")


class PlanNames(Answer):
    """Of a plan, under both its names."""

    subscription_plan: str

    @computed_field(description="The same as `subscription_plan`")  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def plan(self) -> str:
        return self.subscription_plan


class DryRunAnswer(PlanNames):
    status: Literal["SUCCESS"] = Field(description="SUCCESS: the checks were made; whether they passed, `ready_for_onboarding` says")
    org_slug: str
    ready_for_onboarding: bool = Field(description="Whether every check passed")
    checks: list[CheckAnswer] = Field(description="Every check of onboarding")


class OnboardAnswer(PlanNames):
    status: Literal["SUCCESS"] = Field(description="SUCCESS; all else is a problem")
    org_slug: str
    api_key: str = Field(description="Shown only here, ever")
    api_key_fingerprint: str = Field(description="The key's last four characters and the first eight of its SHA-256")
    dataset_id: str
    dataset_created: bool = Field(description="Whether this call made the dataset; false where one was taken over")
    tables_created: list[str] = Field(description="Tables that this call made in it")
    views_created: list[str] = Field(description="Views that this call made in it")
    pipeline_logging_id: str = Field(description="Id of the run that onboarded it")


class OrganizationAnswer(PlanNames):
    org_slug: str
    company_name: str
    admin_email: str
    status: str = Field(description="ACTIVE, or OFFBOARDING while its data is erased")
    subscription_status: str = Field(description="How its subscription stands")
    timezone: str
    dataset_id: str
    created_at: datetime


class OrganizationPage(Answer):
    organizations: list[OrganizationAnswer] = Field(description="By slug")
    next_cursor: str | None = Field(description="Given back as `cursor` for the next page; null on the last")


class RotateRequest(Request):
    grace_hours: Annotated[float, Field(ge=0, le=720)] | None = Field(
        default=None, description="How long the old key stays valid; 0 ends it now; KEY_GRACE_HOURS when left out"
    )


class KeyAnswer(Answer):
    api_key_fingerprint: str
    state: Literal["active", "expiring", "expired", "revoked"] = Field(
        description="expiring: another took its place, it is valid until `expires_at`"
    )
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = Field(description="When it was revoked; null where it was not")
    last_used_at: datetime | None = Field(description="Written at most once an hour")


class KeyList(Answer):
    org_slug: str
    keys: list[KeyAnswer] = Field(description="Every key that the organisation has had, the newest first")


class RotateAnswer(Answer):
    org_slug: str
    api_key: str = Field(description="Shown only here, ever")
    api_key_fingerprint: str
    replaced: list[KeyAnswer] = Field(description="The keys before it")


class RevokeAnswer(Answer):
    org_slug: str
    api_key_fingerprint: str
    state: Literal["revoked"] = Field(description="revoked; all else is a problem")


class OffboardRequest(Request):
    confirm: str = Field(max_length=200, description="The organisation's slug again")


class ErasedDataset(Answer):
    dataset_id: str
    existed: bool = Field(description="Whether it was there")
    tables: int = Field(description="Tables it had")
    views: int = Field(description="Views it had")
    bytes: int = Field(description="How large it was")


class Erased(Answer):
    dataset: ErasedDataset = Field(description="What became of the dataset")
    rows: dict[str, int] = Field(description="Rows that were erased, by management table")


class OffboardAnswer(Answer):
    status: Literal["SUCCESS"] = Field(description="SUCCESS; all else is a problem")
    org_slug: str
    erased: Erased = Field(description="What is gone")
    kept: list[str] = Field(description="What stays, with why")


class WhoAmI(Answer):
    org_slug: str
    dataset_id: str
    environment: str = Field(description="development, staging or production")
    api_key_fingerprint: str | None
