"""Both generations of Anthropic's reports: what each is grouped by, and the shape it comes in."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct, field

from src.core.providers.told import require_number

Api = Literal["reports", "analytics"]
USAGE, COSTS = "v1/organizations/usage_report/messages", "v1/organizations/cost_report"
CLAUDE_CODE = "v1/organizations/usage_report/claude_code"
USAGE_ROWS, COST_ROWS = "v1/organizations/analytics/usage", "v1/organizations/analytics/cost"
ME, WORKSPACES = "v1/organizations/me", "v1/organizations/workspaces"
KEYED = ("api_key_id", "workspace_id", "model")
GROUPS = (*KEYED, "service_tier", "context_window", "inference_geo", "account_id", "service_account_id", "speed")
COST_GROUPS = ("workspace_id", "description")
USAGE_ROW_GROUPS = (*KEYED, "service_tier", "product")
COST_ROW_GROUPS = (*KEYED, "product")
COST_ROW_KINDS = ("cost_type", "token_type")
SPLITS: Mapping[str, tuple[str, str]] = {
    "speed": ("speeds[]", "fast"),
    "inference_geo": ("inference_geos[]", "us"),
    "context_window": ("context_windows[]", "200k-1M"),
}
"""Analytics takes five groups at most. What is charged otherwise beside these is asked for by a filter, and the rest is what is left."""
SEATS = frozenset(
    (
        *("chat", "chat_cowork_unified", "claude_code", "claude_design", "claude_in_chrome"),
        *("claude_tag", "cowork", "office_agent", "cc_security_autopatch"),
    )
)
"""Products that are no use of the API; one that is not known is."""
MEASURES: Mapping[str, str] = {
    "uncached_input_tokens": "uncached_input_tokens",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m_tokens",
    "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h_tokens",
    "output_tokens": "output_tokens",
    "server_tool_use.web_search_requests": "web_search_requests",
    "requests": "requests",
}
"""By the path that leads there, the column."""
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Moment = Annotated[datetime, Meta(tz=True)]


class CacheCreation(Struct):
    ephemeral_5m_input_tokens: Count
    ephemeral_1h_input_tokens: Count


class MeasuredUse(Struct):
    """What a row of usage must measure."""

    uncached_input_tokens: Count
    cache_read_input_tokens: Count
    cache_creation: CacheCreation
    output_tokens: Count
    requests: Count | None = None


class RowGroups(Struct):
    model: str | None = None
    workspace_id: str | None = None
    api_key_id: str | None = None
    account_id: str | None = None
    service_account_id: str | None = None
    service_tier: str | None = None
    context_window: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    product: str | None = None
    organization_id: str | None = None
    cost_type: str | None = None
    token_type: str | None = None
    description: str | None = None


class CentAmount(Struct):
    """In hundredths of the currency; comes as a text."""

    amount: Decimal
    currency: Annotated[str, Meta(pattern="^[A-Za-z]{3}$")]
    list_amount: Decimal | None = None

    def __post_init__(self) -> None:
        for value in (self.amount, self.list_amount):
            if value is not None:
                require_number(value)


class ReportBucket(Struct, frozen=True):
    starting_at: Moment
    results: list[Any] | None = None

    @property
    def begins(self) -> int:
        return int(self.starting_at.timestamp())

    @property
    def rows(self) -> list[Any] | None:
        return self.results


class TimedRow(Struct, frozen=True):
    starting_at: Moment
    group: dict[str, Any]
    usage: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    refreshed_at: Moment | None = None
    """As its page says: how new the newest is of what was added up."""

    @property
    def begins(self) -> int:
        return int(self.starting_at.timestamp())

    @property
    def grouped(self) -> dict[str, Any]:
        return {**{name: self.cost[name] for name in COST_ROW_KINDS if name in self.cost}, **self.group}

    @property
    def key(self) -> tuple[Any, ...]:
        return self.begins, *sorted((name, value) for name, value in self.grouped.items() if value is not None)


class RowPage(Protocol):
    @property
    def has_more(self) -> bool: ...

    @property
    def following(self) -> tuple[str, str] | None:
        """The parameter that names the next page, and its value."""
        ...


class _NextPage(Struct, frozen=True, kw_only=True):
    has_more: bool
    next_page: str | None = None

    @property
    def following(self) -> tuple[str, str] | None:
        return ("page", self.next_page) if self.next_page else None


class AnalyticsPage(_NextPage, frozen=True, kw_only=True):
    data: list[TimedRow]
    data_refreshed_at: Moment | None = None


class CodeActor(Struct, frozen=True):
    """Of a person nothing is read but that it is one."""

    type: str | None = None
    api_key_name: str | None = None


class CodeEstimate(Struct, frozen=True):
    amount: Decimal
    currency: str


class CodeModel(Struct, frozen=True):
    model: str
    tokens: dict[str, Count]
    estimated_cost: CodeEstimate | None = None


class CodeMetrics(Struct, frozen=True):
    num_sessions: Count | None = None


class CodeRow(Struct, frozen=True):
    date: Moment
    actor: CodeActor
    model_breakdown: list[CodeModel]
    customer_type: str | None = None
    core_metrics: CodeMetrics = field(default_factory=CodeMetrics)


class CodePage(_NextPage, frozen=True, kw_only=True):
    data: list[CodeRow]


class AnthropicOwner(Struct, frozen=True):
    id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,100}$")]
    name: str | None = None


class Workspace(Struct, frozen=True):
    id: str


class WorkspacePage(Struct, frozen=True, kw_only=True):
    has_more: bool
    data: list[Workspace]
    last_id: str | None = None

    @property
    def following(self) -> tuple[str, str] | None:
        return ("after_id", self.last_id) if self.last_id else None
