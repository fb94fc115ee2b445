import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from src.app.models.organizations import Answer
from src.core.base.window import Window

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
DATES = ("date", "start_date", "end_date")

# What a caller is told: an accepted run is RUNNING whether or not a worker has it yet. `state` tells the two apart.
Status = Literal["RUNNING", "SUCCESS", "FAILED", "CANCELLED"]
State = Literal["QUEUED", "RUNNING", "SUCCESS", "FAILED", "CANCELLED"]
Trigger = Literal["api", "schedule", "backfill", "system"]


def _iso(value: object) -> object:
    """Nothing but a day: what else the validator would read, a number of seconds for one, is a mistake here."""
    # not `isinstance`: a datetime is a date too, and would lose its time of day unnoticed
    if value is None or type(value) is date:
        return value
    # `fromisoformat` alone takes 20261120 and 2026-W47-5 as well
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("is not a day of the calendar; write it like 2026-11-20") from None
    raise ValueError("is not a day; write it like 2026-11-20")


Day = Annotated[date, BeforeValidator(_iso)]


class RunRequest(BaseModel):
    """Further keys are the pipeline's own inputs."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        json_schema_extra={"examples": [{"date": "2026-11-20"}, {"start_date": "2026-11-01", "end_date": "2026-11-20"}]},
    )

    date: Day | None = Field(default=None, description="The one day to cover; yesterday (UTC) when no day is named")
    start_date: Day | None = Field(default=None, description="First day to cover")
    end_date: Day | None = Field(default=None, description="Last day to cover, itself included")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.date is not None and (self.start_date is not None or self.end_date is not None):
            raise ValueError("names a date and a range; send either date, or start_date and end_date")
        if (self.start_date is None) != (self.end_date is None):
            lacking = "start_date" if self.start_date is None else "end_date"
            raise ValueError(f"names one end of a range; add {lacking}, or send date for a single day")
        if self.start_date is not None and self.end_date is not None and self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} lies before start_date {self.start_date}; swap them")
        return self

    @property
    def window(self) -> Window | None:
        if self.start_date is not None and self.end_date is not None:
            return Window(self.start_date, self.end_date)
        return None if self.date is None else Window.day(self.date)

    @property
    def inputs(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Days(Answer):
    start: date
    end: date


class Links(Answer):
    run: str
    events: str
    logs: str
    cancel: str


class RunAccepted(Answer):
    pipeline_logging_id: str
    status: Status = Field(description="RUNNING from the moment a run is accepted until it is over")
    state: State = Field(description="Whether a worker has it yet: QUEUED or RUNNING")
    pipeline_id: str
    org_slug: str
    window: Days | None
    reused: bool = Field(description="True when this same work had been accepted already: this is that run")
    links: Links


class ProgressAnswer(Answer):
    step: str | None = Field(description="The step it is at")
    step_index: int | None
    steps: int | None
    doing: str | None
    rows: int | None
    rows_total: int | None = Field(description="An estimate, like everything that is yet to come")
    bytes: int | None
    bytes_total: int | None
    percent: float | None = Field(description="Of the whole run")
    eta_seconds: float | None
    updated_at: datetime | None


class Failure(Answer):
    code: str
    message: str


class RunAnswer(Answer):
    pipeline_logging_id: str
    org_slug: str
    pipeline_id: str
    document: str
    provider: str | None
    domain: str | None
    trigger: Trigger
    status: Status
    state: State
    attempt: int = Field(description="How often a worker took it")
    window: Days | None
    user_id: str | None
    request_id: str | None
    accepted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int | None
    rows_processed: int | None
    error: Failure | None
    note: str | None = Field(description="Why a run that was cancelled, or broke off, is a success all the same: it had published")


class RunPage(Answer):
    runs: list[RunAnswer]
    next_cursor: str | None = Field(description="Given back as `cursor` for the next page; null on the last")


class StepAnswer(Answer):
    step_id: str
    ps_type: str
    step_index: int
    attempt: int
    status: str
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
    rows_processed: int | None
    error: Failure | None
    result: Any = Field(description="What the processor answered, secrets masked")


class Totals(Answer):
    rows_processed: int | None
    rows_read: int
    rows_written: int
    bytes_read: int
    control: list[Any] = Field(description="Control totals of every publication, by currency and invoice month, as read and as written")


class ManifestAnswer(Answer):
    manifest_id: str
    step_id: str
    document: str
    provider: str
    window: Days | None
    source: str
    source_version: Any
    schema_fingerprint: str
    columns_unknown: Any
    columns_absent: Any
    rows_read: int
    rows_written: int
    bytes_read: int
    totals: Any
    tables: Any
    unread: Any
    quality: Any
    published_at: datetime


class Expectation(Answer):
    suite: str
    table: str
    step_id: str | None
    expectation: str
    column: str | None
    severity: str
    passed: bool
    observed: str | None = Field(description="As text, so that a sum stays exact")
    expected: Any
    rows_judged: int | None
    rows_failing: int | None
    checked_at: datetime


class DataQuality(Answer):
    passed: int
    failed: int
    critical: int = Field(description="Failed expectations that kept the old window")
    results: list[Expectation]


class RunDetail(RunAnswer):
    parameters: Any = Field(description="Inputs of the run, secrets masked")
    progress: ProgressAnswer
    steps: list[StepAnswer] = Field(description="Every attempt, in the order of the document")
    totals: Totals
    manifests: list[ManifestAnswer] = Field(description="What it made visible, from the organisation's own dataset")
    data_quality: DataQuality
    links: Links


class LogLine(Answer):
    at: datetime
    level: str
    event: str
    step: str | None
    attempt: int | None
    message: str


class LogPage(Answer):
    pipeline_logging_id: str
    lines: list[LogLine]
    next_cursor: str | None = Field(description="Given back as `cursor` for what follows; null when there is no more so far")


class InputAnswer(Answer):
    name: str
    type: str
    required: bool
    default: Any
    choices: list[Any] | None
    description: str


class WindowRule(Answer):
    """What `date`, or `start_date` and `end_date`, of the body may say."""

    default: date = Field(description="The day that is covered when none is named: yesterday, in UTC")
    earliest: date = Field(description="The first day that may be named")
    latest: date = Field(description="The last day that may be named: today, in UTC")
    longest_days: int


class LastRun(Answer):
    pipeline_logging_id: str
    status: Status
    state: State
    window: Days | None
    accepted_at: datetime
    ended_at: datetime | None


class PipelineAnswer(Answer):
    id: str
    pipeline_id: str
    path: str = Field(description="POST here to run it")
    aliases: list[str] = Field(description="Other paths of the same")
    description: str
    provider: str
    domain: str
    window: WindowRule
    inputs: list[InputAnswer]
    last_run: LastRun | None


class PipelineList(Answer):
    org_slug: str
    pipelines: list[PipelineAnswer]
