"""What providers tell of their models and what it comes to, row by row as the tables of a dataset have it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from src.core.base.identity import Tenant
from src.core.base.schema import Field, TableSchema
from src.core.costs.model_sources import LATER_COLUMNS
from src.core.engine.port import Warehouse
from tests.core.costs.bills import CONFIGS

DAY = date(2026, 11, 3)
OPENAI = CONFIGS / "openai"
NOUGHT = Decimal(0)
ONE_DAY = timedelta(1)
KINDS = ("cost_daily", "bill_daily", "usage_daily_raw", "subscriptions_monthly")


def prepare_models(warehouse: Warehouse, tenant: Tenant, *providers: str, later: bool = True, kinds: Sequence[str] = KINDS) -> None:
    """`later` says whether their costs have the columns that an earlier release did not write."""
    for provider in providers:
        for kind in kinds:
            own = CONFIGS / provider / "schemas" / f"{provider}_{kind}.json"
            schema = TableSchema.load(own if own.exists() else OPENAI / "schemas" / f"openai_{kind}.json", name=f"{provider}_{kind}")
            warehouse.ensure_table(tenant, replace(schema, fields=_fields(kind, schema, later=later)))


def _fields(kind: str, schema: TableSchema, *, later: bool) -> tuple[Field, ...]:
    plain = tuple(one for one in schema.fields if one.name not in LATER_COLUMNS)
    if kind != "cost_daily" or not later:
        return plain
    return (*plain, *(Field(name=name, type="BIGNUMERIC", mode="NULLABLE") for name in LATER_COLUMNS))


def use(kind: str, quantity: int, cost: Decimal | str | None, **more: Any) -> dict[str, Any]:
    """A row of what use comes to."""
    day = more.get("usage_date", DAY)
    start = datetime.combine(day, time(), UTC)
    return {
        "usage_date": day,
        "bucket_start": start,
        "bucket_end": start + ONE_DAY,
        "account": "org-1",
        "endpoint": "completions",
        "project_id": "proj-1",
        "api_key_id": "key-1",
        "model_told": "gpt-x-2026-08-07",
        "service_tier": "standard",
        "token_kind": kind,
        "quantity": quantity,
        "unit": "token",
        "may_be_long": False,
        "currency": None if cost is None else "USD",
        **{name: value if value is None else Decimal(value) for name, value in (("cost", cost),)},
        **more,
    }


def billed(line_item: str, cost: Decimal | str, figure: str = "reported", allocation: str = "billed", **more: Any) -> dict[str, Any]:
    """A row of the bill."""
    day, less = more.get("usage_date", DAY), Decimal(more.pop("credits", 0))
    return {
        "usage_date": day,
        "invoice_month": f"{day:%Y%m}",
        "account": "org-1",
        "project_id": "proj-1",
        "api_key_id": "key-1",
        "model": "gpt-x",
        "line_item": line_item,
        "figure": figure,
        "allocation": allocation,
        "currency": "USD",
        "cost": Decimal(cost),
        "credits": less,
        "net_cost": Decimal(cost) + less,
        "unpriced_rows": 0,
        "row_count": 1,
        **more,
    }


def computed(day: date = DAY, account: str = "org-1", **more: Any) -> dict[str, Any]:
    """That the bill of this day and account is what its use comes to."""
    return billed("input", "0", "computed", "computed", usage_date=day, account=account, **more)


def asked_for(requests: int, **more: Any) -> dict[str, Any]:
    """A row of what OpenAI's reports count."""
    day = more.get("usage_date", DAY)
    return {
        "source": "org-1",
        "source_slice": str(day),
        "usage_date": day,
        "bucket_start": datetime.combine(day, time(), UTC),
        "bucket_seconds": 86400,
        "endpoint": "completions",
        "project_id": "proj-1",
        "api_key_id": "key-1",
        "model": "gpt-x-2026-08-07",
        "num_model_requests": requests,
        **more,
    }


def plan(month: date, cost: str | None, seats: int | None = 3) -> dict[str, Any]:
    last = (month + timedelta(31)).replace(day=1) - ONE_DAY
    return {
        "invoice_month": f"{month:%Y%m}",
        "usage_date": month,
        "last_date": last,
        "plan_name": "BUSINESS",
        "billing_period": "month",
        "rate_id": "rate",
        "unit": "seat",
        "seats": seats,
        "price": Decimal(25),
        "currency": "USD",
        "days": last.day,
        "days_in_month": last.day,
        "cost": None if cost is None else Decimal(cost),
        "completeness": "complete" if cost else "unpriced",
        "completeness_reason": None if cost else "nobody has said how many seats",
    }
