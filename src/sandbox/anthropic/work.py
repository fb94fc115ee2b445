"""What the sandbox's organisations let Anthropic do every day, and since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from src.sandbox.anthropic.organizations import DELETED_KEY, FIRST_DAY, WORKSPACE_KEYS, WorkspaceKey

KEYS_BY_NAME: Mapping[str, WorkspaceKey] = {key.name: key for key in WORKSPACE_KEYS}
# what the Console's reports tell of; everything else is a seat's, or is told by the report of Claude Code
LONG = 200_000
API_PRODUCTS = frozenset({"messages_api", "message_batches_api", "claude_console"})
SNAPSHOT_45 = "claude-haiku-4-5-20251001"


@dataclass(frozen=True, slots=True)
class ClaudeWork:
    name: str
    model: str
    requests: int
    """On a working day; at the weekend a third of them."""
    one: Mapping[str, int]
    """What a request takes on average, by kind: input, read, write_5m, write_1h, out and searches."""
    key: str | None = None
    """None: the Console's Workbench, a person or a service account by a token of theirs."""
    workspace: str | None = None
    """Of use without a key."""
    tier: str = "standard"
    fast: bool = False
    geo: str = "global"
    product: str = "messages_api"
    person: str | None = None
    service_account: str | None = None
    since: date = FIRST_DAY
    until: date = date.max
    over: int = 0
    """Each request's prompt is longer than this, where longer ones cost more."""
    only: str = ""
    """Done by organisations that say so, and by all when empty."""
    blocked: bool = False
    """By a policy: told as used, never charged."""

    @property
    def workspace_name(self) -> str | None:
        return KEYS_BY_NAME[self.key].workspace if self.key else self.workspace

    @property
    def context_window(self) -> str:
        return "200k-1M" if self.is_long else "0-200k"

    @property
    def is_long(self) -> bool:
        return self.over >= LONG

    @property
    def speed(self) -> str:
        return "fast" if self.fast else "standard"


def _tokens(new: int, out: int, read: int = 0, *written: int, searches: int = 0) -> Mapping[str, int]:
    write_5m, write_1h, *_ = *written, 0, 0
    return {"input": new, "read": read, "write_5m": write_5m, "write_1h": write_1h, "out": out, "searches": searches}


LAST_OF_APRIL, SONNET_55, HAIKU_55 = date(2026, 4, 29), date(2026, 9, 28), date(2026, 10, 7)
WORK = (
    ClaudeWork(
        "chat then", "claude-sonnet-4-5-20250929", 800, _tokens(450, 280, 900, 110), "live", since=date(2025, 9, 29), until=LAST_OF_APRIL
    ),
    ClaudeWork(
        "chat between", "claude-sonnet-5", 820, _tokens(470, 290, 1400, 140), "live", since=date(2026, 4, 30), until=date(2026, 9, 27)
    ),
    ClaudeWork("chat", "claude-sonnet-5-5", 840, _tokens(490, 300, 2600, 170, 60), "live", since=SONNET_55),
    ClaudeWork("searching chat", "claude-sonnet-5-5", 90, _tokens(900, 420, 800, searches=2), "live", since=SONNET_55),
    ClaudeWork("chat at home", "claude-opus-5-5", 55, _tokens(800, 520, 3100, 240, 130), "live", geo="us", since=date(2026, 9, 1)),
    ClaudeWork("bot then", "claude-3-5-haiku-20241022", 700, _tokens(380, 160), "bot", until=date(2025, 10, 14)),
    ClaudeWork("bot", SNAPSHOT_45, 950, _tokens(310, 140, 620, 90), "bot", since=date(2025, 10, 15)),
    ClaudeWork("urgent bot", "claude-opus-5-5", 24, _tokens(640, 380, 1500, 160), "bot", fast=True, since=date(2026, 9, 14)),
    ClaudeWork("summaries", "claude-haiku-5-5", 300, _tokens(2400, 260, 900), "nightly", since=HAIKU_55),
    ClaudeWork("books", "claude-haiku-5-5", 12, _tokens(131_000, 900, 4000), "nightly", since=HAIKU_55, over=100_000),
    ClaudeWork(
        "nightly batch",
        "claude-sonnet-5-5",
        1900,
        _tokens(1200, 230, 1700, 0, 190),
        "nightly",
        tier="batch",
        product="message_batches_api",
        since=SONNET_55,
    ),
    ClaudeWork(
        "nightly batch then",
        "claude-opus-4-6",
        400,
        _tokens(1300, 240, 800, 120),
        "nightly",
        tier="batch",
        product="message_batches_api",
        since=date(2026, 2, 5),
        until=date(2026, 9, 27),
    ),
    ClaudeWork("archives", "claude-opus-4-6", 9, _tokens(260_000, 2100, 9000, 5000), "lab", since=date(2026, 2, 5), over=200_000),
    ClaudeWork("papers", "claude-opus-4-6", 70, _tokens(3100, 900, 2600, 400), "lab", since=date(2026, 2, 5)),
    ClaudeWork("proofs", "claude-fable-5-2", 14, _tokens(2600, 4100, 5200, 700, 300), "lab", since=date(2026, 10, 1)),
    ClaudeWork("forgotten script", SNAPSHOT_45, 120, _tokens(290, 130), DELETED_KEY, since=date(2025, 10, 15)),
    ClaudeWork("archive tool", "claude-opus-4-1-20250805", 40, _tokens(700, 300), "old", since=date(2025, 8, 5), until=date(2026, 1, 31)),
    ClaudeWork("workbench", "claude-sonnet-5-5", 11, _tokens(700, 640), product="claude_console", person="Ben", since=SONNET_55),
    ClaudeWork("pipeline", SNAPSHOT_45, 75, _tokens(520, 210, 300), workspace="data", service_account="deploys", since=date(2026, 6, 1)),
    ClaudeWork("committed", "claude-sonnet-5-5", 160, _tokens(610, 270, 1100), "live", tier="priority", since=SONNET_55, only="priority"),
    ClaudeWork("refused", "claude-fable-5-2", 31, _tokens(900, 200), "bot", since=date(2026, 10, 1), only="blocked", blocked=True),
    ClaudeWork("trial", "claude-nova-1-20260901", 26, _tokens(400, 220), "lab", since=date(2026, 9, 1), only="novel"),
    # of these the Console's reports of messages say nothing
    ClaudeWork(
        "code of Cyd", "claude-opus-5-5", 60, _tokens(300, 700, 9000, 900), product="claude_code", person="Cyd", since=date(2026, 9, 1)
    ),
    ClaudeWork("code of the build", "claude-sonnet-5-5", 35, _tokens(250, 500, 6000, 600), "bot", product="claude_code", since=SONNET_55),
    ClaudeWork("seats", "claude-sonnet-5-5", 140, _tokens(350, 420), product="chat", person="Ana", since=SONNET_55, only="enterprise"),
)
