"""The export of the console end to end, as an organisation sends it: what was said stays said, whatever is sent twice or late."""

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.core.providers.deepseek.exports import amounts, costs, month, packed
from tests.fakes.served import Served, served

TODAY = date(2026, 11, 21)
FLASH = "deepseek-flash"
DAYS = "SELECT usage_date, net_cost, credits, completeness, completeness_reason, figure FROM x_cost_daily ORDER BY usage_date, currency"
USED = """SELECT usage_date, model_told, token_kind, SUM(quantity) AS quantity, SUM(cost) AS cost, MIN(price_rule) AS rule
FROM deepseek_cost_daily GROUP BY usage_date, model_told, token_kind ORDER BY usage_date, model_told, token_kind"""


def used(day: int, missed: int = 1_000_000, price: str = "0.00000015") -> str:
    return f"2026-11-{day:02},{FLASH},input_cache_miss_tokens,{price},{missed}"


def paid(day: int, cost: str = "0.15", wallet: str = "Paid", currency: str = "USD") -> str:
    return f"2026-11-{day:02},{FLASH},{wallet},{cost},{currency}"


def exported(*days: int, name: str = "2026-11") -> bytes:
    return month(name, amounts(*map(used, days)), costs(*map(paid, days)))


async def connect(acme: Served, name: str = "default") -> None:
    """Each with a key of its own, and as its owner says of an account of its own."""
    key = "sk-" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    told = {"credential": key, "credential_name": name, "skip_validation": True, "another_account": True}
    answer = await acme.ask("POST", "integrations/{org}/deepseek/setup", told)
    assert answer.status_code == 200, answer.text


async def send(acme: Served, content: bytes, **params: str) -> tuple[int, dict[str, Any]]:
    asked = {"wait": "true", **params}
    answer = await acme.http.post("/api/v1/imports/acme_corp/deepseek", content=content, params=asked)
    return answer.status_code, answer.json()


async def imported(acme: Served, content: bytes, **params: str) -> dict[str, Any]:
    status, run = await send(acme, content, **params)
    assert (status, run.get("status")) == (200, "SUCCESS"), run
    return run


def said(acme: Served) -> dict[int, tuple[str | None, str]]:
    rows = acme.here.ask(DAYS)
    return {row["usage_date"].day: (None if row["net_cost"] is None else f"{row['net_cost']:.2f}", row["completeness"]) for row in rows}


def waiting(acme: Served) -> int:
    with acme.here.parts.ledger.reading() as unit:
        return len(unit.rows(unit.tables["org_imported_files"].select()))


@pytest.mark.bill
async def test_a_months_file_tells_its_days_once_whatever_is_sent_twice(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as acme:
        await connect(acme)
        run = await imported(acme, exported(2, 3, 5), name="usage.zip")
        assert (run["document"], run["window"]) == ("deepseek/import", {"start": "2026-11-01", "end": "2026-11-05"})
        # of the last day it is not known that it was over
        whole = {1: (None, "missing"), 2: ("0.15", "complete"), 3: ("0.15", "complete"), 4: (None, "missing"), 5: ("0.15", "stale")}
        assert said(acme) == whole
        assert {row["rule"] for row in acme.here.ask(USED)} == {"told"}
        assert waiting(acme) == 0

        again = await imported(acme, exported(2, 3, 5), name="usage.zip")
        assert again["pipeline_logging_id"] != run["pipeline_logging_id"]
        assert (again["rows_processed"], said(acme)) == (0, whole)
        # a file of some days that the month's has too
        await imported(acme, exported(3, 5, 6, name="2026-11-03_2026-11-06"))
        grown = whole | {5: ("0.15", "complete"), 6: ("0.15", "stale")}
        assert said(acme) == grown
        # and the month's, older, after it: its last day may have been cut short
        await imported(
            acme, packed({"amount-2026-11.csv": amounts(used(2), used(3), used(5, 7)), "cost-2026-11.csv": costs(*map(paid, (2, 3, 5)))})
        )
        assert said(acme) == grown
        assert Decimal(acme.here.ask("SELECT SUM(quantity) AS sum FROM deepseek_usage_daily_raw")[0]["sum"]) == 4_000_000


@pytest.mark.bill
async def test_days_before_it_was_exported_are_known_to_their_end(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as acme:
        await connect(acme)
        await imported(acme, exported(2, 5), exported_on="2026-11-07")
        assert said(acme) == {
            **dict.fromkeys((1, 3, 4, 6), (None, "missing")),
            **dict.fromkeys((2, 5), ("0.15", "complete")),
        }
        # a file of another month, exported later, says nothing of this one
        october = ",".join(["2026-10-05", FLASH])
        file = month("2026-10", amounts(f"{october},output_tokens,0.0000006,1"), costs(f"{october},Paid,0.0000006,USD"))
        await imported(acme, file, exported_on="2026-11-20")
        november = "SELECT usage_date, completeness FROM x_cost_daily WHERE usage_date >= DATE '2026-11-01'"
        assert {row["usage_date"].day for row in acme.here.ask(november) if row["completeness"] == "complete"} == {2, 5}
        [last] = acme.here.ask("SELECT MAX(last_slice) AS day FROM x_source_looks WHERE looked_on = DATE '2026-11-20'")
        assert last["day"] == date(2026, 10, 31)
        # a day that was told and is told no more was taken back
        await imported(acme, exported(2), exported_on="2026-11-08")
        assert said(acme)[5] == (None, "missing")


@pytest.mark.bill
async def test_a_file_that_says_only_one_side_makes_no_day_whole(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as acme:
        await connect(acme)
        await imported(acme, amounts(used(2), used(3)), name="amount-2026-11.csv")
        told = acme.here.ask(DAYS)
        assert {row["completeness"] for row in told} <= {"partial", "missing", "unpriced"}
        await imported(acme, costs(paid(2), paid(3)), name="cost-2026-11.csv")
        assert said(acme)[2] == ("0.15", "complete")


@pytest.mark.bill
async def test_what_cannot_be_imported_is_refused_at_once_and_nothing_is_kept(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as acme:
        status, told = await send(acme, exported(2))
        assert (status, "setup stores one" in told["detail"]) == (404, True)
        await connect(acme)
        status, told = await send(acme, amounts(used(2)).replace(b"1000000", b"many"), name="amount-2026-11.csv")
        assert status == 422
        assert [(one["file"], one["line"], one["field"]) for one in told["errors"]] == [("amount-2026-11.csv", 2, "amount")]
        assert (await send(acme, b"{}"))[0] == 422
        assert (await send(acme, exported(30)))[0] == 422
        assert (await send(acme, exported(5), exported_on="2026-11-04"))[0] == 422
        status, told = await send(acme, b"x" * 2_000_000)
        assert (status, "MAX_BODY_BYTES" in told["detail"]) == (413, True)
        answer = await acme.http.post("/api/v1/imports/acme_corp/openai", content=exported(2))
        assert (answer.status_code, "deepseek" in answer.json()["detail"]) == (422, True)
        assert (waiting(acme), acme.here.ask("SELECT COUNT(*) AS runs FROM x_meta_pipeline_runs WHERE pipeline_id LIKE '%import%'")) == (
            0,
            [{"runs": 0}],
        )

        await imported(acme, exported(2))
        other = exported(3)
        foreign = packed({"amount-2026-11.csv": amounts(used(3)).replace(b"u-demo", b"u-else")})
        status, run = await send(acme, foreign)
        assert (status, run["status"], "is of u-else" in run["error"]["message"]) == (200, "FAILED", True)
        await connect(acme, "second")
        await imported(acme, foreign, credential_name="second")
        key = {"Idempotency-Key": "one"}
        first, second = [(await acme.http.post("/api/v1/imports/acme_corp/deepseek", content=other, headers=key)).json() for _ in range(2)]
        assert first["pipeline_logging_id"] == second["pipeline_logging_id"]


@pytest.mark.bill
async def test_one_account_under_two_names_is_refused_and_counts_once(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as acme:
        await connect(acme)
        # its owner is wrong
        await connect(acme, "second")
        await imported(acme, exported(2, 3))
        status, run = await send(acme, exported(3, 5), credential_name="second")
        assert (status, run["status"]) == (200, "FAILED")
        assert "were imported as deepseek-default before: for deepseek-second it would count twice" in run["error"]["message"]
        assert sum(Decimal(row["net_cost"] or 0) for row in acme.here.ask(DAYS)) == Decimal("0.30")


@pytest.mark.bill
async def test_own_records_never_make_a_day_whole_nor_dollars_of_yuan(tmp_path: Path) -> None:
    record = '{{"created": {}, "model": "deepseek-flash", "usage": {{"prompt_tokens": 1000000, "prompt_cache_hit_tokens": 0, '
    record += '"prompt_cache_miss_tokens": 1000000, "completion_tokens": 0}}}}'
    async with served(tmp_path, TODAY) as acme:
        await connect(acme)
        file = month("2026-11", amounts(used(2, price="0.000001")), costs(paid(2, "1.00", currency="CNY")))
        await imported(acme, file, exported_on="2026-11-05")
        # the console told that nothing was used on the third; of the tenth it told nothing, and nobody tells in which currency it is
        for day in (3, 10):
            noon = int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp())
            await imported(acme, record.format(noon).encode(), name="requests.jsonl")
        assert said(acme) == {2: ("1.00", "complete"), 3: ("0.00", "partial"), 4: (None, "missing"), 10: ("0.00", "partial")} | {
            1: (None, "missing")
        }
        assert {row["usage_date"].day: row["cost"] for row in acme.here.ask(USED)} == {2: Decimal("1.00"), 3: None, 10: None}
        await imported(acme, amounts(used(12)), name="amount-2026-11-12_2026-11-12.csv", exported_on="2026-11-14")
        await imported(acme, costs(paid(13)), name="cost-2026-11-12_2026-11-13.csv", exported_on="2026-11-15")
        [told] = [row for row in acme.here.ask(DAYS) if row["usage_date"].day == 12]
        assert (told["completeness"], told["completeness_reason"]) == (
            "unpriced",
            "no price for deepseek-flash; nobody tells in which currency it is charged",
        )


@pytest.mark.bill
async def test_a_model_that_the_costs_leave_out_leaves_the_day_open(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as acme:
        await connect(acme)
        file = month("2026-11", amounts(used(2), "2026-11-02,deepseek-v4-pro,output_tokens,0.00000198,1000000"), costs(paid(2)))
        await imported(acme, file, exported_on="2026-11-05")
        assert said(acme)[2] == ("0.15", "provisional")
        # nor is it whole where the use of that model has no price either
        new = "2026-11-03,deepseek-new,output_tokens,,1000000"
        await imported(acme, month("2026-11", amounts(used(2), used(3), new), costs(paid(2), paid(3))), exported_on="2026-11-06")
        assert said(acme) | {2: ("0.15", "complete"), 3: ("0.15", "partial")} == said(acme)
        [day] = [row for row in acme.here.ask(DAYS) if row["usage_date"].day == 3]
        assert day["completeness_reason"] == "deepseek-new: used, in no line of the report, and without a price"
