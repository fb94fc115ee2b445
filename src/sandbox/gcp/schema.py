"""The columns of a usage export as Google types them, and since when each is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from src.core.providers.export import ExportKind
from src.sandbox.gcp.accounts import usage_tables


@dataclass(frozen=True, slots=True)
class ExportField:
    name: str
    type: str
    fields: tuple["ExportField", ...] = ()
    repeated: bool = False
    since: date | None = None
    detailed_only: bool = False

    def as_bigquery(self) -> dict[str, object]:
        told: dict[str, object] = {"name": self.name, "type": self.type, "mode": "REPEATED" if self.repeated else "NULLABLE"}
        if self.fields:
            told["fields"] = [field.as_bigquery() for field in self.fields]
        return told


def _texts(*names: str) -> tuple[ExportField, ...]:
    return tuple(ExportField(name, "STRING") for name in names)


_KEY_VALUE = _texts("key", "value")
_PRICES = ("effective_price", "list_price", "effective_price_default", "list_price_consumption_model")

COLUMNS = (
    ExportField("billing_account_id", "STRING"),
    ExportField("invoice", "RECORD", _texts("month", "publisher_type")),
    ExportField("cost_type", "STRING"),
    ExportField("service", "RECORD", _texts("id", "description")),
    ExportField("sku", "RECORD", _texts("id", "description")),
    ExportField("usage_start_time", "TIMESTAMP"),
    ExportField("usage_end_time", "TIMESTAMP"),
    ExportField(
        "project",
        "RECORD",
        (
            *_texts("id", "number", "name"),
            ExportField("labels", "RECORD", _KEY_VALUE, repeated=True),
            ExportField("ancestry_numbers", "STRING"),
            ExportField("ancestors", "RECORD", _texts("resource_name", "display_name"), repeated=True),
        ),
    ),
    ExportField("labels", "RECORD", _KEY_VALUE, repeated=True),
    ExportField("system_labels", "RECORD", _KEY_VALUE, repeated=True),
    ExportField("tags", "RECORD", (*_KEY_VALUE, ExportField("inherited", "BOOLEAN"), ExportField("namespace", "STRING")), repeated=True),
    ExportField("location", "RECORD", _texts("location", "country", "region", "zone")),
    ExportField("resource", "RECORD", _texts("name", "global_name"), detailed_only=True),
    ExportField("transaction_type", "STRING"),
    ExportField("seller_name", "STRING"),
    ExportField("export_time", "TIMESTAMP"),
    ExportField("cost", "FLOAT"),
    ExportField("cost_at_list", "FLOAT"),
    ExportField("cost_at_effective_price_default", "FLOAT"),
    ExportField("currency", "STRING"),
    ExportField("currency_conversion_rate", "FLOAT"),
    ExportField(
        "usage",
        "RECORD",
        (ExportField("amount", "FLOAT"), *_texts("unit"), ExportField("amount_in_pricing_units", "FLOAT"), *_texts("pricing_unit")),
    ),
    ExportField("credits", "RECORD", (*_texts("id", "full_name", "type", "name"), ExportField("amount", "FLOAT")), repeated=True),
    ExportField("adjustment_info", "RECORD", _texts("id", "description", "mode", "type")),
    ExportField(
        "price",
        "RECORD",
        (
            *(ExportField(name, "NUMERIC") for name in (*_PRICES, "tier_start_amount", "pricing_unit_quantity")),
            ExportField("unit", "STRING"),
        ),
    ),
    ExportField("subscription", "RECORD", _texts("instance_id")),
    # Google adds columns at the end and without notice; these two stand for that
    ExportField("cost_at_list_consumption_model", "FLOAT", since=date(2026, 7, 1)),
    ExportField("consumption_model", "RECORD", _texts("id", "description"), since=date(2026, 7, 1)),
    ExportField("cost_at_list_future", "FLOAT", since=date(2026, 10, 1)),
)


def columns(kind: ExportKind, day: date) -> Iterator[ExportField]:
    """Those a file written on this day has."""
    for column in COLUMNS:
        if (column.since is None or column.since <= day) and (kind == "detailed" or not column.detailed_only):
            yield column


PRICING_COLUMNS = (
    ExportField("export_time", "TIMESTAMP"),
    ExportField("billing_account_id", "STRING"),
    ExportField("sku", "RECORD", (ExportField("id", "STRING"),)),
)


def fields_of(project: str, table: str, today: date) -> tuple[ExportField, ...]:
    """The columns that a table has on this day; a column that came later is NULL in the days before."""
    usage = usage_tables(project).get(table)
    return tuple(columns(usage.kind, today - timedelta(days=1))) if usage else PRICING_COLUMNS
