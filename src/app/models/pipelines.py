import re
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from src.app.models.organizations import Answer, refuse_two_names
from src.core.base import wording
from src.core.base.window import Window

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
DATES = ("date", "start_date", "end_date", "from", "to", "month")

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
            raise ValueError("is not a day of the calendar; write one as YYYY-MM-DD, like 2026-11-20") from None
    raise ValueError(wording.DAY)


def _month(value: object) -> object:
    if value is None or type(value) is date:
        return value
    if isinstance(value, str) and MONTH.fullmatch(value):
        # a calendar ends, and no month of its last year is billed
        if not MINYEAR <= int(value[:4]) < MAXYEAR:
            raise ValueError("is no month of these years; write it as YYYY-MM, like 2026-10")
        return date(int(value[:4]), int(value[5:]), 1)
    raise ValueError("is not a month; write it as YYYY-MM, like 2026-10")


Day = Annotated[date, BeforeValidator(_iso)]
Month = Annotated[date, BeforeValidator(_month, json_schema_input_type=Annotated[str, Field(pattern=MONTH.pattern)])]


class RangeRequest(BaseModel):
    """Days that a body names: by their ends, each of which has two names, or as a month. Further keys are the pipeline's own inputs."""

    model_config = ConfigDict(extra="allow", frozen=True)

    start_date: Day | None = Field(
        default=None, validation_alias=AliasChoices("start_date", "from"), description="First day to cover; `from` is the same"
    )
    end_date: Day | None = Field(
        default=None, validation_alias=AliasChoices("end_date", "to"), description="Last day to cover, itself included; `to` is the same"
    )
    month: Month | None = Field(default=None, description="YYYY-MM, in place of first and last day; of this month the days so far")

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, given: Any) -> Any:
        if isinstance(given, dict):
            refuse_two_names(cls, given)
        return given

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.month is not None and (self.start_date is not None or self.end_date is not None):
            raise ValueError("names a month and days; send either month, or start_date and end_date")
        if (self.start_date is None) != (self.end_date is None):
            lacking = "start_date" if self.start_date is None else "end_date"
            raise ValueError(f"names one end of a range; add {lacking}")
        if self.start_date is not None and self.end_date is not None and self.end_date < self.start_date:
            raise ValueError(f"end_date {self.end_date} lies before start_date {self.start_date}; swap them")
        return self

    def window(self, today: date) -> Window | None:
        if self.start_date is not None and self.end_date is not None:
            return Window(self.start_date, self.end_date)
        if self.month is None:
            return None
        last = (self.month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        # of the month that is going on, what there is of it
        return Window(self.month, max(self.month, min(last, today)))

    @property
    def inputs(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class RunRequest(RangeRequest):
    """Further keys are the pipeline's own inputs."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        json_schema_extra={"examples": [{"date": "2026-11-20"}, {"start_date": "2026-11-01", "end_date": "2026-11-20"}]},
    )

    date: Day | None = Field(default=None, description="The one day to cover; yesterday (UTC) when no day is named")

    @model_validator(mode="after")
    def _one_day(self) -> Self:
        if self.date is not None and (self.start_date is not None or self.month is not None):
            raise ValueError("names a date and a range; send either date, or start_date and end_date, or month")
        return self

    @property
    def names_days(self) -> bool:
        return any(day is not None for day in (self.date, self.start_date, self.month))

    def window(self, today: Day) -> Window | None:
        return super().window(today) if self.date is None else Window.day(self.date)


class Days(Answer):
    start: date = Field(description="First day, UTC")
    end: date = Field(description="Last day, UTC, itself included")


class Links(Answer):
    run: str = Field(description="Itself")
    events: str = Field(description="Its progress as server-sent events")
    logs: str = Field(description="Its log")
    cancel: str = Field(description="POST here stops it")


class RunAccepted(Answer):
    pipeline_logging_id: str
    status: Status = Field(description="RUNNING from the moment a run is accepted until it is over")
    state: State = Field(description="Whether a worker has it yet: QUEUED or RUNNING")
    pipeline_id: str
    org_slug: str
    window: Days | None = Field(description="The days it covers; null where it covers none")
    reused: bool = Field(description="True when this same work had been accepted already: this is that run")
    links: Links


class ProgressAnswer(Answer):
    step: str | None = Field(description="The step it is at")
    step_index: int | None = Field(description="Which of the steps, from 1")
    steps: int | None = Field(description="How many steps there are")
    doing: str | None = Field(description="What it is doing, in words")
    rows: int | None = Field(description="Rows so far")
    rows_total: int | None = Field(description="An estimate, like everything that is yet to come")
    bytes: int | None = Field(description="Bytes so far")
    bytes_total: int | None = Field(description="An estimate of all there will be")
    percent: float | None = Field(description="Of the whole run")
    eta_seconds: float | None = Field(description="How long it may still take; null where nobody knows")
    updated_at: datetime | None = Field(description="When it was last told")


class Failure(Answer):
    code: str = Field(description="Code of the problem, as the reference lists them")
    message: str = Field(description="What went wrong and what to do")


class RunAnswer(Answer):
    pipeline_logging_id: str
    org_slug: str
    pipeline_id: str
    document: str
    provider: str | None
    domain: str | None
    trigger: Trigger
    status: Status = Field(description="RUNNING from the moment it is accepted until it is over")
    state: State = Field(description="The same, with QUEUED for one that no worker has yet")
    attempt: int = Field(description="How often a worker took it")
    window: Days | None
    user_id: str | None
    request_id: str | None
    accepted_at: datetime = Field(description="When it was accepted")
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int | None
    rows_processed: int | None
    error: Failure | None
    note: str | None = Field(description="Why a run that was cancelled, or broke off, is a success all the same: it had published")


class RunPage(Answer):
    runs: list[RunAnswer] = Field(description="Newest first")
    next_cursor: str | None = Field(description="Given back as `cursor` for the next page; null on the last")


class StepAnswer(Answer):
    step_id: str
    ps_type: str
    step_index: int = Field(description="Which of the steps, from 1")
    attempt: int = Field(description="Which attempt of the step")
    status: str = Field(description="RUNNING, or how it ended")
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
    rows_processed: int | None
    error: Failure | None
    result: Any = Field(description="What the processor answered, secrets masked")


class Totals(Answer):
    rows_processed: int | None = Field(description="Rows that the run wrote; null where nothing was counted")
    rows_read: int = Field(description="Rows that its sources gave")
    rows_written: int = Field(description="Rows that became visible")
    bytes_read: int = Field(description="Bytes that were read for it")
    control: list[Any] = Field(description="Control totals of every publication, by currency and invoice month, as read and as written")


class ManifestAnswer(Answer):
    manifest_id: str = Field(description="Id of the publication")
    step_id: str = Field(description="Step that published it")
    document: str
    provider: str
    window: Days | None
    source: str = Field(description="What it was read from")
    source_version: Any = Field(description="What the source said its version was")
    schema_fingerprint: str = Field(description="Names the columns that the source had")
    columns_unknown: Any = Field(description="Columns that nobody knew; they are kept as they came")
    columns_absent: Any = Field(description="Columns that were expected and lacked")
    rows_read: int = Field(description="Rows that the source gave")
    rows_written: int = Field(description="Rows that became visible")
    bytes_read: int = Field(description="Bytes that were read for it")
    totals: Any = Field(description="Control totals, as read and as written")
    tables: Any = Field(description="Tables that it was written to")
    unread: Any = Field(description="What could not be read, with why")
    quality: Any = Field(description="What the expectations came to")
    published_at: datetime = Field(description="When it became visible")


class Expectation(Answer):
    suite: str = Field(description="Suite the expectation belongs to")
    table: str = Field(description="Table that was judged")
    step_id: str | None = Field(description="Step that judged it; null where none is named")
    expectation: str = Field(description="What was expected, by its kind")
    column: str | None = Field(description="Column that was judged; null where the whole table was")
    severity: str = Field(description="critical keeps the old window; all else is only told")
    passed: bool = Field(description="Whether it held")
    observed: str | None = Field(description="As text, so that a sum stays exact")
    expected: Any = Field(description="What was allowed")
    rows_judged: int | None = Field(description="Rows that were looked at; null where rows are not counted")
    rows_failing: int | None = Field(description="Rows that did not hold; null where rows are not counted")
    checked_at: datetime = Field(description="When it was judged")


class DataQuality(Answer):
    passed: int = Field(description="How many expectations held")
    failed: int = Field(description="How many did not")
    critical: int = Field(description="Failed expectations that kept the old window")
    results: list[Expectation] = Field(description="Each expectation")


class RunDetail(RunAnswer):
    parameters: Any = Field(description="Inputs of the run, secrets masked")
    progress: ProgressAnswer = Field(description="How far it is")
    steps: list[StepAnswer] = Field(description="Every attempt, in the order of the document")
    totals: Totals = Field(description="What it came to")
    manifests: list[ManifestAnswer] = Field(description="What it made visible, from the organisation's own dataset")
    data_quality: DataQuality = Field(description="What the expectations came to")
    links: Links


class LogLine(Answer):
    at: datetime = Field(description="When it was written")
    level: str = Field(description="How grave it is")
    event: str = Field(description="What happened, as noun.verb")
    step: str | None = Field(description="The step it is of; null for the run as a whole")
    attempt: int | None = Field(description="Which attempt of the step; null for the run as a whole")
    message: str = Field(description="The same in words")


class LogPage(Answer):
    pipeline_logging_id: str
    lines: list[LogLine] = Field(description="The oldest first")
    next_cursor: str | None = Field(description="Given back as `cursor` for what follows; null when there is no more so far")


class InputAnswer(Answer):
    name: str = Field(description="Name of the input")
    type: str = Field(description="What it takes")
    required: bool = Field(description="Whether a run cannot do without it")
    default: Any = Field(description="What it is when left out; null where nothing is")
    choices: list[Any] | None = Field(description="What it may be; null where that is not listed")
    description: str = Field(description="What it is for")


class WindowRule(Answer):
    """What `date`, or `start_date` and `end_date`, of the body may say."""

    default: date = Field(description="The day that is covered when none is named: yesterday, in UTC")
    earliest: date = Field(description="The first day that may be named")
    latest: date = Field(description="The last day that may be named: today, in UTC")
    longest_days: int = Field(description="The most days that one run may cover")


class LastRun(Answer):
    pipeline_logging_id: str
    status: Status = Field(description="RUNNING, or how it ended")
    state: State = Field(description="The same, with QUEUED for one that waits")
    window: Days | None
    accepted_at: datetime = Field(description="When it was accepted")
    ended_at: datetime | None


class PipelineAnswer(Answer):
    id: str = Field(description="Name of its document")
    pipeline_id: str
    path: str = Field(description="POST here to run it")
    aliases: list[str] = Field(description="Other paths of the same")
    description: str = Field(description="What it loads")
    provider: str
    domain: str
    window: WindowRule
    inputs: list[InputAnswer]
    last_run: LastRun | None = Field(description="Its newest run; null before the first")


class PipelineList(Answer):
    org_slug: str
    pipelines: list[PipelineAnswer] = Field(description="What can be run")
