"""What the sandbox's organisations let OpenAI do every day, and since when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from src.sandbox.openai.organizations import FIRST_DAY, LOST_KEY, PROJECT_KEYS, ProjectKey

KEYS_BY_NAME = {key.name: key for key in PROJECT_KEYS}
GIB = 2**30
SNAPSHOT_54 = "gpt-5.4-2026-03-05"


@dataclass(frozen=True, slots=True)
class Workload:
    """`one` is what a request takes on average: of completions the tokens by kind, of others what their endpoint measures."""

    endpoint: str
    by: str
    """A key, or a project where the endpoint knows no keys."""
    model: str | None
    requests: int
    """On a working day; at the weekend a third of them."""
    one: Mapping[str, int]
    batch: bool = False
    tier: str = "default"
    source: str = "unlabeled"
    since: date = FIRST_DAY
    until: date = date.max
    kinds: Mapping[str, str] = field(default_factory=dict)
    """What else the endpoint may be grouped by: size, source, context_level, vector_store_id."""
    long: bool = False
    """Whether each request's input goes beyond what standard rates hold for."""
    novel: bool = False

    @property
    def key(self) -> ProjectKey | None:
        return KEYS_BY_NAME.get(self.by)

    @property
    def project(self) -> str:
        return self.key.project if self.key else self.by

    @property
    def price_tier(self) -> str:
        """As price lists call it."""
        return "batch" if self.batch else self.tier.replace("default", "standard")


def _tokens(text: int, out: int, cached: int = 0, write_30m: int = 0, write_12h: int = 0, **more: int) -> Mapping[str, int]:
    return {"text": text, "cached": cached, "write_30m": write_30m, "write_12h": write_12h, "out": out, **more}


COMPLETIONS = (
    Workload("completions", "live", "gpt-4o-2024-11-20", 900, _tokens(420, 260, 640), until=date(2025, 11, 12)),
    Workload("completions", "live", "gpt-5.1-2025-11-13", 800, _tokens(510, 330, 900), since=date(2025, 11, 13), until=date(2026, 3, 4)),
    Workload("completions", "live", SNAPSHOT_54, 750, _tokens(480, 310, 1100, image=85), since=date(2026, 3, 5), until=date(2026, 9, 28)),
    Workload("completions", "live", "gpt-6.1-sol", 820, _tokens(520, 290, 3100, 310, 95), since=date(2026, 9, 29)),
    Workload("completions", "live", "gpt-6.1-sol", 64, _tokens(700, 410, 2200, 150), tier="priority", since=date(2026, 10, 5)),
    Workload("completions", "staging", "gpt-4o-mini-2024-07-18", 90, _tokens(300, 150, 128)),
    Workload("completions", "staging", "gpt-6.1-sol", 37, _tokens(450, 240, 900, 120), since=date(2026, 10, 1)),
    Workload("completions", "bot", "gpt-4o-mini-2024-07-18", 1400, _tokens(250, 120, 512), until=date(2026, 3, 31)),
    Workload("completions", "bot", "gpt-4o-mini-2024-07-18", 1400, _tokens(250, 120, 512), source="agents_api", since=date(2026, 4, 1)),
    Workload("completions", "bot", "ft:gpt-4.1-2025-04-14:acme:support:B7kQ2x", 310, _tokens(640, 180, 256), since=date(2025, 6, 1)),
    Workload(
        "completions",
        "bot",
        "gpt-realtime-2",
        48,
        _tokens(210, 90, 380, audio=1900, cached_audio=700, audio_out=1300),
        since=date(2026, 5, 12),
    ),
    Workload("completions", "nightly", "gpt-4o-mini-2024-07-18", 5200, _tokens(900, 210), batch=True, until=date(2026, 3, 4)),
    Workload("completions", "nightly", SNAPSHOT_54, 2600, _tokens(1300, 240, 333), batch=True, since=date(2026, 3, 5)),
    Workload("completions", "nightly", SNAPSHOT_54, 410, _tokens(2100, 520, 1777), tier="flex", since=date(2026, 3, 5)),
    Workload("completions", "notebook", "gpt-5.6-luna", 230, _tokens(1800, 600, 2400, 520, 60), since=date(2026, 5, 5)),
    Workload("completions", "lab", "o3-2025-04-16", 55, _tokens(2600, 3900, 512), since=date(2025, 4, 16), until=date(2026, 10, 31)),
    Workload("completions", "lab", "gpt-6-astra", 40, _tokens(3200, 2700, 5200, 900), since=date(2026, 9, 3)),
    Workload("completions", "lab", "gpt-6-astra", 3, _tokens(301_000, 1800), long=True, since=date(2026, 9, 3)),
    Workload("completions", "lab", "gpt-image-2", 22, _tokens(140, 0, image=320, image_out=1550), since=date(2026, 4, 20)),
    Workload("completions", "old", "gpt-3.5-turbo-0125", 160, _tokens(350, 140), until=date(2026, 1, 31)),
    Workload("completions", "staging", "nova-mini-2025-08-01", 75, _tokens(400, 200), novel=True),
    Workload("completions", LOST_KEY, "gpt-4o-mini-2024-07-18", 120, _tokens(310, 160), novel=True),
)
OTHERS = (
    Workload("decisions", "bot", "gpt-6-luna", 650, _tokens(180, 12, 96), since=date(2026, 9, 22)),
    Workload("embeddings", "nightly", "text-embedding-3-small", 3800, {"input_tokens": 410}),
    Workload("embeddings", "notebook", "text-embedding-3-large", 140, {"input_tokens": 620}),
    Workload("moderations", "live", "omni-moderation-latest", 700, {"input_tokens": 190}),
    Workload("images", "lab", "dall-e-3", 18, {"images": 1}, kinds={"size": "1024x1024", "source": "image.generation"}),
    Workload("images", "lab", "dall-e-3", 7, {"images": 1}, kinds={"size": "1024x1792", "source": "image.generation"}),
    Workload("audio_speeches", "bot", "tts-1", 85, {"characters": 730}),
    Workload("audio_transcriptions", "bot", "whisper-1", 60, {"seconds": 47}),
    Workload("vector_stores", "default", None, 1, {"usage_bytes": 3 * GIB + GIB // 4}),
    Workload("vector_stores", "data", None, 1, {"usage_bytes": 7 * GIB + GIB // 16}),
    Workload("code_interpreter_sessions", "data", None, 36, {"num_sessions": 1}),
    Workload("file_search_calls", "live", None, 240, {"num_requests": 1}, kinds={"vector_store_id": "vs_help"}),
    Workload("file_search_calls", "notebook", None, 31, {"num_requests": 1}, kinds={"vector_store_id": "vs_papers"}),
    Workload("web_search_calls", "live", SNAPSHOT_54, 110, {"num_requests": 1}, kinds={"context_level": "medium"}, since=date(2026, 3, 5)),
    Workload("web_search_calls", "lab", "o3-2025-04-16", 25, {"num_requests": 2}, kinds={"context_level": "high"}, since=date(2025, 4, 16)),
)
WORKLOADS = (*COMPLETIONS, *OTHERS)
