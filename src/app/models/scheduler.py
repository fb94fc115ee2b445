from datetime import datetime
from typing import Literal

from pydantic import Field

from src.app.models.organizations import Answer


class QueueAnswer(Answer):
    worker: Literal["here", "elsewhere"] = Field(description="Whether this process works on runs itself, or workers of their own do")
    queued: int = Field(description="Runs that waited when the call came")
    running: int = Field(description="Runs that a worker had when the call came")
    dead: int = Field(description="Entries that were taken over too often; each names its reason")
    oldest_queued_at: datetime | None
    running_here: list[str] = Field(description="The runs in this process's hands")
    notifications: Literal["here", "by itself"] = Field(
        description="Whether this call has notifications sent, or the service sends them without being told"
    )


class NotificationsAnswer(Answer):
    fanned_out: int = Field(description="Events of which each channel that wants them has its notification now")
    tried: int = Field(description="Sendings, also those that failed")
    waiting: int = Field(description="Channels that something could be sent to when the time was over; call again")


class RemovedRows(Answer):
    runs: int = Field(description="Runs that are old enough")
    steps: int = Field(description="Their steps")
    queue: int = Field(description="Dead entries that nobody asked for again")
    dq: int = Field(description="Results of data quality")
    scheduled: int = Field(description="Slots that are over")
    audit: int = Field(description="Entries of the audit trail")
    notifications: int = Field(description="Those that are over, sent or given up")
    events: int = Field(description="Events that everybody was told")
    answers: int = Field(description="What requests under an Idempotency-Key were answered, after a day")


class DailyResetAnswer(Answer):
    reset_count: int = Field(description="Organisations whose counters stood for a day that has ended where they are")
    removed: RemovedRows = Field(description="Rows that were old enough to be removed, by table")
    more: bool = Field(description="There was more to remove than one call may; the next goes on")
