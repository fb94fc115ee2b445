"""The columns of a usage export as Google types them, and since when each is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from src.core.providers.export import ExportKind
from src.sandbox.gcp.accounts import usage_tables


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    fields: tuple["Field", ...] = ()
    repeated: bool = False
    since: date | None = None
    detailed_only: bool = False

    def as_bigquery(self) -> dict[str, object]:
        told: dict[str, object] = {"name": self.name, "type": self.type, "mode": "REPEATED" if self.repeated else "NULLABLE"}
        if self.fields:
            told["fields"] = [field.as_bigquery() for field in self.fields]
        return told


def _texts(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "STRING") for name in names)


_KEY_VALUE = _texts("key", "value")
_PRICES = ("effective_price", "list_price", "effective_price_default", "list_price_consumption_model")

COLUMNS = (
    Field("billing_account_id", "STRING"),
    Field("invoice", "RECORD", _texts("month", "publisher_type")),
    Field("cost_type", "STRING"),
    Field("service", "RECORD", _texts("id", "description")),
    Field("sku", "RECORD", _texts("id", "description")),
    Field("usage_start_time", "TIMESTAMP"),
    Field("usage_end_time", "TIMESTAMP"),
    Field(
        "project",
        "RECORD",
        (
            *_texts("id", "number", "name"),
            Field("labels", "RECORD", _KEY_VALUE, repeated=True),
            Field("ancestry_numbers", "STRING"),
            Field("ancestors", "RECORD", _texts("resource_name", "display_name"), repeated=True),
        ),
    ),
    Field("labels", "RECORD", _KEY_VALUE, repeated=True),
    Field("system_labels", "RECORD", _KEY_VALUE, repeated=True),
    Field("tags", "RECORD", (*_KEY_VALUE, Field("inherited", "BOOLEAN"), Field("namespace", "STRING")), repeated=True),
    Field("location", "RECORD", _texts("location", "country", "region", "zone")),
    Field("resource", "RECORD", _texts("name", "global_name"), detailed_only=True),
    Field("transaction_type", "STRING"),
    Field("seller_name", "STRING"),
    Field("export_time", "TIMESTAMP"),
    Field("cost", "FLOAT"),
    Field("cost_at_list", "FLOAT"),
    Field("cost_at_effective_price_default", "FLOAT"),
    Field("currency", "STRING"),
    Field("currency_conversion_rate", "FLOAT"),
    Field(
        "usage", "RECORD", (Field("amount", "FLOAT"), *_texts("unit"), Field("amount_in_pricing_units", "FLOAT"), *_texts("pricing_unit"))
    ),
    Field("credits", "RECORD", (*_texts("id", "full_name", "type", "name"), Field("amount", "FLOAT")), repeated=True),
    Field("adjustment_info", "RECORD", _texts("id", "description", "mode", "type")),
    Field(
        "price",
        "RECORD",
        (*(Field(name, "NUMERIC") for name in (*_PRICES, "tier_start_amount", "pricing_unit_quantity")), Field("unit", "STRING")),
    ),
    Field("subscription", "RECORD", _texts("instance_id")),
    # Google adds columns at the end and without notice; these two stand for that
    Field("cost_at_list_consumption_model", "FLOAT", since=date(2026, 7, 1)),
    Field("consumption_model", "RECORD", _texts("id", "description"), since=date(2026, 7, 1)),
    Field("cost_at_list_future", "FLOAT", since=date(2026, 10, 1)),
)


def columns(kind: ExportKind, day: date) -> Iterator[Field]:
    """Those a file written on this day has."""
    for column in COLUMNS:
        if (column.since is None or column.since <= day) and (kind == "detailed" or not column.detailed_only):
            yield column


PRICING_COLUMNS = (
    Field("export_time", "TIMESTAMP"),
    Field("billing_account_id", "STRING"),
    Field("sku", "RECORD", (Field("id", "STRING"),)),
)


def fields_of(project: str, table: str, today: date) -> tuple[Field, ...]:
    """The columns that a table has on this day; a column that came later is NULL in the days before."""
    usage = usage_tables(project).get(table)
    return tuple(columns(usage.kind, today - timedelta(days=1))) if usage else PRICING_COLUMNS
