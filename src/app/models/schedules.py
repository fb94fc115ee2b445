from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from src.app.models.organizations import Answer, Request

Expression = Annotated[str, Field(max_length=200, examples=["15 3 * * *"], description="Minute, hour, day of month, month, day of week")]
Zone = Annotated[str, Field(max_length=100, examples=["Europe/Berlin"], description="The organisation's own when left out")]
Priority = Annotated[int, Field(ge=0, le=100, description="Higher is served first, of the runs of one organisation")]
Retries = Annotated[int, Field(ge=0, le=10, description="How often a run that failed by a fault that may pass is tried again")]
Parameters = Annotated[
    dict[str, Any],
    Field(
        max_length=50,
        description="`window`: yesterday (the default), last_7_days, last_month or month_to_date, of the day on which it falls due in its "
        "zone; all else are inputs of the pipeline",
    ),
]
CatchUp = Annotated[bool, Field(description="Whether each slot that was missed is run, or the latest alone")]
Segment = Annotated[str, Field(max_length=120)]


class ScheduleTerms(Request):
    timezone: Zone | None = None
    is_active: bool | None = Field(default=None, description="false pauses it")
    priority: Priority | None = None
    max_retries: Retries | None = None
    parameters: Parameters | None = None
    catch_up: CatchUp | None = None
    next_run_time: datetime | None = Field(default=None, description="When it is due next, once; from then on by its cron expression")


class ScheduleChange(ScheduleTerms):
    """What is left out stays as it is."""

    schedule_cron: Expression | None = None


class ScheduleRequest(ScheduleTerms):
    """The pipeline by its `document`, or by `provider`, `domain` and `pipeline` as the paths of runs have them."""

    schedule_cron: Expression
    document: Annotated[str, Field(max_length=200, examples=["openai/usage_cost"])] | None = None
    provider: Segment | None = Field(default=None, description="First part of the path of its runs")
    domain: Segment | None = Field(default=None, description="Second part of the path of its runs")
    pipeline: Segment | None = Field(default=None, description="Third part of the path of its runs, where a domain has several")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_path = self.provider is not None or self.domain is not None or self.pipeline is not None
        if by_path == (self.document is not None) or (by_path and (self.provider is None or self.domain is None)):
            raise ValueError("names its pipeline by document, or by provider and domain (and pipeline where a domain has several)")
        return self


class WaitingSlot(Answer):
    org_slug: str
    config_id: str
    pipeline_id: str
    scheduled_time: datetime
    reason: str | None = Field(description="null while it is being tried")
    available_at: datetime | None = Field(description="When it is tried again; before that where a credential or a subscription changes")


class ScheduleAnswer(Answer):
    config_id: str
    org_slug: str
    pipeline_id: str
    document: str
    provider: str | None
    domain: str | None
    schedule_cron: str = Field(description="Minute, hour, day of month, month, day of week")
    timezone: str
    is_active: bool
    priority: int
    max_retries: int = Field(description="How often a run that failed by a fault that may pass is tried again")
    parameters: dict[str, Any]
    catch_up: bool = Field(description="Whether each slot that was missed is run, or the latest alone")
    next_run_time: datetime | None
    last_run_time: datetime | None = Field(description="The slot that was taken up last; null before the first")
    next_runs: list[datetime] = Field(description="The next five")
    waiting: list[WaitingSlot] = Field(description="Its due times that are no run yet, with why")
    created_by: str | None = Field(description="Who made it; null where the service did")
    created_at: datetime
    updated_at: datetime


class ScheduleList(Answer):
    org_slug: str
    plan_too_small: str | None = Field(description="What waits because the plan allows fewer runs a day than the schedules come to")
    pipelines: list[ScheduleAnswer] = Field(description="Every schedule")


class ScheduleRemoved(Answer):
    org_slug: str
    config_id: str
    state: Literal["deleted"] = Field(description="deleted; all else is a problem")


class SkippedSlot(Answer):
    org_slug: str
    config_id: str
    pipeline_id: str
    scheduled_time: datetime
    reason: str


class TriggerAnswer(Answer):
    triggered_count: int = Field(description="Slots that this call took up: due ones, and ones that waited")
    queued_count: int = Field(description="Of these, the runs that came into the queue")
    skipped: list[SkippedSlot] = Field(description="The others, with why: they wait and are tried again, or have a run already")
    more: bool = Field(description="Whether the call ended before all that was due: call again")


class QueueStanding(Answer):
    queued: int = Field(description="Runs that wait")
    running: int = Field(description="Runs that a worker has")
    dead: int = Field(description="Entries that were taken over too often")
    oldest_queued_at: datetime | None
    lag_seconds: float = Field(description="How long the oldest could have been taken; one that waits for its next try is not late")


class DeadEntryAnswer(Answer):
    queue_id: str
    pipeline_logging_id: str
    org_slug: str
    pipeline_id: str
    reason: str | None = Field(description="Why it was given up")
    since: datetime = Field(description="Since when it lies there")


class WorkerStanding(Answer):
    lease_owner: str = Field(description="The worker's own name")
    runs: int = Field(description="How many runs it has")
    lease_expires_at: datetime = Field(description="When another may take the first of them")


class TodayStanding(Answer):
    """Since midnight UTC."""

    runs: int = Field(description="All of them")
    queued: int = Field(description="Those that wait")
    running: int = Field(description="Those that a worker has")
    succeeded: int = Field(description="Those that ended well")
    failed: int = Field(description="Those that failed")
    cancelled: int = Field(description="Those that were stopped")


class NextDue(Answer):
    org_slug: str
    config_id: str
    pipeline_id: str
    next_run_time: datetime | None = Field(description="When it falls due")


class DueStanding(Answer):
    count: int = Field(description="How many are due")
    since: datetime | None = Field(description="Since when the first of them is; null where none is")
    lag_seconds: float = Field(description="How long the first of them has been due")


class ClockStanding(Answer):
    enabled: bool = Field(
        description="Whether this process would keep the time: SCHEDULER_ENABLED, and a ledger that may be looked at again"
    )
    owner: str | None = Field(description="The process that keeps it")
    here: bool = Field(description="Whether the process that answers keeps it")
    lease_expires_at: datetime | None = Field(description="When another process may take it over")


class NotificationStanding(Answer):
    events: int = Field(description="Of which it is not settled yet whom they are told")
    waiting: int = Field(description="Notifications to be sent, or sent again")
    gathered: int = Field(description="For the day's message")
    failed: int = Field(description="Given up")
    sent: int = Field(description="Taken by their receivers")
    lag_seconds: float = Field(description="How long the one that has been due longest has been")


class SchedulerStatus(Answer):
    at: datetime = Field(description="When this was looked at")
    queue: QueueStanding = Field(description="Runs that wait or run")
    dead: list[DeadEntryAnswer] = Field(description="The last twenty; POST /api/v1/scheduler/requeue/{id} puts one back")
    workers: list[WorkerStanding] = Field(description="Those that work on a run; an idle one is not seen")
    today: TodayStanding = Field(description="Runs of this day")
    due: DueStanding = Field(description="Slots that are due and were not taken up yet")
    next_due: list[NextDue] = Field(description="The schedules that fall due next")
    waiting_count: int = Field(description="Slots that wait")
    waiting: list[WaitingSlot] = Field(description="The first hundred")
    clock: ClockStanding = Field(description="Which process keeps the time")
    notifications: NotificationStanding = Field(description="What is to be sent")
