from datetime import datetime
from typing import Literal

from pydantic import Field

from src.app.models.organizations import Answer


class QueueAnswer(Answer):
    worker: Literal["here", "elsewhere"] = Field(description="Whether this process works on runs itself, or workers of their own do")
    queued: int = Field(description="Runs that waited when the call came")
    running: int
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
    runs: int
    steps: int
    queue: int = Field(description="Dead entries that nobody asked for again")
    dq: int
    scheduled: int
    audit: int
    notifications: int = Field(description="Those that are over, sent or given up")
    events: int


class DailyResetAnswer(Answer):
    reset_count: int = Field(description="Organisations whose counters stood for a day that has ended where they are")
    removed: RemovedRows
    more: bool = Field(description="There was more to remove than one call may; the next goes on")
