from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from src.app.models.organizations import Answer
from src.app.models.pipelines import Day, Days


class BackfillRequest(BaseModel):
    """Further keys are the pipeline's own inputs, given to every window's run."""

    model_config = ConfigDict(
        extra="allow", frozen=True, json_schema_extra={"examples": [{"start_date": "2026-07-01", "end_date": "2026-09-30"}]}
    )

    start_date: Day = Field(description="First day to cover")
    end_date: Day = Field(description="Last day to cover, itself included; yesterday (UTC) at the latest")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} lies before start_date {self.start_date}; swap them")
        return self

    @property
    def inputs(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class UnservedDays(Answer):
    start: date
    end: date
    reason: str


class WindowStanding(Answer):
    start: date
    end: date
    state: Literal["PLANNED", "WAITING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "MISSED"]
    pipeline_logging_id: str | None
    retry_count: int
    reason: str | None = Field(description="Why it waits or is tried again, or why it failed")
    available_at: datetime | None = Field(description="Of one that waits: when it is tried again")


class BackfillAmount(Answer):
    total: int
    done: int
    failed: int
    left: int


class BackfillProgress(Answer):
    days: BackfillAmount
    windows: BackfillAmount
    percent: float = Field(description="Of the days, those whose window has ended")
    days_per_hour: float | None = Field(description="Since its first window was queued; null before one has ended")
    estimated_end: datetime | None = Field(description="At that rate; null while it waits for anything but a worker, and once it is over")
    waits_for: str | None = Field(description="What its next window waits for: the plan, a credential, its next try, a worker")


class BackfillLinks(Answer):
    backfill: str
    events: str
    cancel: str


class BackfillAnswer(Answer):
    backfill_id: str
    org_slug: str
    pipeline_id: str
    document: str
    state: Literal["RUNNING", "COMPLETED", "FAILED", "CANCELLED"] = Field(description="FAILED: it is over, and windows of it failed")
    error: str | None
    asked: Days
    served: Days = Field(description="What the windows cover")
    unserved: UnservedDays | None = Field(description="What was asked for and the provider does not tell of")
    window_days: int
    inputs: dict[str, Any]
    created_at: datetime
    completed_at: datetime | None
    progress: BackfillProgress
    links: BackfillLinks


class BackfillDetail(BackfillAnswer):
    windows: list[WindowStanding] = Field(description="The oldest first")


class BackfillAccepted(BackfillDetail):
    reused: bool = Field(description="True when the same backfill goes on already: this is that one")


class BackfillList(Answer):
    org_slug: str
    backfills: list[BackfillAnswer] = Field(description="The newest hundred")
