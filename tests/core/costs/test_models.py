"""What models cost: of use and bill beside each other, with what nobody knows told as not known."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.faults import Rejected
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.base.window import Window
from src.core.costs.model_sources import ModelSources
from src.core.costs.models import ModelCost, ModelCosts, ModelFilters, ModelGroup, ModelQuestion, model_groups, read_models
from src.core.engine.port import Warehouse
from tests.core.costs.bills import CONFIGS, HOUSE, mark, publish, reader
from tests.core.costs.model_bills import DAY, asked_for, billed, computed, plan, prepare_models, use

M = 1_000_000
NEXT = DAY + timedelta(1)
WINDOW = Window(DAY, NEXT)
OPENAI = ModelSources(("openai",))
BOTH = ModelSources(("openai", "deepseek"))


def asked(
    warehouse: Warehouse, tenant: Tenant, *groups: ModelGroup, sources: ModelSources = OPENAI, limit: int = 100, **filters: str
) -> ModelCosts:
    question = ModelQuestion(WINDOW, sources, groups or ("model",), ModelFilters(**filters))
    return read_models(reader(warehouse, tenant), question, limit)


def shown(found: ModelCosts, *names: str) -> list[tuple[Any, ...]]:
    return [(*line.keys.values(), *(getattr(line, name) for name in names)) for line in found.lines]


@pytest.fixture
def house(warehouse: Warehouse, acme: Tenant) -> Warehouse:
    prepare_models(warehouse, acme, "openai", "deepseek")
    return warehouse


def test_a_days_report_is_the_cost_of_its_tokens_and_a_computed_day_is_its_use(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[
            use("input", 3 * M, "6"),
            use("output", M, "10"),
            use("input", M, "2", usage_date=NEXT),
            use("call", 40, "0.4", usage_date=NEXT, model_told="web-search", unit="call"),
        ],
        openai_bill_daily=[
            billed("input", "5"),
            billed("output", "9", credits="-1"),
            billed("promotional credit", "0", credits="-3", model=None),
            computed(NEXT),
        ],
    )

    found = asked(house, acme)

    assert shown(found, "tokens", "cost", "credits", "net_cost", "computed_cost", "figure", "cost_per_million") == [
        (None, None, Decimal(0), Decimal(-3), Decimal(-3), None, "reported", None),
        # 14 reported of the first day, and what the use of the second comes to, for five million tokens
        ("gpt-x", 5 * M, Decimal(16), Decimal(-1), Decimal(15), Decimal(18), "mixed", Decimal("3.2")),
        ("web-search", None, Decimal("0.4"), Decimal(0), Decimal("0.4"), Decimal("0.4"), "computed", None),
    ]
    [total] = found.totals
    assert (total.cost, total.net_cost, total.tokens, total.currency) == (Decimal("16.4"), Decimal("12.4"), 5 * M, "USD")
    # what is charged by the call has no part in the price of a million tokens
    assert total.cost_per_million == Decimal("3.2")


def test_what_the_report_does_not_tell_apart_is_no_cost_of_nothing(house: Warehouse, acme: Tenant) -> None:
    """DeepSeek's money is told by model alone, and no report tells a tier."""
    publish(
        house,
        acme,
        openai_cost_daily=[use("input", M, "2"), use("output", M, "10", service_tier="batch")],
        openai_bill_daily=[billed("usage", "12")],
    )

    assert shown(asked(house, acme, "token_kind"), "tokens", "cost", "computed_cost", "cost_per_million", "whole") == [
        ("input", M, None, Decimal(2), None, False),
        ("output", M, None, Decimal(10), None, False),
        ("usage", None, Decimal(12), None, None, True),
    ]
    found = asked(house, acme, "service_tier")
    assert shown(found, "cost", "whole") == [(None, Decimal(12), True), ("batch", None, False), ("standard", None, False)]
    assert [(one.cost, one.whole) for one in found.totals] == [(Decimal(12), True)]
    assert shown(asked(house, acme), "cost", "cost_per_million") == [("gpt-x", Decimal(12), Decimal(6))]


def test_what_a_report_does_not_tell_apart_is_not_whole_by_a_filter_either(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[use("input", M, "2"), use("input", M, "2", usage_date=NEXT)],
        openai_bill_daily=[billed("usage", "12", api_key_id=None), computed(NEXT)],
    )

    for found in (asked(house, acme, token_kind="input"), asked(house, acme, key="key-1")):
        assert found.lines
        assert not [one for one in (*found.lines, *found.totals) if one.whole]


def test_of_a_computed_day_the_tiers_are_known(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[
            use("output", M, "5", service_tier="batch", cost_if_standard=Decimal(10)),
            use("output", M, "10", user_id="ann"),
        ],
        openai_bill_daily=[computed()],
    )
    assert shown(asked(house, acme, "service_tier"), "cost") == [("batch", Decimal(5)), ("standard", Decimal(10))]
    assert shown(asked(house, acme, "user"), "cost") == [(None, Decimal(5)), ("ann", Decimal(10))]
    assert shown(asked(house, acme), "batch_share", "batch_saved") == [("gpt-x", Decimal("0.5"), Decimal(5))]


def test_what_has_no_price_or_one_of_several_is_not_told_as_whole(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[
            use("input", M, "2"),
            use("input", 5 * M, None, model_told="gpt-new"),
            use("output", M, "10"),
            use("output", 2 * M, None, cost_least=Decimal(3), cost_most=Decimal(6), currency="USD"),
            use("output", M, "8", model_told="gpt-long", may_be_long=True, cost_if_long=Decimal(12)),
            use("output", M, "8", model_told="gpt-longer", may_be_long=True),
        ],
        openai_bill_daily=[computed()],
    )

    names = ("whole", "cost", "cost_least", "cost_most", "unpriced_tokens", "cost_per_million", "currency")
    assert shown(asked(house, acme), *names) == [
        ("gpt-long", False, Decimal(8), Decimal(8), Decimal(12), 0, None, "USD"),
        ("gpt-longer", False, Decimal(8), Decimal(8), None, 0, None, "USD"),
        # of an account that pays in one currency, so does what has no price
        ("gpt-new", False, None, None, None, 5 * M, None, "USD"),
        ("gpt-x", False, Decimal(12), Decimal(15), Decimal(18), 0, None, "USD"),
    ]
    [total] = asked(house, acme).totals
    assert (total.whole, total.cost, total.cost_least, total.cost_most, total.unpriced_tokens) == (
        False,
        Decimal(28),
        Decimal(31),
        None,
        5 * M,
    )


def test_what_stands_in_no_report_and_has_no_price_is_lacking(house: Warehouse, acme: Tenant) -> None:
    untold = billed("output", "0", allocation="untold", unpriced_rows=1)
    uses = [use("input", M, "2"), use("output", M, None, service_tier="priority")]
    publish(house, acme, openai_cost_daily=uses, openai_bill_daily=[billed("input", "2"), untold])
    assert shown(asked(house, acme), "whole", "cost", "unpriced_rows", "unpriced_tokens") == [("gpt-x", False, Decimal(2), 1, M)]


def test_a_report_is_whole_whatever_the_book_has_no_price_for(house: Warehouse, acme: Tenant) -> None:
    publish(house, acme, openai_cost_daily=[use("input", 2 * M, None)], openai_bill_daily=[billed("input", "4")])
    assert shown(asked(house, acme), "whole", "cost", "unpriced_tokens", "cost_per_million", "currency") == [
        ("gpt-x", True, Decimal(4), 2 * M, Decimal(2), "USD")
    ]


def test_what_caches_saved_is_net_of_what_was_written_to_them(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[
            use("input", M, "2"),
            use("cached_input", 6 * M, "1.2", cost_if_uncached=Decimal(12)),
            use("cache_write_5m", M, "2.5", cost_if_uncached=Decimal(2)),
            use("cached_input", M, "1", cost_if_uncached=None, model_told="gpt-y"),
            use("input", M, "1", model_told="gpt-z"),
            use("output", M, "1", model_told="gpt-talk"),
        ],
        openai_bill_daily=[computed()],
    )
    assert shown(asked(house, acme), "input_tokens", "cached_share", "cache_saved") == [
        ("gpt-talk", None, None, None),
        ("gpt-x", 8 * M, Decimal("0.75"), Decimal("10.3")),
        ("gpt-y", M, Decimal(1), None),
        ("gpt-z", M, Decimal(0), Decimal(0)),
    ]


def test_requests_are_told_where_the_provider_counts_all_of_them(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[
            use("input", M, "2"),
            use("input", M, "2", project_id="p2"),
            use("input", M, "2", usage_date=NEXT, model_told="gpt-y"),
        ],
        openai_usage_daily_raw=[asked_for(7), asked_for(5, project_id="p2", batch=True)],
        openai_bill_daily=[computed(), computed(NEXT)],
    )
    assert shown(asked(house, acme), "requests") == [("gpt-x", 12), ("gpt-y", None)]
    assert shown(asked(house, acme, "project", "model"), "requests") == [
        ("p2", "gpt-x", 5),
        ("proj-1", "gpt-x", 7),
        ("proj-1", "gpt-y", None),
    ]
    assert shown(asked(house, acme, "token_kind"), "requests") == [("input", None)]
    assert shown(asked(house, acme, project="p2"), "requests", "cost") == [("gpt-x", 5, Decimal(2))]


def test_requests_stand_beside_the_cost_of_the_same_use_whatever_else_the_account_pays_in(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[use("input", M, "2"), use("input", M, "3", currency="CNY", model_told="gpt-y")],
        openai_usage_daily_raw=[asked_for(7), asked_for(4, model="gpt-y"), asked_for(1, model="gpt-z")],
        openai_bill_daily=[computed()],
    )
    assert shown(asked(house, acme), "currency", "requests", "cost", "whole") == [
        ("gpt-x", "USD", 7, Decimal(2), True),
        ("gpt-y", "CNY", 4, Decimal(3), True),
        # of these nobody tells a cost
        ("gpt-z", None, 1, None, False),
    ]


def test_currencies_are_never_added_and_providers_stand_apart(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[use("input", M, "2")],
        openai_bill_daily=[computed()],
        deepseek_cost_daily=[use("input", M, "3", currency="CNY", model_told="gpt-x"), use("output", M, None)],
        deepseek_bill_daily=[computed(), billed("spend", "1", "estimated", "estimated", model=None, account="bare")],
    )
    found = asked(house, acme, sources=BOTH)

    assert [(line.provider, *line.keys.values(), line.currency, line.cost, line.figure, line.whole) for line in found.lines] == [
        ("deepseek", None, "USD", Decimal(1), "estimated", False),
        ("deepseek", "gpt-x", "CNY", Decimal(3), "computed", False),
        ("openai", "gpt-x", "USD", Decimal(2), "computed", True),
    ]
    assert [(total.currency, total.cost, total.figure, total.whole) for total in found.totals] == [
        ("CNY", Decimal(3), "computed", False),
        ("USD", Decimal(3), "mixed", False),
    ]
    assert [one.cost for one in asked(house, acme, sources=BOTH, currency="CNY").lines] == [Decimal(3)]


def test_a_provider_that_was_never_loaded_is_left_out_and_named(warehouse: Warehouse, acme: Tenant) -> None:
    prepare_models(warehouse, acme, "openai", later=False)
    publish(warehouse, acme, openai_cost_daily=[use("cached_input", M, "2")], openai_bill_daily=[computed()])

    found = asked(warehouse, acme, sources=BOTH)

    assert shown(found, "cost", "cache_saved") == [("gpt-x", Decimal(2), None)]
    [left] = found.left_out
    assert (left.provider, "run/acme_corp/deepseek/usage_cost" in left.reason) == ("deepseek", True)


def test_before_anything_is_loaded_there_is_nothing_and_that_is_said(warehouse: Warehouse, acme: Tenant) -> None:
    found = asked(warehouse, acme)
    assert (found.lines, found.totals, [one.provider for one in found.left_out]) == ((), (), ["openai"])
    assert found.completeness["missing"] == len(WINDOW)


def test_seats_are_a_list_of_their_own(house: Warehouse, acme: Tenant) -> None:
    months = [date(2026, 10, 1), date(2026, 11, 1)]
    publish(
        house,
        acme,
        openai_subscriptions_monthly=[plan(months[0], "75"), plan(months[1], None, None)],
        openai_bill_daily=[billed("input", "1")],
    )

    found = asked(house, acme)

    assert [(one.invoice_month, one.seats, one.cost, one.completeness) for one in found.seats] == [("202611", None, None, "unpriced")]
    assert [total.cost for total in found.totals] == [Decimal(1)]


def test_an_organisation_with_plans_alone_has_its_seats_and_no_cost(warehouse: Warehouse, acme: Tenant) -> None:
    prepare_models(warehouse, acme, "anthropic", kinds=("subscriptions_monthly",))
    publish(warehouse, acme, anthropic_subscriptions_monthly=[plan(date(2026, 11, 1), "75")])

    found = asked(warehouse, acme, sources=ModelSources(("anthropic",)))

    assert ([one.cost for one in found.seats], found.lines, found.totals) == ([Decimal(75)], (), ())
    assert [one.provider for one in found.left_out] == ["anthropic"]


def test_use_that_is_no_cost_of_an_api_stands_apart_and_days_without_a_word_of_it_are_named(warehouse: Warehouse, acme: Tenant) -> None:
    prepare_models(warehouse, acme, "anthropic")
    for table in ("anthropic_claude_code_daily_raw", "x_source_looks"):
        path = CONFIGS / "anthropic/schemas" if table.startswith("anthropic") else HOUSE
        warehouse.ensure_table(acme, TableSchema.load(path / f"{table}.json", name=table))
    told = {"source": "org claude code", "source_slice": str(DAY), "usage_date": DAY, "told_by": "reports", "product": "claude_code"}
    spent = {
        "model": "claude-opus-5-5",
        "input_tokens": 5,
        "cached_input_tokens": 2,
        "cache_write_tokens": 0,
        "output_tokens": 1,
        "estimated_cost": Decimal("0.5"),
        "currency": "USD",
    }
    look = {"provider": "anthropic", "source": "org claude code", "first_slice": DAY, "last_slice": DAY, "looked_on": DAY}
    publish(
        warehouse,
        acme,
        anthropic_bill_daily=[billed("input", "1")],
        anthropic_claude_code_daily_raw=[{**told, **spent}],
        x_source_looks=[
            {**look, "pipeline_logging_id": "run"},
            {**look, "source": "org", "last_slice": NEXT, "pipeline_logging_id": "run"},
        ],
    )

    found = asked(warehouse, acme, sources=ModelSources(("anthropic",)))

    assert [(one.product, one.model, one.tokens, one.amount) for one in found.apart] == [
        ("claude_code", "claude-opus-5-5", 8, Decimal("0.5"))
    ]
    assert [(one.provider, one.first_day, one.last_day, one.days) for one in found.apart_untold] == [("anthropic", NEXT, NEXT, 1)]
    assert [total.cost for total in found.totals] == [Decimal(1)]


def test_each_row_says_how_complete_its_days_are(house: Warehouse, acme: Tenant) -> None:
    publish(
        house,
        acme,
        openai_cost_daily=[use("input", M, "2"), use("input", M, "2", usage_date=NEXT)],
        openai_bill_daily=[computed(), computed(NEXT)],
        deepseek_cost_daily=[use("input", M, "3")],
        deepseek_bill_daily=[computed()],
        x_cost_daily=[
            mark(DAY, provider="openai"),
            mark(NEXT, "provisional", "openai", completeness_reason="may be told otherwise"),
            mark(DAY, provider="deepseek"),
        ],
    )

    found = asked(house, acme, "day", sources=BOTH)

    assert [(line.provider, line.keys["day"], line.completeness) for line in found.lines] == [
        ("deepseek", str(DAY), "complete"),
        ("openai", str(DAY), "complete"),
        ("openai", str(NEXT), "provisional"),
    ]
    # of the second day DeepSeek told nothing, which is not that it cost nothing
    assert [line.completeness for line in asked(house, acme, sources=BOTH).lines] == ["partial", "provisional"]
    assert [(one.provider, one.completeness) for one in found.not_complete] == [("openai", "provisional"), ("deepseek", "missing")]
    assert (found.completeness["complete"], found.completeness["partial"]) == (1, 1)


@pytest.mark.parametrize("limit", [1, 5])
def test_every_row_stands_on_one_page_wherever_a_page_ends(house: Warehouse, acme: Tenant, limit: int) -> None:
    used = [
        use("input", M, "2", project_id=project, api_key_id=key, model_told=model, service_tier=tier, currency=coin)
        for project, key in ((None, None), ("", "k"), ("a", None), ("a", "k"))
        for model, tier in ((None, "batch"), ("x", "batch"), ("x", "flex"))
        for coin in ("CNY", "USD")[: 1 + (key is None)]
    ]
    publish(house, acme, openai_cost_daily=used, openai_bill_daily=[computed()])
    question = ModelQuestion(WINDOW, OPENAI, ("project", "key", "model", "service_tier"))
    whole = read_models(reader(house, acme), question, len(used)).lines

    page = read_models(reader(house, acme), question, limit)
    lines: list[ModelCost] = [*page.lines]
    while page.next_cursor is not None:
        page = read_models(reader(house, acme), question, limit, page.next_cursor)
        lines += page.lines

    assert lines == list(whole)
    assert len(lines) == len(used)


def test_groups_are_named_once_each_and_four_at_most() -> None:
    assert model_groups(["workspace,key", "model"]) == ("project", "key", "model")
    assert model_groups([]) == ("model",)
    for given, says in ((["sku"], "are not grouped by"), (["modle"], "did you mean 'model'"), (["workspace,project"], "each once")):
        with pytest.raises(Rejected, match=says):
            model_groups(given)


def test_only_providers_of_models_are_asked() -> None:
    assert "openai" in ModelSources.of(CONFIGS, None).names
    assert ModelSources.of(CONFIGS, "OpenAI").names == ("openai",)
    with pytest.raises(Rejected, match="provides no models; did you mean 'openai'"):
        ModelSources.of(CONFIGS, "openay")
    with pytest.raises(Rejected, match="providers of models are openai"):
        ModelSources.of(CONFIGS, "gcp")
