"""What is told is fixed: of any day, in any process, in any order; and whichever way it is added up."""

import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest

from src.core.base.faults import Missing
from src.sandbox.openai.organizations import ORGANIZATIONS, Organization
from src.sandbox.openai.reports import COSTS, REPORTS
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import HeldClock, sandboxed
from tests.sandbox.openai.conftest import Ask, keys_of
from tests.sandbox.openai.days import DAY, FIRST

MILLION = Decimal(1_000_000)


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def results(ask: Ask, path: str, key: str = "demo", **params: Any) -> list[dict[str, Any]]:
    buckets = exact(ask(path, key, **params).text)["data"]
    return [result for one in buckets for result in one["results"]]


def total(rows: list[dict[str, Any]]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        measured = {name: value for name, value in row.items() if isinstance(value, int) and not isinstance(value, bool)}
        for name, value in {**measured, **({"amount": row["amount"]["value"]} if "amount" in row else {})}.items():
            if name != "quantity":
                sums[name] += Decimal(value)
    return dict(sums)


@pytest.mark.parametrize("name", list(REPORTS))
def test_whatever_it_is_told_apart_by_it_adds_up_to_the_same(ask: Ask, name: str):
    path = name if name == COSTS else f"usage/{name}"
    whole = total(results(ask, path, start_time=FIRST, end_time=FIRST + 7 * DAY))

    assert whole
    for groups in ([REPORTS[name].groups[0]], list(REPORTS[name].groups)):
        assert total(results(ask, path, start_time=FIRST, end_time=FIRST + 7 * DAY, group_by=groups)) == whole
    for width, _ in REPORTS[name].widths:
        most = {"1d": 7, "1h": 168, "1m": 1440}[width]
        days = range(7) if width == "1m" else range(1)
        spans = [(FIRST + day * DAY, FIRST + (day + 1) * DAY if width == "1m" else FIRST + 7 * DAY) for day in days]
        rows = [row for first, end in spans for row in results(ask, path, start_time=first, end_time=end, bucket_width=width, limit=most)]
        assert total(rows) == whole


def test_what_it_is_narrowed_to_and_the_rest_are_the_whole(ask: Ask):
    def tokens(**only: Any) -> Decimal:
        return total(results(ask, "usage/completions", start_time=FIRST, end_time=FIRST + DAY, **only))["input_tokens"]

    models = {row["model"] for row in results(ask, "usage/completions", start_time=FIRST, end_time=FIRST + DAY, group_by="model")}
    assert tokens(batch="true") + tokens(batch="false") == tokens()
    assert sum(tokens(**{"models[]": model}) for model in models) == tokens()
    line = results(ask, "costs", start_time=FIRST, end_time=FIRST + DAY, group_by="line_item")[0]
    assert results(ask, "costs", start_time=FIRST, end_time=FIRST + DAY, group_by="line_item", line_items=line["line_item"]) == [line]


def test_input_is_what_was_read_anew_from_the_cache_and_into_it(ask: Ask):
    rows = results(ask, "usage/completions", start_time=FIRST, end_time=FIRST + DAY, group_by=["model", "service_tier"])

    for row in rows:
        parts = ("input_uncached_tokens", "input_cached_tokens", "input_cache_write_tokens")
        assert row["input_tokens"] == sum(row[name] for name in parts)
        assert row["input_cache_write_tokens"] == row["input_cache_write_30m_tokens"] + row["input_cache_write_12h_tokens"]
        assert row["output_tokens"] == sum(row[f"output_{kind}_tokens"] for kind in ("text", "audio", "image"))
    found = {row["model"]: row for row in rows}
    assert found["gpt-realtime-2"]["input_cached_audio_tokens"] > 0
    assert found["gpt-image-2"]["output_image_tokens"] > 0
    assert {row["service_tier"] for row in rows} == {"default", "flex", "priority"}
    old = results(ask, "usage/completions", start_time=FIRST - 300 * DAY, limit=1)
    assert (old[0]["input_cache_write_30m_tokens"], old[0]["input_cache_write_tokens"]) == (None, 0)


# input, cached input and output, as the price lists of the day had them
RATES = {
    ("gpt-4o-mini-2024-07-18", "default", False): ("0.15", "0.075", "0.6"),
    ("gpt-5.4-2026-03-05", "default", True): ("1.25", "0.13", "7.5"),
    ("gpt-5.4-2026-03-05", "default", False): ("2.5", "0.25", "15"),
    ("gpt-5.4-2026-03-05", "flex", False): ("1.25", "0.13", "7.5"),
    ("gpt-5.6-luna", "default", False): ("0.2", "0.02", "1.2"),
    ("o3-2025-04-16", "default", False): ("2", "0.5", "8"),
    ("ft:gpt-4.1-2025-04-14:acme:support:B7kQ2x", "default", False): ("3", "0.75", "12"),
}


def test_costs_are_use_at_its_price(ask: Ask):
    """A line item is of all tiers of its model; here each at its own price."""
    september: dict[str, Any] = {"start_time": FIRST - 50 * DAY, "end_time": FIRST - 49 * DAY}
    expected: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in results(ask, "usage/completions", **september, group_by=["model", "service_tier", "batch"]):
        way = row["model"], row["service_tier"], row["batch"]
        measured = (row["input_uncached_tokens"], row["input_cached_tokens"], row["output_tokens"])
        for kind, tokens, rate in zip(("input", "cached input", "output"), measured, RATES.get(way, ()), strict=False):
            expected[f"{row['model']}, {kind}"] += tokens * Decimal(rate) / MILLION

    told = {row["line_item"]: Decimal(row["amount"]["value"]) for row in results(ask, "costs", **september, group_by="line_item")}

    assert len(expected) == 15
    assert {name: told[name] for name in expected} == expected


def test_a_price_that_fell_is_that_of_its_day(ask: Ask):
    for key, rate_before, rate_after in (("demo", Decimal("1"), Decimal("0.2")), ("discount", Decimal("0.85"), Decimal("0.17"))):
        fell = 1_785_369_600  # 2026-07-30
        days = exact(
            ask("costs", key, start_time=fell - DAY, end_time=fell + DAY, line_items="gpt-5.6-luna, input", group_by="line_item").text
        )
        ((before,), (after,)) = (one["results"] for one in days["data"])
        assert Decimal(before["amount"]["value"]) == before["quantity"] * rate_before / MILLION
        assert Decimal(after["amount"]["value"]) == after["quantity"] * rate_after / MILLION


def test_costs_tell_of_what_no_report_of_use_does(ask: Ask):
    lines = {row["line_item"]: row for row in results(ask, "costs", start_time=FIRST - 40 * DAY, limit=60, group_by="line_item")}

    assert {"file storage", "sora-2, video", "gpt-4.1-2025-04-14, training", "promotional credit"} <= lines.keys()
    assert Decimal(lines["promotional credit"]["amount"]["value"]) < 0
    assert {"gpt-6-astra, input_tokens", "gpt-6.1-sol, cache write 30m", "web search tool calls"} <= lines.keys()


def test_money_is_a_text_of_late_and_a_number_before(ask: Ask):
    late = ask("costs", start_time=FIRST, limit=1, group_by="line_item").text
    early = ask("costs", start_time=FIRST - 365 * DAY, limit=1, group_by="line_item").text

    assert '"amount":{"value":"0.000012","currency":"usd"}' in late
    assert '"amount":{"value":1.2e-5,"currency":"usd"}' in early


def test_it_is_the_same_in_every_sandbox_and_order(ask: Ask, tmp_path: Path):
    asked: list[tuple[str, dict[str, Any]]] = [
        ("costs", {"start_time": FIRST, "group_by": "line_item"}),
        ("usage/completions", {"start_time": FIRST - 90 * DAY}),
    ]
    here = [ask(path, **params).text for path, params in asked]

    with sandboxed(tmp_path / "sandbox", HeldClock()) as other:
        there = [_asked(other, path, params) for path, params in reversed(asked)]

    assert here == there[::-1]


def _asked(sandbox: Sandbox, path: str, params: dict[str, Any]) -> str:
    headers = {"Authorization": f"Bearer {keys_of(sandbox).key('demo')}"}
    address = f"{sandbox.endpoints['openai.api']}/v1/organization/{path}"
    return httpx2.get(address, params=params, headers=headers, trust_env=False, timeout=60).text


def seen(organization: Organization, report: str, day: date, today: date, hour: int = 23) -> Decimal:
    now = int((today - date(1970, 1, 1)).days * DAY + hour * 3600)
    measure = "amount" if report == COSTS else "input_tokens"
    return sum((Decimal(one.measures[measure]) for one in REPORTS[report].facts(organization, day, today, now)), Decimal(0))


def test_days_grow_where_they_are_restated_and_stay_where_not():
    day = date(2026, 11, 10)
    days = [date(2026, 11, number) for number in range(11, 18)]
    restated = [seen(ORGANIZATIONS["restated"], "completions", day, today) for today in days]

    assert all(before <= after for before, after in pairwise(restated))
    assert restated[0] < restated[2]
    assert len(set(restated[2:])) == 1
    assert len({seen(ORGANIZATIONS["demo"], "completions", day, today) for today in days}) == 1
    costs = [seen(ORGANIZATIONS["restated"], COSTS, day, today) for today in days]
    assert costs[0] < costs[2] == costs[-1]


def test_today_is_told_as_far_as_it_has_come():
    day = date(2026, 11, 11)
    told = [seen(ORGANIZATIONS["demo"], "completions", day, day, hour) for hour in (0, 9, 23)]

    assert 0 <= told[0] < told[1] < told[2] <= seen(ORGANIZATIONS["demo"], "completions", day, date(2026, 11, 12))


def test_costs_of_one_organisation_come_a_day_after_its_use():
    day, morning_after = date(2026, 11, 10), date(2026, 11, 11)

    assert seen(ORGANIZATIONS["late"], "completions", day, morning_after, 6) > 0
    assert seen(ORGANIZATIONS["late"], COSTS, day, morning_after) == 0
    assert seen(ORGANIZATIONS["late"], COSTS, day, date(2026, 11, 12), 0) > 0
    assert seen(ORGANIZATIONS["demo"], COSTS, morning_after, morning_after) > 0


def test_one_organisation_has_a_model_and_a_key_that_nobody_knows(ask: Ask):
    def named(key: str, group: str) -> set[str]:
        return {row[group] for row in results(ask, "usage/completions", key, start_time=FIRST, end_time=FIRST + DAY, group_by=group)}

    assert "nova-mini-2025-08-01" in named("novel", "model") - named("demo", "model")
    projects = ask("projects", "novel", include_archived="true").json()["data"]
    known = {one["id"] for project in projects for one in ask(f"projects/{project['id']}/api_keys", "novel").json()["data"]}
    assert len(named("novel", "api_key_id") - known) == 1
    assert named("demo", "api_key_id").isdisjoint(named("novel", "api_key_id"))
    second = results(ask, "usage/completions", "second", start_time=FIRST, end_time=FIRST + DAY, group_by="project_id")
    assert len({row["project_id"] for row in second}) == 2


def test_key_files_are_made_once_and_for_their_owner_alone(tmp_path: Path):
    with sandboxed(tmp_path / "first", HeldClock()) as first:
        credentials = tmp_path / "first" / "credentials"
        text = keys_of(first).key("demo")
        with sandboxed(tmp_path / "second", HeldClock()) as second:
            assert keys_of(second).key("demo") == text
    assert (credentials / "openai-demo.txt").read_text() == text
    assert {path.stat().st_mode & 0o777 for path in credentials.glob("openai-*")} == {0o600}
    begins = {"demo": "sk-admin-", "project": "sk-proj-", "service-account": "sk-svcacct-", "legacy": "sk-"}
    assert all(keys_of(first).key(name).startswith(beginning) for name, beginning in begins.items())
    with pytest.raises(Missing, match="it has demo, second"):
        keys_of(first).key("nobody")
