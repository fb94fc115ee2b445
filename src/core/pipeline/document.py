"""What a pipeline's YAML may say."""

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from src.core.base.cron import SPREAD, cron_flaw
from src.core.base.documents import Document
from src.core.base.names import PS_TYPE, STEP_ID
from src.core.base.window import WindowWord
from src.core.notify.step_config import NotifyStep
from src.core.outbox.hooks import Hook
from src.core.step.placeholders import NAME, Kind

Scope = Literal["platform", "organisation"]
When = Literal["on_success", "on_failure", "on_completion", "always"]
InputType = Literal["string", "integer", "number", "boolean", "date", "object"]

KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SNAKE = re.compile(r"[a-z][a-z0-9_]*")
# the customer's own words for steps
ACTIONS = ("extract_", "transform_", "load_", "validate_", "notify_", "decrypt_")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
# what a publication prepares on BigQuery expires after a day, and a run must not outlive it
LONGEST = timedelta(hours=24)


def duration(value: object) -> object:
    """Reads 500ms, 30s, 10m, 1h30m."""
    if isinstance(value, timedelta):
        return value
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(rf"({SPAN.pattern})+", text):
        raise ValueError(f"{text[:40]!r} is not a duration; write it like 500ms, 30s, 10m or 1h30m")
    # an absurd number of digits would overflow before it could be compared with the longest
    seconds = min(sum(float(amount) * UNITS[unit] for amount, unit in SPAN.findall(text)), LONGEST.total_seconds() + 1)
    if timedelta(seconds=seconds) > LONGEST:
        raise ValueError(f"{text[:40]!r} is longer than 24h")
    return timedelta(seconds=seconds)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a time limit must be longer than nothing; write it like 30s or 10m")
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]


class Input(Document):
    """One thing that the caller gives."""

    type: InputType
    required: bool | None = None
    default: Any = None
    pattern: str | None = None
    enum: list[Any] | None = None
    max_length: int | None = Field(default=None, ge=1)
    minimum: int | float | None = None
    maximum: int | float | None = None
    personal: bool = False
    """About a person: the run's log, which outlives an erasure, does not keep it."""
    description: str = ""

    @property
    def needed(self) -> bool:
        return self.default is None if self.required is None else self.required

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.required and self.default is not None:
            raise ValueError("a required input has no use for a default; leave one of them out")
        for limit in ("pattern", "max_length"):
            if getattr(self, limit) is not None and self.type != "string":
                raise ValueError(f"`{limit}` is for inputs of type string, not {self.type}")
        for limit in ("minimum", "maximum"):
            if getattr(self, limit) is not None and self.type not in ("integer", "number"):
                raise ValueError(f"`{limit}` is for inputs of type integer or number, not {self.type}")
        if self.minimum is not None and self.maximum is not None and self.maximum < self.minimum:
            raise ValueError("`maximum` lies below `minimum`")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as wrong:
                raise ValueError(f"the pattern {self.pattern!r} is not a regular expression: {wrong}") from wrong
        return self


class DeclaredVariable(Document):
    value: str | int | float | bool | date
    kind: Kind = "value"


def _declared(value: object) -> object:
    return value if isinstance(value, dict | DeclaredVariable) else {"value": value}


class Retry(Document):
    attempts: int = Field(default=1, ge=1, le=20)
    wait: Duration = timedelta(seconds=1)
    max_wait: Duration = timedelta(seconds=30)


class Step(Document):
    id: str
    ps_type: str
    description: str = ""
    depends_on: tuple[str, ...] = ()
    timeout: Duration = timedelta(minutes=5)
    retry: Retry = Retry()
    when: When = "on_success"
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("id")
    @classmethod
    def _step_id(cls, value: str) -> str:
        if not STEP_ID.fullmatch(value):
            raise ValueError(f"{value[:90]!r} is not a step id: snake_case, starting with one of {', '.join(ACTIONS)}")
        return value

    @field_validator("ps_type")
    @classmethod
    def _dotted(cls, value: str) -> str:
        if not PS_TYPE.fullmatch(value):
            raise ValueError(f"{value[:90]!r} is not a ps_type: dotted snake_case, for example gcp.bq_etl")
        return value

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, value: timedelta) -> timedelta:
        return _positive(value)

    @model_validator(mode="after")
    def _failure_of_something(self) -> Self:
        if self.when == "on_failure" and not self.depends_on:
            raise ValueError("`when: on_failure` needs `depends_on`: the steps whose failure it waits for")
        return self


class RunHook(Document):
    """Whom to tell when a run has ended, whatever else they asked to be told of."""

    when: When = "on_failure"
    ps_type: Literal["notify_systems.email_notification", "notify_systems.slack_notification"]
    config: NotifyStep

    @property
    def hook(self) -> Hook:
        return Hook(self.when, "email" if self.ps_type.endswith("email_notification") else "slack", self.config.channel)


class UsualSchedule(Document):
    """By which the pipeline runs once a credential of its provider is valid."""

    cron: str
    window: WindowWord = "yesterday"

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str) -> str:
        wrong = None if value in SPREAD else cron_flaw(value)
        if wrong:
            raise ValueError(f"{wrong}; or one of {', '.join(SPREAD)}, at an hour and minute of each organisation's own")
        return value


class Backfill(Document):
    """How much of the past the provider serves, and how much of it at once."""

    window_days: int = Field(default=31, ge=1, le=366)
    keeps_days: int | None = Field(default=None, ge=1)
    """How many days back it tells of, today not counted."""


class Pipeline(Document):
    pipeline: str
    description: str = ""
    scope: Scope = "organisation"
    provider: str | None = None
    domain: str | None = None
    aliases: tuple[str, ...] = ()
    journal: Literal["live", "deferred"] = "live"
    record: Scope = "organisation"
    """Whose a run's log is: of the organisation it runs for, where there is one, or the platform's own."""
    timeout: Duration = timedelta(minutes=10)
    schedule: UsualSchedule | None = None
    backfill: Backfill = Backfill()
    inputs: dict[str, Input] = Field(default_factory=dict)
    variables: dict[str, Annotated[DeclaredVariable, BeforeValidator(_declared)]] = Field(default_factory=dict)
    steps: tuple[Step, ...] = Field(min_length=1)
    hooks: tuple[RunHook, ...] = Field(default=(), max_length=20)

    @field_validator("pipeline")
    @classmethod
    def _kebab(cls, value: str) -> str:
        if not KEBAB.fullmatch(value):
            raise ValueError(f"{value[:90]!r} is not a pipeline name: kebab-case, for example gcp-cost-billing")
        return value

    @field_validator("provider", "domain")
    @classmethod
    def _snake(cls, value: str | None) -> str | None:
        if value is not None and not SNAKE.fullmatch(value):
            raise ValueError(f"{value[:90]!r} is not snake_case")
        return value

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, value: timedelta) -> timedelta:
        return _positive(value)

    @field_validator("inputs", "variables")
    @classmethod
    def _names(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name[:90]!r} is not a name: snake_case, 63 at most")
        return value

    @model_validator(mode="after")
    def _organisations_name_what_they_load(self) -> Self:
        if self.scope == "organisation" and not (self.provider and self.domain):
            raise ValueError("a pipeline of scope organisation needs `provider` and `domain`; they make its id {org}-{provider}-{domain}")
        if self.scope == "platform" and self.schedule is not None:
            raise ValueError("`schedule` is for pipelines of scope organisation")
        if self.scope == "platform" and self.hooks:
            raise ValueError("`hooks` are for pipelines of scope organisation: channels are an organisation's")
        return self

    def pipeline_id(self, org_slug: str | None) -> str:
        if self.scope == "platform" or org_slug is None:
            return self.pipeline
        return "-".join(str(part) for part in (org_slug, self.provider, self.domain)).replace("_", "-")

    def step(self, step_id: str) -> Step:
        return self.steps[self.position(step_id) - 1]

    def position(self, step_id: str) -> int:
        """Counted from one."""
        return next(index for index, step in enumerate(self.steps, start=1) if step.id == step_id)
