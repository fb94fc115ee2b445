"""Days with usage and a cost report, made by hand or by chance, and what the questions of the books answer of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from src.core.base.documents import read_document
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.engine.port import Fence, Warehouse
from src.core.step.books.document import BooksDocument
from src.core.step.books.placing import QuestionPlaces
from src.core.step.books.reconciled import FOLDER, ReportQuestions
from src.core.step.books.retelling import with_told_since
from src.core.step.prices import rate_card
from src.core.step.prices.rates import LARGEST

CONFIGS = Path(__file__).resolve().parents[4] / "configs"
OPENAI = CONFIGS / "openai"
USAGE, RAW, COST = "openai_usage_daily_raw", "openai_costs_daily_raw", "openai_cost_daily"
LINES, BILL, RATES = "openai_cost_reconciliation_daily", "openai_bill_daily", "rates"
DAY = date(2026, 11, 3)
MILLION = Decimal(1_000_000)
ONE_DAY = timedelta(1)
PARTS = (
    "cause_cache",
    "cause_batch",
    "cause_tier",
    "cause_long_context",
    "cause_rate_differs",
    "cause_model_unknown",
    "cause_not_in_usage",
    "cause_not_in_report",
    "cause_late_data",
    "cause_rounding",
    "unexplained",
)
RULES: Mapping[str, Any] = {
    "bill": "reported_where_complete",
    "warn_share": Decimal("0.005"),
    "hold_share": Decimal("0.02"),
    "least": Decimal("0.05"),
}


@dataclass
class BothSides:
    """Rows of openai_cost_daily, of the cost report, and the rates that usage was priced by or might have been."""

    used: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    rates: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)

    def use(self, kind: str, quantity: int, price: Decimal | str | None, **more: Any) -> dict[str, Any]:
        """`price` is of a million."""
        price = None if price is None else Decimal(price)
        row = {
            "usage_date": DAY,
            "account": "org-1",
            "project_id": "proj-1",
            "api_key_id": "key-1",
            "model": "gpt-x",
            "model_told": more.get("model", "gpt-x"),
            "service_tier": "standard",
            "token_kind": kind,
            "quantity": quantity,
            "unit": "token",
            "price": price,
            "per": None if price is None else int(MILLION),
            "currency": None if price is None else "USD",
            "cost": None if price is None else quantity * price / MILLION,
            **more,
        }
        row["bucket_start"] = datetime.combine(row["usage_date"], time(), UTC)
        self.used.append(row)
        return row

    def tell(self, line_item: str | None, amount: Decimal | str, quantity: Decimal | int | None = None, **more: Any) -> dict[str, Any]:
        account = more.pop("account", "org-1")
        row = {
            "source": f"{account} costs",
            "usage_date": DAY,
            "line_item": line_item,
            "project_id": "proj-1",
            "api_key_id": "key-1",
            "amount": Decimal(amount),
            "currency": "USD",
            "quantity": None if quantity is None else Decimal(quantity),
            "quantity_unit": "tokens" if quantity is not None else None,
            "grouped_by": "project_id,line_item,api_key_id",
            **more,
        }
        row["source_slice"] = str(row["usage_date"])
        self.told.append(row)
        return row

    def rate(self, model: str, tier: str, kind: str, price: Decimal | str) -> None:
        self.rates[model, tier, kind] = Decimal(price)


def question(name: str, **said: Any) -> str:
    """As a publication asks it, of all days at once; `said` is what books say of the report, where it is another than OpenAI's."""
    facts = read_document(OPENAI / "books.yml", BooksDocument).reconciled
    assert facts is not None
    texts = {table: table for table in (USAGE, RAW, COST, LINES, BILL)}
    further, credit = said.pop("further", None), said.pop("credit", None)
    held = ReportQuestions(facts.model_copy(update=said), "openai", CONFIGS, OPENAI)
    places = held.billing(held.named(QuestionPlaces((USAGE, RAW), texts)))
    if further:
        places = places.with_text("further", further)
    if credit:
        places = places.with_text("report", f"SELECT * EXCEPT (credit), {credit} AS credit FROM {places.texts['report']} AS report")
    shared = CONFIGS / FOLDER / f"{name}.sql"
    return places.put_into(shared if shared.exists() else OPENAI / "books" / f"{name}.sql")


def schema_of(table: str) -> TableSchema:
    return TableSchema.load(OPENAI / "schemas" / f"{table}.json", name=table)


def prepare(warehouse: Warehouse, tenant: Tenant) -> None:
    warehouse.ensure_dataset(tenant)
    for table in (RAW, COST, LINES, BILL):
        warehouse.ensure_table(tenant, schema_of(table) if table == RAW else with_told_since(schema_of(table)))
    warehouse.ensure_table(tenant, rate_card.RATES)


def booked(
    warehouse: Warehouse,
    tenant: Tenant,
    sides: BothSides,
    settled: Iterable[date] = (DAY,),
    said: Mapping[str, Any] | None = None,
    **rules: Any,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines and bill, made in one publication as a load makes them."""
    rows = {RAW: sides.told, COST: [_whole(row) for row in sides.used], RATES: [_rate(*one) for one in sides.rates.items()]}
    asked = {**RULES, **rules, "settled": list(settled)}
    generation = warehouse.last_generation(tenant, "tests") + 1
    with warehouse.publication(tenant, f"run_{generation}", Fence("tests", generation)) as publication:
        for table in (RAW, COST, RATES, LINES, BILL):
            publication.replace(table, rows.get(table, []))
        for table, name in ((LINES, "compared"), (BILL, "bill")):
            text = question(name, **(said or {}))
            publication.insert(table, text, {key: value for key, value in asked.items() if f"@{key}" in text})
    return _sorted(warehouse, tenant, LINES), _sorted(warehouse, tenant, BILL)


def answers(
    warehouse: Warehouse,
    tenant: Tenant,
    name: str,
    settled: Iterable[date] = (DAY,),
    said: Mapping[str, Any] | None = None,
    **rules: Any,
) -> list[dict[str, Any]]:
    text = question(name, **(said or {}))
    asked = {key: value for key, value in {**RULES, **rules, "settled": list(settled)}.items() if f"@{key}" in text}
    rows: list[dict[str, Any]] = warehouse.query(tenant, text, asked).to_pylist()
    return rows


def parts_of(line: Mapping[str, Any]) -> dict[str, Decimal]:
    """Those that are not nought."""
    return {name: line[name] for name in PARTS if line[name]}


def by_item(lines: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {line["line_item"]: line for line in lines}


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"endpoint": "completions", "bucket_end": row["bucket_start"] + ONE_DAY, "may_be_long": False, "price_unit": row["unit"], **row}


def _rate(at: tuple[str, str, str], price: Decimal) -> dict[str, Any]:
    model, tier, kind = at
    return {
        "told_model": model,
        "told_tier": tier,
        "told_kind": kind,
        "told_region": "any",
        "told_window": "any",
        "valid_from": datetime(2020, 1, 1, tzinfo=UTC),
        "valid_to": datetime(2100, 1, 1, tzinfo=UTC),
        "rate_until": datetime(2100, 1, 1, tzinfo=UTC),
        "over_from": 0,
        "over_to": LARGEST,
        "unit_price": price / MILLION,
        "rest": 0,
        "doubt_over": LARGEST,
        "change_reason": "",
    }


def _sorted(warehouse: Warehouse, tenant: Tenant, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = warehouse.query(tenant, f"SELECT * FROM {table}").to_pylist()
    return sorted(rows, key=lambda row: [str(row[key]) for key in row if not isinstance(row[key], Decimal)])
