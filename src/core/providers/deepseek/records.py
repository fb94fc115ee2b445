"""What an organisation wrote down itself of its requests: a line of JSON each, with the `usage` that DeepSeek answered. Pure."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

from src.core.base.faults import Flaw, Rejected

Row = Mapping[str, Any]
SHAPE = '{"created": 1764201600, "model": "deepseek-flash", "usage": {...}}, the usage as DeepSeek answers it'
LONGEST_MODEL = 200
LARGEST = 10**12
HIT, MISS, OUT = "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "completion_tokens"
TYPES: Mapping[str, str] = {HIT: "input_cache_hit_tokens", MISS: "input_cache_miss_tokens", OUT: "output_tokens"}
EARLIEST, LATEST = 1_672_531_200, 4_102_444_800
"""From 2023, before there was anything to call, to 2100: what is told in thousandths lies beyond."""


def are_records(content: bytes) -> bool:
    return content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def record_rows(content: bytes, name: str) -> tuple[Row, ...]:
    """Added up by hour, model and kind: prices change at no other moment."""
    sums: Counter[tuple[datetime, str, str]] = Counter()
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if line.strip():
            hour, model, amounts = _record(line, number, name)
            for kind, amount in (*amounts.items(), ("request_count", 1)):
                sums[hour, model, kind] += amount
    return tuple(
        {"usage_date": hour.date(), "bucket_start": hour, "model": model, "usage_type": kind, "quantity": amount}
        for (hour, model, kind), amount in sorted(sums.items())
    )


def _record(line: bytes, number: int, name: str) -> tuple[datetime, str, dict[str, int]]:
    def refuse(said: str, place: str | None = None) -> Rejected:
        flaw = Flaw(said, place, name, number)
        return Rejected(str(flaw), flaws=[flaw])

    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        raise refuse(f"is no line of JSON; each line is one request: {SHAPE}") from None
    if not isinstance(told, dict):
        raise refuse(f"is no record of a request; each line is one: {SHAPE}")
    created, model, usage = told.get("created"), told.get("model"), told.get("usage")
    if not _whole(created) or not EARLIEST <= created < LATEST:
        raise refuse("is no moment in whole seconds since 1970", "created")
    if not isinstance(model, str) or not 0 < len(model) <= LONGEST_MODEL or not model.isprintable():
        raise refuse("is no name of a model", "model")
    if not isinstance(usage, dict):
        raise refuse("is no object", "usage")
    for part in (*TYPES, "prompt_tokens"):
        if not _whole(usage.get(part)) or not 0 <= usage[part] < LARGEST:
            raise refuse("is no number of tokens", f"usage.{part}")
    if usage[HIT] + usage[MISS] != usage["prompt_tokens"]:
        raise refuse(f"is not the sum of {HIT} and {MISS}", "usage.prompt_tokens")
    hour = datetime.fromtimestamp(created, UTC).replace(minute=0, second=0, microsecond=0)
    return hour, model, {TYPES[part]: usage[part] for part in TYPES}


def _whole(told: object) -> TypeGuard[int]:
    return isinstance(told, int) and not isinstance(told, bool)
