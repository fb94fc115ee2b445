"""The reports that bear cost: what each measures and may be grouped by, and the shape it comes in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct
from msgspec.json import Decoder

from src.core.providers.http.buckets import BUCKETS, DAY, BucketPage
from src.core.providers.told import require_number

R = TypeVar("R")
LAST_SECOND = 253_402_300_799  # of the year 9999
LARGEST = 2**63 - 1
KEYED = ("project_id", "user_id", "api_key_id")
TOKENS = (*KEYED, "model", "batch", "service_tier", "api_source")
TOKEN_MEASURES = (
    *("input_tokens", "input_cached_tokens", "input_uncached_tokens", "input_cache_write_tokens"),
    *("input_cache_write_30m_tokens", "input_cache_write_12h_tokens", "input_text_tokens", "input_audio_tokens", "input_image_tokens"),
    *("input_cached_text_tokens", "input_cached_audio_tokens", "input_cached_image_tokens"),
    *("output_tokens", "output_text_tokens", "output_audio_tokens", "output_image_tokens"),
)
OTHER_MEASURES = ("num_model_requests", "images", "characters", "seconds", "usage_bytes", "num_sessions", "num_requests")
MEASURES = frozenset((*TOKEN_MEASURES, *OTHER_MEASURES))
Count = Annotated[int, Meta(ge=0, le=LARGEST)]


@dataclass(frozen=True)
class UsageReport:
    name: str
    path: str
    groups: tuple[str, ...]
    """All it may be grouped by; what it is not grouped by is null in its answers."""
    needed: tuple[str, ...] = ()
    """Measures without which a row says nothing."""
    measures: tuple[str, ...] = ()
    most: Mapping[int, int] = field(default_factory=lambda: BUCKETS)
    """Buckets on one page, by their length."""

    @cached_property
    def row(self) -> type[Struct]:
        """One row of it of which everything is known."""
        told: dict[str, Any] = dict.fromkeys((*KEYED, "model", *self.groups), str | None)
        told |= {"batch": bool | None} if "batch" in told else {}
        told |= dict.fromkeys(self.measures, Count | None) | dict.fromkeys(self.needed, Count)
        fields = [(name, kind) if name in self.needed else (name, kind, None) for name, kind in {"object": str | None, **told}.items()]
        return defstruct(f"row_of_{self.name}", fields, kw_only=True, forbid_unknown_fields=True)

    @cached_property
    def decoder(self) -> Decoder[BucketPage[Any]]:
        return Decoder(BucketPage[Bucket[self.row]])  # type: ignore[name-defined]  # the type is made of the report


def _usage(name: str, groups: tuple[str, ...], *needed: str, also: tuple[str, ...] = ("num_model_requests",)) -> UsageReport:
    return UsageReport(name, f"v1/organization/usage/{name}", groups, needed, (*needed, *also))


USAGE: Mapping[str, UsageReport] = {
    one.name: one
    for one in (
        _usage("completions", TOKENS, "input_tokens", "output_tokens", also=(*TOKEN_MEASURES, "num_model_requests")),
        _usage("decisions", TOKENS, "input_tokens", "output_tokens", also=(*TOKEN_MEASURES, "num_model_requests")),
        _usage("embeddings", (*KEYED, "model"), "input_tokens"),
        _usage("moderations", (*KEYED, "model"), "input_tokens"),
        _usage("images", (*KEYED, "model", "size", "source"), "images"),
        _usage("audio_speeches", (*KEYED, "model"), "characters"),
        _usage("audio_transcriptions", (*KEYED, "model"), "seconds"),
        _usage("vector_stores", ("project_id",), "usage_bytes", also=()),
        _usage("code_interpreter_sessions", ("project_id",), "num_sessions", also=()),
        _usage("file_search_calls", (*KEYED, "vector_store_id"), "num_requests", also=()),
        _usage("web_search_calls", (*KEYED, "model", "context_level", "api_source"), "num_requests"),
    )
}
COSTS = UsageReport("costs", "v1/organization/costs", (*KEYED, "line_item", "api_source"), most={DAY: 180})
# not every organisation and not every range may be asked for costs by these
FINE = frozenset({"user_id", "api_key_id"})


class Amount(Struct, frozen=True):
    """In whole units of the currency; comes as a number or as a text, and may be negative."""

    value: Decimal
    currency: Annotated[str, Meta(pattern="^[A-Za-z]{3}$")]

    def __post_init__(self) -> None:
        require_number(self.value)


class CostLine(Struct, frozen=True):
    amount: Amount
    line_item: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    api_key_id: str | None = None
    api_source: str | None = None
    quantity: Decimal | None = None
    quantity_unit: str | None = None

    def __post_init__(self) -> None:
        if self.quantity is not None:
            require_number(self.quantity)


class Bucket(Struct, Generic[R], frozen=True):
    start_time: Annotated[int, Meta(ge=0, le=LAST_SECOND)]
    results: list[R] | UnsetType = UNSET
    result: list[R] | UnsetType = UNSET
    """As old answers call them."""

    @property
    def begins(self) -> int:
        return self.start_time

    @property
    def rows(self) -> list[R] | None:
        """None where it has none, not even an empty list."""
        told = self.result if self.results is UNSET else self.results
        return None if told is UNSET else told
