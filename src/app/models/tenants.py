from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from src.app.models.integrations import NAME, Credential, SetupRequest, bounded
from src.app.models.organizations import Answer, OnboardAnswer, OrganizationRequest, Request


class TenantRequest(OrganizationRequest):
    """An organisation under the older document's name for its slug."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"tenant_id": "test_001", "company_name": "Test Corp", "admin_email": "test@test.com", "subscription_plan": "PROFESSIONAL"}
            ]
        },
    )

    org_slug: str = Field(validation_alias="tenant_id", max_length=200, description="3 to 50 of a-z, 0-9 and _; `org_slug` everywhere else")


class TenantAnswer(OnboardAnswer):
    tenant_id: str = Field(description="The same as `org_slug`")


class TenantCredentialRequest(Request):
    provider: str = Field(max_length=40, description="The provider or an alias of it, in any case: GCP")
    credentials: Credential = Field(
        description="What setup takes as `credential`: the key file of a service account, as a text or as the object itself"
    )
    credential_name: str = Field(default="default", pattern=NAME, description="Tells several credentials of one provider apart")
    settings: Annotated[dict[str, Any], AfterValidator(bounded)] = Field(
        default_factory=dict, description="`project`, `dataset` and `tables` of the billing export, where they cannot be found by looking"
    )
    skip_validation: bool = Field(default=False, description="Keeps it as PENDING; the provider is asked when it is validated, or by a run")

    def setup(self) -> SetupRequest:
        given = self.model_dump(exclude={"provider", "credentials"})
        return SetupRequest.model_validate({"credential": self.credentials.get_secret_value(), **given})


class TenantCredentialAnswer(Answer):
    tenant_id: str = Field(description="The organisation's slug")
    provider: str = Field(description="As it was sent")
    action: Literal["CREATED", "UPDATED"] = Field(description="UPDATED where a credential of this name was there before")
    dataset_status: Literal["CREATED", "EXISTS"] = Field(description="CREATED where the organisation's dataset was made now")
