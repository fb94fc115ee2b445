from datetime import date, datetime, timedelta
from typing import Any, Literal, Self, cast

from pydantic import ConfigDict, Field, model_validator

from src.app.models.organizations import Answer
from src.app.models.pipelines import Days, RangeRequest
from src.core.base.window import Window


class BackfillRequest(RangeRequest):
    """Further keys are the pipeline's own inputs, given to every window's run."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        json_schema_extra={"examples": [{"start_date": "2026-07-01", "end_date": "2026-09-30"}, {"month": "2026-09"}]},
    )

    @model_validator(mode="after")
    def _some_days(self) -> Self:
        if self.start_date is None and self.month is None:
            raise ValueError("names no days; send start_date and end_date, or month")
        return self

    def days(self, today: date) -> Window:
        # of the month that is going on those that are over
        return cast("Window", self.window(today - timedelta(days=1)))


class UnservedDays(Answer):
    start: date = Field(description="First of these days")
    end: date = Field(description="Last of these days")
    reason: str = Field(description="Why they are not served")


class WindowStanding(Answer):
    start: date = Field(description="First day of the window")
    end: date = Field(description="Last day of the window")
    state: Literal["PLANNED", "WAITING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "MISSED"] = Field(
        description="PLANNED before it has a place in the queue"
    )
    pipeline_logging_id: str | None = Field(description="Id of the run that covers it; null before there is one")
    retry_count: int = Field(description="How often it was tried again")
    reason: str | None = Field(description="Why it waits or is tried again, or why it failed")
    available_at: datetime | None = Field(description="Of one that waits: when it is tried again")


class BackfillAmount(Answer):
    total: int = Field(description="All of them")
    done: int = Field(description="Those that were loaded")
    failed: int = Field(description="Those that were given up")
    left: int = Field(description="Those that are yet to come")


class BackfillProgress(Answer):
    days: BackfillAmount = Field(description="Counted by days")
    windows: BackfillAmount = Field(description="Counted by windows")
    percent: float = Field(description="Of the days, those whose window has ended")
    days_per_hour: float | None = Field(description="Since its first window was queued; null before one has ended")
    estimated_end: datetime | None = Field(description="At that rate; null while it waits for anything but a worker, and once it is over")
    waits_for: str | None = Field(description="What its next window waits for: the plan, a credential, its next try, a worker")


class BackfillLinks(Answer):
    backfill: str = Field(description="Itself")
    events: str = Field(description="Its progress as server-sent events")
    cancel: str = Field(description="POST here stops it")


class BackfillAnswer(Answer):
    backfill_id: str
    org_slug: str
    pipeline_id: str
    document: str
    state: Literal["RUNNING", "COMPLETED", "FAILED", "CANCELLED"] = Field(description="FAILED: it is over, and windows of it failed")
    error: str | None = Field(description="Why it ended before its last window; null where it did not")
    asked: Days = Field(description="The days that were asked for")
    served: Days = Field(description="What the windows cover")
    unserved: UnservedDays | None = Field(description="What was asked for and the provider does not tell of")
    window_days: int
    inputs: dict[str, Any] = Field(description="What every window's run is given beside its days")
    created_at: datetime
    completed_at: datetime | None
    progress: BackfillProgress = Field(description="How far it is")
    links: BackfillLinks


class BackfillDetail(BackfillAnswer):
    windows: list[WindowStanding] = Field(description="The oldest first")


class BackfillAccepted(BackfillDetail):
    reused: bool = Field(description="True when the same backfill goes on already: this is that one")


class BackfillList(Answer):
    org_slug: str
    backfills: list[BackfillAnswer] = Field(description="The newest hundred")
