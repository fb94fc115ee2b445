"""What may be asked, and in which words it is refused."""

from typing import Any

import httpx2
import pytest

from src.sandbox.openai.questions import COSTS_BY_KEY_SINCE
from src.sandbox.server import Sandbox
from tests.sandbox.openai.conftest import Ask, base
from tests.sandbox.openai.days import DAY, FIRST


@pytest.mark.parametrize(
    ("path", "params", "told"),
    [
        ("costs", {}, "Missing required parameter: 'start_time'."),
        ("costs", {"start_time": FIRST, "limit": 181}, "Invalid limit provided: 181. Limit must be less than or equal to 180."),
        ("costs", {"start_time": FIRST, "limit": 0}, "Invalid limit provided: 0. Limit must be greater than or equal to 1."),
        ("costs", {"start_time": FIRST, "bucket_width": "1h"}, "Invalid value: '1h'. Supported values are: '1d'."),
        ("costs", {"start_time": FIRST, "group_by[]": "model"}, "Invalid value: 'model'. Supported values are: 'project_id', "),
        ("costs", {"start_time": FIRST, "models": "gpt-4o"}, "Unknown parameter: 'models'."),
        ("costs", {"start_time": FIRST, "page": "page_bm8="}, "Invalid 'page': the cursor does not belong to this query."),
        ("costs", {"start_time": FIRST, "page": "page"}, "Invalid 'page'"),
        ("costs", {"start_time": COSTS_BY_KEY_SINCE - 1, "group_by[]": "api_key_id"}, f"start at or after {COSTS_BY_KEY_SINCE}"),
        ("costs", {"start_time": COSTS_BY_KEY_SINCE - 1, "api_key_ids[]": "key_1"}, f"start at or after {COSTS_BY_KEY_SINCE}"),
        ("usage/completions", {"start_time": FIRST, "limit": 32}, "Limit must be less than or equal to 31."),
        ("usage/completions", {"start_time": FIRST, "limit": 169, "bucket_width": "1h"}, "Limit must be less than or equal to 168."),
        ("usage/completions", {"start_time": FIRST, "limit": 1441, "bucket_width": "1m"}, "Limit must be less than or equal to 1440."),
        ("usage/completions", {"start_time": "yesterday"}, "Invalid type for 'start_time'"),
        ("usage/completions", {"start_time": -1}, "Invalid time range"),
        ("usage/completions", {"start_time": FIRST, "end_time": FIRST}, "Invalid time range"),
        ("usage/completions", {"start_time": FIRST, "batch": "maybe"}, "Invalid value: 'maybe'. Supported values are: 'true', 'false'."),
        ("usage/vector_stores", {"start_time": FIRST, "group_by": "api_key_id"}, "Supported values are: 'project_id'."),
        ("projects", {"limit": 101}, "Invalid 'limit'"),
        ("projects", {"after": "proj_of_nobody"}, "Invalid 'after'"),
    ],
)
def test_what_does_not_suit_is_refused_in_words(ask: Ask, path: str, params: dict[str, Any], told: str):
    answer = ask(path, **params)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert told in error["message"]


def test_an_organisation_that_is_not_told_by_key_is_never_told_so(ask: Ask):
    assert ask("costs", "coarse", start_time=FIRST, **{"group_by[]": ["project_id", "line_item"]}).status_code == 200
    for groups in (["api_key_id"], ["user_id", "project_id"]):
        assert ask("costs", "coarse", start_time=FIRST, **{"group_by[]": groups}).status_code == 400
        assert ask("costs", "demo", start_time=FIRST, **{"group_by[]": groups}).status_code == 200


def test_a_cursor_is_of_its_question_alone(ask: Ask):
    cursor = ask("costs", start_time=FIRST, limit=2).json()["next_page"]

    assert ask("costs", start_time=FIRST, limit=2, page=cursor).status_code == 200
    assert ask("costs", start_time=FIRST, limit=3, page=cursor).status_code == 400
    assert ask("usage/completions", start_time=FIRST, limit=2, page=cursor).status_code == 400


def test_a_list_may_come_with_brackets_or_by_its_name_alone(ask: Ask):
    params = {"start_time": FIRST, "end_time": FIRST + DAY}
    both = [ask("usage/completions", **params, **{name: ["model", "batch"]}).json() for name in ("group_by", "group_by[]")]

    assert both[0] == both[1]
    assert len(both[0]["data"][0]["results"]) > 5


def test_buckets_begin_where_asked_and_end_with_the_clock(ask: Ask):
    def spans(**params: Any) -> list[tuple[int, int]]:
        return [(one["start_time"] - FIRST, one["end_time"] - FIRST) for one in ask("usage/completions", **params).json()["data"]]

    assert spans(start_time=FIRST + 3600, limit=2) == [(3600, DAY), (DAY, 2 * DAY)]
    today = 11 * DAY
    assert spans(start_time=FIRST + today, end_time=FIRST + today + 9 * DAY) == [(today, today + DAY)]
    assert spans(start_time=FIRST + today + DAY) == []
    assert ask("usage/completions", start_time=0, limit=1).json()["data"][0]["results"] == []


def test_nobody_without_a_key_is_let_in(kept: Sandbox):
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = httpx2.get(f"{base(kept)}/organization/costs", headers=headers, trust_env=False)
        assert (answer.status_code, "You didn't provide an API key" in answer.json()["error"]["message"]) == (401, True)
    unknown = httpx2.get(f"{base(kept)}/organization/costs", headers={"Authorization": "Bearer sk-admin-of-nobody-at-all"}, trust_env=False)
    assert unknown.json()["error"] == {
        "message": "Incorrect API key provided: sk-admin************-all. "
        "You can find your API key at https://platform.openai.com/account/api-keys.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
