import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from src.app.models.organizations import Answer, PlanName, PlanNames, Request
from src.core.ledger.tables.subscriptions import SubscriptionStatus
from src.core.step.subscriptions import SubscriptionChange

SPELLINGS: dict[str, SubscriptionStatus] = {
    "trialing": "TRIAL",
    "trial": "TRIAL",
    "active": "ACTIVE",
    "past_due": "SUSPENDED",
    "paused": "SUSPENDED",
    "incomplete": "SUSPENDED",
    "suspended": "SUSPENDED",
    "canceled": "CANCELLED",
    "cancelled": "CANCELLED",
}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _status(value: object) -> object:
    known = SPELLINGS.get(value.strip().lower()) if isinstance(value, str) else None
    if value is not None and known is None:
        raise ValueError(f"is not a billing status; send one of {', '.join(SPELLINGS)}")
    return known


def _last_day(value: object) -> object:
    """A billing front end reports an instant where we keep a day."""
    if value is None or type(value) is date:
        return value
    day = _day_of(value) if isinstance(value, str) else None
    if day is None:
        raise ValueError("is neither a day, YYYY-MM-DD, nor an instant with its zone, like 2026-12-31T23:59:59Z")
    return day


def _day_of(text: str) -> date | None:
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
        # without a zone nobody can say which day in UTC it is
        return instant.astimezone(UTC).date() if instant.tzinfo else None
    # at the ends of the calendar a change of zone leaves it
    except (ValueError, OverflowError):
        return None


class SubscriptionRequest(Request):
    plan: PlanName | None = Field(
        default=None,
        validation_alias=AliasChoices("plan", "subscription_plan"),
        description="STARTER, PROFESSIONAL or SCALE, in any case; `subscription_plan` is the same",
    )
    status: Annotated[
        SubscriptionStatus | None, BeforeValidator(_status, json_schema_input_type=Annotated[str, Field(max_length=50)] | None)
    ] = Field(default=None, description=f"As the billing front end says it or as it is stored, in any case: {', '.join(SPELLINGS)}")
    trial_end_date: Annotated[date | None, BeforeValidator(_last_day, json_schema_input_type=str | None)] = Field(
        default=None, description="Last day of the trial, or the instant it ends; null takes it away. A trial without one goes on"
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        # null takes the end of a trial away, so it is no sign that nothing was sent
        if self.plan is None and self.status is None and "trial_end_date" not in self.model_fields_set:
            raise ValueError("names nothing to change; send plan, status or trial_end_date")
        return self

    def change(self) -> SubscriptionChange:
        endless = self.trial_end_date is None and "trial_end_date" in self.model_fields_set
        return SubscriptionChange(plan=self.plan, status=self.status, trial_end_date=self.trial_end_date, endless=endless)


class SubscriptionAnswer(PlanNames):
    org_slug: str
    status: SubscriptionStatus = Field(description="How the subscription stands")
    may_run: bool = Field(description="Whether the subscription lets runs begin; the quota is another matter")
    trial_end_date: date | None
    daily_run_limit: int = Field(description="Runs a day, in the organisation's own zone")
    monthly_run_limit: int = Field(description="Runs a month, in the organisation's own zone")
    concurrent_run_limit: int = Field(description="Runs that may wait or run at once")
    updated_at: datetime


class Allowance(Answer):
    used: int = Field(description="Runs that count in this time")
    limit: int = Field(description="Runs that the plan allows in this time")
    remaining: int = Field(description="Runs that are left of it")
    resets_at: datetime = Field(description="In the organisation's own time zone")


class Slots(Answer):
    used: int = Field(description="Runs that take a place now")
    limit: int = Field(description="Places that the plan has")
    remaining: int = Field(description="Places that are left")


class QuotaAnswer(PlanNames):
    org_slug: str
    status: SubscriptionStatus = Field(description="How the subscription stands")
    timezone: str
    may_run: bool = Field(description="Whether a run would be accepted now")
    reason: Literal["blocked", "monthly", "daily", "concurrent"] | None = Field(description="What refuses a run now")
    why: str | None = Field(description="The same as a sentence that says what to do")
    day: Allowance = Field(description="The day that it is in the organisation's zone")
    month: Allowance = Field(description="The month that it is in the organisation's zone")
    running: Slots = Field(
        description="Runs that wait or run at once; a backfill's window keeps no other from being accepted, and is left out"
    )
