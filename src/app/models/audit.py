from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from src.app.models.organizations import Answer

AuditActor = Literal["root", "org", "system"]
AuditOutcome = Literal["SUCCESS", "DENIED", "FAILED"]


class AuditEntryAnswer(Answer):
    audit_id: str = Field(description="Id of the entry")
    occurred_at: datetime = Field(description="When it was done")
    actor_kind: AuditActor = Field(description="With what authority: the root key's, an organisation's key's, or the system's own")
    actor_org_slug: str | None = Field(description="Organisation whose key was used")
    user_id: str | None = Field(description="Acting person as the caller named them; null where a schedule or the system acted")
    key_fingerprint: str | None
    request_id: str | None
    action: str = Field(description="What was done, as noun.verb")
    org_slug: str | None = Field(description="Organisation it was done to")
    resource: str = Field(description="What it was done to, as a path")
    outcome: AuditOutcome = Field(description="Whether it was done, refused, or failed")
    details: dict[str, Any] | None = Field(description="What else is known of it, secrets masked")


class AuditPage(Answer):
    entries: list[AuditEntryAnswer] = Field(description="Newest first")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")
