"""Rows as Arrow, in the types in which BigQuery gives them out."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from src.core.providers.export import ExportKind
from src.sandbox.gcp.rows import Adjustment, ConsumptionModel, Labels, Location, Project, Row, RowInvoice, Sku, Tag
from src.sandbox.gcp.schema import COLUMNS, ExportField, columns

MICROSECONDS = 1_000_000
FUTURE_DISCOUNT = 0.9
BATCH_ROWS = 2_000  # what a reader holds of a day at once
SCALARS = {
    "STRING": pa.string(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "NUMERIC": pa.decimal128(38, 9),
}


def arrow_type(field: ExportField) -> pa.DataType:
    """As BigQuery names it in Arrow."""
    one = pa.struct([pa.field(inner.name, arrow_type(inner)) for inner in field.fields]) if field.fields else SCALARS[field.type]
    return pa.list_(one) if field.repeated else one


TYPES = {column.name: arrow_type(column) for column in COLUMNS}


def press(rows: Sequence[Row], kind: ExportKind, day: date, path: Path) -> None:
    there = list(columns(kind, day))
    arrays = [MAKERS[column.name](rows, TYPES[column.name]) for column in there]
    table = pa.Table.from_arrays(arrays, [column.name for column in there])
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)


Pick = Callable[[Row], Any]
Maker = Callable[[Sequence[Row], pa.DataType], pa.Array]


def _plain(pick: Pick) -> Maker:
    return lambda rows, kind: pa.array([pick(row) for row in rows], kind)


def _shared(pick: Pick, shape: Callable[[Any], object]) -> Maker:
    """Builds each value once: `pick` must name something the row itself holds, for values are told apart by identity."""

    def make(rows: Sequence[Row], kind: pa.DataType) -> pa.Array:
        places: dict[int, int] = {}
        values: list[object] = []
        indices = []
        for row in rows:
            held = pick(row)
            place = places.get(id(held))
            if place is None:
                place = places[id(held)] = len(values)
                values.append(None if held is None else shape(held))
            indices.append(place)
        return pa.array(values, kind).take(pa.array(indices, pa.int32()))

    return make


def _invoice(invoice: RowInvoice) -> object:
    return {"month": invoice.month, "publisher_type": invoice.publisher}


def _pairs(labels: Labels) -> object:
    return [{"key": key, "value": value} for key, value in labels]


def _project(project: Project) -> object:
    return {
        "id": project.id,
        "number": project.number,
        "name": project.name,
        "labels": _pairs(project.labels),
        "ancestry_numbers": f"/1000/{project.folder}/",
        "ancestors": [
            {"resource_name": f"projects/{project.number}", "display_name": project.name},
            {"resource_name": f"folders/{project.folder}", "display_name": "engineering"},
        ],
    }


def _tags(tags: tuple[Tag, ...]) -> object:
    return [{"key": tag.key, "value": tag.value, "inherited": tag.inherited, "namespace": tag.namespace} for tag in tags]


def _place(place: Location) -> object:
    return {"location": place.location, "country": place.country, "region": place.region, "zone": place.zone}


def _resource(names: tuple[str, ...]) -> object:
    return {"name": names[0].rsplit("/", 1)[1], "global_name": f"//sandbox.googleapis.com/{names[0]}"} if names else None


def _adjustment(adjustment: Adjustment) -> object:
    return {"id": adjustment.id, "description": adjustment.description, "mode": adjustment.mode, "type": adjustment.type}


def _model(model: ConsumptionModel) -> object:
    return {"id": model.id, "description": model.description}


def _price(sku: Sku) -> object:
    price = Decimal(sku.price)
    return {
        "effective_price": price,
        "list_price": price * Decimal("1.25"),
        "effective_price_default": price,
        "list_price_consumption_model": None,
        "tier_start_amount": Decimal(0),
        "pricing_unit_quantity": Decimal(1),
        "unit": sku.pricing_unit,
    }


def _usage(rows: Sequence[Row], kind: pa.DataType) -> pa.Array:
    return pa.StructArray.from_arrays(
        [
            pa.array([row.amount for row in rows], pa.float64()),
            pa.array([row.sku.unit for row in rows], pa.string()),
            pa.array([row.amount / row.sku.units_per_pricing_unit for row in rows], pa.float64()),
            pa.array([row.sku.pricing_unit for row in rows], pa.string()),
        ],
        fields=list(kind),
    )


def _credits(rows: Sequence[Row], kind: pa.DataType) -> pa.Array:
    offsets = [0]
    for row in rows:
        offsets.append(offsets[-1] + len(row.credits))
    flat = [credit for row in rows for credit in row.credits]
    children = [pa.array([getattr(credit.kind, name) for credit in flat], pa.string()) for name in ("id", "full_name", "type", "name")]
    children.append(pa.array([credit.amount for credit in flat], pa.float64()))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(children, fields=list(kind.value_type)))


def _future(row: Row) -> float | None:
    return None if row.cost_at_list is None else row.cost_at_list * FUTURE_DISCOUNT


MAKERS: dict[str, Maker] = {
    "billing_account_id": _plain(lambda row: row.account),
    "invoice": _shared(lambda row: row.invoice, _invoice),
    "cost_type": _plain(lambda row: row.cost_type),
    "service": _shared(lambda row: row.sku, lambda sku: {"id": sku.service_id, "description": sku.service}),
    "sku": _shared(lambda row: row.sku, lambda sku: {"id": sku.id, "description": sku.description}),
    "usage_start_time": _plain(lambda row: row.start * MICROSECONDS),
    "usage_end_time": _plain(lambda row: row.end * MICROSECONDS),
    "project": _shared(lambda row: row.project, _project),
    "labels": _shared(lambda row: row.labels, _pairs),
    "system_labels": _shared(lambda row: row.system_labels, _pairs),
    "tags": _shared(lambda row: row.tags, _tags),
    "location": _shared(lambda row: row.place, _place),
    "resource": _shared(lambda row: row.resources, _resource),
    "transaction_type": _plain(lambda row: row.transaction),
    "seller_name": _plain(lambda row: row.seller),
    "export_time": _plain(lambda row: row.exported * MICROSECONDS),
    "cost": _plain(lambda row: row.cost),
    "cost_at_list": _plain(lambda row: row.cost_at_list),
    "cost_at_effective_price_default": _plain(lambda row: row.cost),
    "currency": _plain(lambda row: row.currency),
    "currency_conversion_rate": _plain(lambda row: row.rate),
    "usage": _usage,
    "credits": _credits,
    "adjustment_info": _shared(lambda row: row.adjustment, _adjustment),
    "price": _shared(lambda row: row.sku, _price),
    "subscription": _shared(lambda row: row.subscription, lambda name: {"instance_id": name}),
    "cost_at_list_consumption_model": _plain(lambda row: row.cost_at_list if row.model else None),
    "consumption_model": _shared(lambda row: row.model, _model),
    "cost_at_list_future": _plain(_future),
}
