"""How each provider is driven through the table. One that is served and stands in no drive fails a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.core.providers.faults.table import BY_NAME, Refuse, WireFault, as_json
from tests.fakes.spoiling_proxy import Spoil


@dataclass(frozen=True, kw_only=True)
class Drive:
    provider: str
    credential: str
    """A file that the sandbox lays."""
    asked: str
    """How the path ends, as a pattern, that `validate` asks and is spoiled there."""
    pipeline: str
    read: str
    """The path that a run asks and is spoiled there."""
    refuse: Refuse
    pages: int = 9
    """How many days a load reads: two, and before them those that may be told otherwise; a page is a day."""
    cannot: Mapping[str, str] = field(default_factory=dict)
    """Rows of the table that cannot come to pass here, and why."""

    def spoils(self, row: WireFault) -> Spoil:
        return lambda true, before: row.spoils(true, before, self.refuse)

    @property
    def rows(self) -> tuple[WireFault, ...]:
        return tuple(row for name, row in BY_NAME.items() if name not in self.cannot)


def _openai(status: int, kind: str) -> bytes:
    codes = {"key": "invalid_api_key"}
    said = {"scope": "You have insufficient permissions for this operation. Missing scopes: api.usage.read."}
    error = {"message": said.get(kind, "said"), "type": "some_error", "param": None, "code": codes.get(kind)}
    return as_json({"error": error})


def _anthropic(status: int, kind: str) -> bytes:
    said = {"scope": "Your API key does not have permission to use the specified resource."}
    error = {"type": "permission_error" if kind == "scope" else "some_error", "message": said.get(kind, "said")}
    return as_json({"type": "error", "error": error, "request_id": "req_1"})


def _google(status: int, kind: str) -> bytes:
    reasons = {401: "authError", 403: "accessDenied", 404: "notFound", 429: "rateLimitExceeded", 500: "backendError"}
    error = {"message": "said", "domain": "global", "reason": reasons[status]}
    return as_json({"error": {"code": status, "message": "said", "errors": [error]}})


def _deepseek(status: int, kind: str) -> bytes:
    return as_json({"error": {"message": "said", "type": "some_error", "param": None, "code": "some_code"}})


ONE_PAGE = "its lists have no days: a page that came twice, or was cut off, is held in tests/core/providers/http/test_paging.py"
DRIVES = (
    Drive(
        provider="openai",
        credential="openai-restated.txt",
        asked="/v1/organization/costs",
        pipeline="openai/usage_cost",
        read="/usage/completions",
        refuse=_openai,
    ),
    Drive(
        provider="gcp",
        credential="gcp-demo.json",
        asked="/datasets",
        pipeline="gcp/cost/billing",
        # asked before the export is read, by a client of Google's that has faults of its own
        read="/tables/[^/]+",
        refuse=_google,
        cannot={
            "not found": "a list that is not there is a project or dataset that the settings name wrongly: INVALID, and told so",
            "page repeated": ONE_PAGE,
            "pages that end early": ONE_PAGE,
            "more pages, and none named": "its lists do not say whether there are more",
            "bucket without results": "a list without entries has no such key",
            "amounts as texts, and as numbers": "no money is read over REST",
            "clock behind": "its calls name no days",
            "clock ahead": "its calls name no days; of tokens it is held in tests/core/providers/gcp/test_account.py",
        },
    ),
    Drive(
        provider="deepseek",
        credential="deepseek-second.txt",
        asked="/user/balance",
        pipeline="deepseek/usage_cost",
        read="/user/balance",
        refuse=_deepseek,
        cannot={
            **dict.fromkeys(("page repeated", "pages that end early", "more pages, and none named"), "a balance is one answer"),
            "bucket without results": "held in tests/core/providers/deepseek/test_client.py: a balance has no buckets",
            "amounts as texts, and as numbers": "a balance told as a number is refused, for it may have lost digits",
            "clock behind": "its call names no days",
            "clock ahead": "its call names no days",
        },
    ),
    Drive(
        provider="anthropic",
        credential="anthropic-restated.txt",
        asked="/v1/organizations/me",
        pipeline="anthropic/usage_cost",
        read="/usage_report/messages",
        refuse=_anthropic,
        pages=5,
        cannot={
            "amounts as texts, and as numbers": "who a key is of has no amount: tests/core/providers/anthropic/test_days.py holds both"
        },
    ),
)
