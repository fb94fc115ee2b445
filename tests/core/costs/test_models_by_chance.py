"""Rows of models beside the same reckoned one by one, of days made by chance."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.window import Window
from src.core.costs.model_sources import ModelSources
from src.core.costs.models import GROUPS, ModelGroup, ModelQuestion, read_models
from src.core.engine.port import Warehouse
from tests.core.costs.bills import publish, reader
from tests.core.costs.model_bills import DAY, billed, computed, prepare_models, use

DAYS = [DAY + timedelta(number) for number in range(2)]
WINDOW = Window(DAYS[0], DAYS[-1])
FIGURES = (
    "tokens", "cost", "credits", "computed_cost", "whole", "unpriced_rows", "cost_least", "cost_most", "unpriced_tokens",
    "cache_saved",
)  # fmt: skip
Row = dict[str, Any]


def chosen(chance: random.Random, day: Any, account: str) -> Row:
    cost = chance.choice([None, Decimal(chance.randrange(1, 10**9)) / 10**6])
    kind = chance.choice(["input", "cached_input", "cache_write_5m", "output"])
    tier = chance.choice(["standard", "batch"])
    ranged = cost is None and chance.random() < 0.5
    return use(
        kind,
        chance.randrange(1, 10**7),
        cost,
        usage_date=day,
        account=account,
        project_id=chance.choice([None, "p"]),
        api_key_id=chance.choice(["k", "l"]),
        user_id=chance.choice([None, "u"]),
        model_told=chance.choice(["a-20260807", "b", "ft:b:acme"]),
        service_tier=tier,
        currency="USD",
        cost_least=Decimal(1) if ranged else None,
        cost_most=chance.choice([None, Decimal(3)]) if ranged else None,
        cost_if_uncached=chance.choice([None, Decimal(7)]) if kind.startswith("cache") else None,
        cost_if_standard=Decimal(5) if tier == "batch" else None,
    )


def told(chance: random.Random, day: Any, account: str) -> Row:
    return billed(
        chance.choice(["input", "usage"]),
        Decimal(chance.randrange(10**9)) / 10**6,
        usage_date=day,
        account=account,
        project_id=chance.choice([None, "p"]),
        api_key_id=chance.choice([None, "k"]),
        model=chance.choice([None, "a", "b", "c"]),
        credits=-chance.randrange(3),
    )


def keyed(rows: Iterable[Row], groups: tuple[ModelGroup, ...]) -> Mapping[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(row[name] for name in groups)].append(row)
    return found


def line(row: Row, *, money: bool) -> Row:
    model = row["model_told"] if "model_told" in row else row["model"]
    names = {"a-20260807": "a", "ft:b:acme": "ft:b"}
    return {
        **row,
        "provider": "openai",
        "day": str(row["usage_date"]),
        "month": f"{row['usage_date']:%Y%m}",
        "project": row["project_id"],
        "key": row["api_key_id"],
        "user": row.get("user_id"),
        "model": names.get(model, model),
        "token_kind": row.get("token_kind", row.get("line_item")),
        "service_tier": row.get("service_tier"),
        "used": "token_kind" in row,
        "money": money,
    }


def total(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def reckoned(rows: list[Row], groups: tuple[ModelGroup, ...]) -> tuple[Any, ...]:
    used, paid = [row for row in rows if row["used"]], [row for row in rows if row["money"]]
    ranged = [row for row in paid if row["used"] and row["cost_least"] is not None]
    unpriced = [row for row in paid if row["cost"] is None and row not in ranged]
    cells = keyed(rows, ("day", "account", "model"))
    untold = any(
        any(one["used"] for one in cell) and all(one["cost"] is None or not one["money"] for one in cell) for cell in cells.values()
    )
    apart = untold and bool({"token_kind", "key", "user", "service_tier"} & set(groups))
    bounds = [
        total(row["cost"] if row["cost"] is not None else row.get(name) for row in paid) if ranged and not apart else None
        for name in ("cost_least", "cost_most")
    ]
    caches = [row for row in used if row["token_kind"].startswith("cache")]
    lost = any(row["cost"] is None or row["cost_if_uncached"] is None for row in caches)
    saved = (
        None if lost or not any(row["token_kind"] != "output" for row in used) else sum(r["cost_if_uncached"] - r["cost"] for r in caches)
    )
    return (
        total(row["quantity"] for row in used),
        total(row["cost"] for row in paid),
        total(row["credits"] if not row["used"] else 0 for row in paid if row["cost"] is not None),
        total(row["cost"] for row in used),
        not ranged and not unpriced and not apart,
        len(unpriced),
        bounds[0],
        None if unpriced or any(row["cost_most"] is None for row in ranged) else bounds[1],
        sum(row["quantity"] for row in used if row["cost"] is None and row["cost_least"] is None),
        saved,
    )


@pytest.mark.parametrize("seed", range(2))
def test_rows_are_what_adding_up_by_hand_makes_them(warehouse: Warehouse, acme: Tenant, seed: int) -> None:
    chance = random.Random(seed)
    prepare_models(warehouse, acme, "openai")
    reported = {(day, account): chance.random() < 0.5 for day in DAYS for account in ("one", "two")}
    used = [chosen(chance, day, account) for day, account in reported for _ in range(12)]
    bills = [told(chance, *at) for at, by_report in reported.items() if by_report for _ in range(6)]
    counted = [computed(*at) for at, by_report in reported.items() if not by_report]
    publish(warehouse, acme, openai_cost_daily=used, openai_bill_daily=[*bills, *counted])
    rows = [line(row, money=not reported[row["usage_date"], row["account"]]) for row in used] + [line(row, money=True) for row in bills]

    for _ in range(6):
        groups = tuple(chance.sample([one for one in GROUPS if one != "provider"], chance.randrange(1, 5)))
        found = read_models(reader(warehouse, acme), ModelQuestion(WINDOW, ModelSources(("openai",)), groups), 10_000)
        assert {tuple(one.keys.values()): tuple(getattr(one, name) for name in FIGURES) for one in found.lines} == {
            key: reckoned(part, groups) for key, part in keyed(rows, groups).items()
        }, groups
