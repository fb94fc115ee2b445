from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from src.app.models.organizations import Answer

AuditActor = Literal["root", "org", "system"]
AuditOutcome = Literal["SUCCESS", "DENIED", "FAILED"]

# what the trail may tell of, each in the words of its call: a noun and a verb
ACTIONS = (
    "platform.bootstrap",
    *(f"organizations.{verb}" for verb in ("onboard", "dryrun", "offboard", "foreign")),
    "tenants.dataset",
    *(f"keys.{verb}" for verb in ("rotate", "revoke")),
    "keyring.rotate",
    "subscriptions.update",
    "quotas.mend",
    *(f"integrations.{verb}" for verb in ("setup", "validate", "delete")),
    *(
        f"{book}.{verb}"
        for book in ("pricing", "subscriptions")
        for verb in ("add", "lay_over", "replace", "update", "delete", "withdraw", "discount", "reset")
    ),
    *(f"runs.{verb}" for verb in ("accept", "cancel", "finished", "requeue", "retry")),
    "imports.accept",
    *(f"backfills.{verb}" for verb in ("create", "cancel", "finished")),
    *(f"schedules.{verb}" for verb in ("create", "update", "delete")),
    "scheduler.reset",
    *(f"costs.{verb}" for verb in ("rules", "invoice")),
    *(f"{noun}.{verb}" for noun in ("channels", "webhooks") for verb in ("create", "update", "delete", "test")),
    *(f"webhooks.{verb}" for verb in ("rotate", "replay")),
    "notifications.replay",
)


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
