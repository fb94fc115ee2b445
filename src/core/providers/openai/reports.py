"""The reports that bear cost: what each may be grouped by, and the shape it comes in."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from pydantic import Field

from src.core.providers.http.shapes import WireModel

R = TypeVar("R")
LAST_SECOND = 253_402_300_799  # of the year 9999
KEYED = ("project_id", "user_id", "api_key_id")
TOKENS = (*KEYED, "model", "batch", "service_tier", "api_source")


@dataclass(frozen=True, slots=True)
class UsageReport:
    path: str
    groups: tuple[str, ...]
    """All it may be grouped by; what it is not grouped by is null in its answers."""
    most_days: int = 31
    """On one page."""


USAGE: Mapping[str, UsageReport] = {
    name: UsageReport(f"v1/organization/usage/{name}", groups)
    for name, groups in {
        "completions": TOKENS,
        "decisions": TOKENS,
        "embeddings": (*KEYED, "model"),
        "moderations": (*KEYED, "model"),
        "images": (*KEYED, "model", "size", "source"),
        "audio_speeches": (*KEYED, "model"),
        "audio_transcriptions": (*KEYED, "model"),
        "vector_stores": ("project_id",),
        "code_interpreter_sessions": ("project_id",),
        "file_search_calls": (*KEYED, "vector_store_id"),
        "web_search_calls": (*KEYED, "model", "context_level", "api_source"),
    }.items()
}
COSTS = UsageReport("v1/organization/costs", (*KEYED, "line_item", "api_source"), most_days=180)
# not every organisation and not every range may be asked for costs by these
FINE = frozenset({"user_id", "api_key_id"})


class Amount(WireModel):
    """In whole units of the currency; comes as a number or as a text, and may be negative."""

    value: Decimal
    currency: str


class CostLine(WireModel):
    amount: Amount
    line_item: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    api_key_id: str | None = None
    api_source: str | None = None
    quantity: Decimal | None = None
    quantity_unit: str | None = None


class Bucket(WireModel, Generic[R]):
    start_time: int = Field(ge=0, le=LAST_SECOND)
    results: list[R]


class BucketPage(WireModel, Generic[R]):
    data: list[Bucket[R]]
