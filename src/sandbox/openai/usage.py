"""What was used on a day: bursts at minutes of their own, so that buckets of any width hold the same and add up to the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b

from src.sandbox.openai.organizations import FIRST_DAY, Organization, seconds
from src.sandbox.openai.workloads import WORKLOADS, Workload

BURSTS = 3
MINUTE, MINUTES_A_DAY = 60, 1440
WEEKEND = 5
# the latest that a restated day is told whole
LAST_BURST = BURSTS - 1
CACHE_WRITES_SINCE = date(2026, 5, 1)
TOKEN_ENDPOINTS = frozenset({"completions", "decisions"})
# of these a request is no request to a model
MODELLESS = frozenset({"vector_stores", "code_interpreter_sessions", "file_search_calls"})


@dataclass(frozen=True, slots=True)
class Consumption:
    workload: Workload
    at: int
    """Unix seconds, on the minute."""
    known_from: date
    requests: int
    amounts: Mapping[str, int]
    """As its workload's `one` names them."""

    @property
    def measures(self) -> Mapping[str, int]:
        """As its endpoint tells them."""
        told = _told_tokens(self.amounts) if self.workload.endpoint in TOKEN_ENDPOINTS else dict(self.amounts)
        return told if self.workload.endpoint in MODELLESS else {**told, "num_model_requests": self.requests}


def used(organization: Organization, day: date, today: date, now: int) -> Iterator[Consumption]:
    """As it is known today; of today what has been by now."""
    if FIRST_DAY <= day <= today:
        yield from (one for one in _day(organization, day) if one.known_from <= today and one.at <= now)


@lru_cache(maxsize=512)
def _day(organization: Organization, day: date) -> tuple[Consumption, ...]:
    return tuple(
        use
        for number, workload in enumerate(WORKLOADS)
        if workload.project in organization.projects
        and workload.since <= day <= workload.until
        and workload.novel <= organization.novelties
        for use in _bursts(organization, day, number, workload)
    )


def _bursts(organization: Organization, day: date, number: int, workload: Workload) -> Iterator[Consumption]:
    if workload.endpoint == "vector_stores":
        yield Consumption(workload, seconds(day), day, 1, workload.one)
        return
    for burst in range(BURSTS):
        chance = _chance(organization.name, day, number, burst)
        # two thirds to four thirds of a third of the day's
        requests = max(1, workload.requests * (200 + chance % 201) // 900)
        requests = requests if day.weekday() < WEEKEND else max(1, requests // 3)
        amounts = {name: requests * one * (900 + _chance(chance, name) % 201) // 1000 for name, one in workload.one.items()}
        if workload.one.keys() & {"images", "num_sessions", "num_requests"}:
            amounts = {name: requests * one for name, one in workload.one.items()}
        minute = (chance // 1000) % MINUTES_A_DAY
        late = 1 + chance % organization.restates if organization.restates and burst == LAST_BURST else 0
        yield Consumption(workload, seconds(day) + minute * MINUTE, day + timedelta(late), requests, amounts)


def _chance(*told: object) -> int:
    return int.from_bytes(blake2b("/".join(map(str, told)).encode(), digest_size=8).digest())


def _told_tokens(used: Mapping[str, int]) -> dict[str, int]:
    """`input_tokens` holds all input: what came from the cache and what was written to it are parts of it."""
    text, audio, image = (used.get(name, 0) for name in ("text", "audio", "image"))
    cached, cached_audio = used["cached"], used.get("cached_audio", 0)
    write_30m, write_12h = used["write_30m"], used["write_12h"]
    out, audio_out, image_out = used["out"], used.get("audio_out", 0), used.get("image_out", 0)
    return {
        "input_tokens": text + audio + image + cached + cached_audio + write_30m + write_12h,
        "input_cached_tokens": cached + cached_audio,
        "input_uncached_tokens": text + audio + image,
        "input_cache_write_tokens": write_30m + write_12h,
        "input_cache_write_30m_tokens": write_30m,
        "input_cache_write_12h_tokens": write_12h,
        "input_text_tokens": text,
        "input_audio_tokens": audio,
        "input_image_tokens": image,
        "input_cached_text_tokens": cached,
        "input_cached_audio_tokens": cached_audio,
        "input_cached_image_tokens": 0,
        "output_tokens": out + audio_out + image_out,
        "output_text_tokens": out,
        "output_audio_tokens": audio_out,
        "output_image_tokens": image_out,
    }
