"""An organisation's own records of its requests: added up by the hour, and refused by line and place where they are none."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from src.core.base.faults import Rejected
from src.core.providers.deepseek.export import console_export

USAGE = {"prompt_tokens": 10, "prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 3, "completion_tokens": 5, "total_tokens": 15}
NINE = int(datetime(2026, 11, 2, 9, 30, tzinfo=UTC).timestamp())


def record(**change: Any) -> dict[str, Any]:
    return {"created": NINE, "model": "deepseek-flash", "usage": USAGE, **change}


def lines(*records: Any) -> bytes:
    return "".join(f"{json.dumps(one)}\n" for one in records).encode()


def test_requests_of_one_hour_and_model_are_one_row_a_kind() -> None:
    found = console_export(lines(record(), record(created=NINE + 60), record(created=NINE + 1800), record(model="deepseek-v4-pro")))
    assert (found.user_id, found.amounts, found.costs, found.first, found.last) == (None, None, None, *[date(2026, 11, 2)] * 2)
    assert found.records is not None
    told = {(row["bucket_start"].hour, row["model"], row["usage_type"]): row["quantity"] for row in found.records}
    assert told[9, "deepseek-flash", "input_cache_hit_tokens"] == 14
    assert told[9, "deepseek-flash", "input_cache_miss_tokens"] == 6
    assert told[9, "deepseek-flash", "output_tokens"] == 10
    assert (told[9, "deepseek-flash", "request_count"], told[10, "deepseek-flash", "request_count"]) == (2, 1)
    assert told[9, "deepseek-v4-pro", "output_tokens"] == 5


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (record(created=NINE * 1000), "created"),
        (record(created=True), "created"),
        (record(model=""), "model"),
        (record(usage=None), "usage"),
        (record(usage={**USAGE, "completion_tokens": -1}), "usage.completion_tokens"),
        (record(usage={**USAGE, "prompt_cache_hit_tokens": 1.5}), "usage.prompt_cache_hit_tokens"),
        (record(usage={**USAGE, "prompt_tokens": 11}), "usage.prompt_tokens"),
        ([record()], None),
    ],
)
def test_what_is_no_record_is_told_with_its_line_and_place(wrong: Any, place: str | None) -> None:
    with pytest.raises(Rejected) as refused:
        console_export(lines(record(), wrong), "requests.jsonl")
    assert [(flaw.file, flaw.line, flaw.field) for flaw in refused.value.flaws] == [("requests.jsonl", 2, place)]
    with pytest.raises(Rejected, match="no line of JSON"):
        console_export(lines(record()) + b"{oh", "requests.jsonl")
