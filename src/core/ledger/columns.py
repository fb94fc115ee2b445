"""How the types of schema files are kept by an engine. On SQLite instants, money and JSON are text, so that nothing is rounded."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Date, DateTime, Numeric, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from src.core.base.faults import Flaw, Misconfigured
from src.core.base.schema import Field

SQLITE = "sqlite"
BIGQUERY = "bigquery"


class Instant(TypeDecorator[datetime]):
    """An aware moment in UTC. As text always with six decimals and the offset, so that it sorts as it reads."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == SQLITE else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if dialect.name == SQLITE:
            return instant_text(value)
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromisoformat(value) if dialect.name == SQLITE else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    impl = Numeric(38, 9)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == SQLITE else Numeric(38, 9))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        # on every engine, also where the text is not needed: it refuses floats
        text = money_text(value)
        return text if dialect.name == SQLITE else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 the base class names it
        return None if value is None else Decimal(value)


class Json(TypeDecorator[Any]):
    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # BigQuery's client makes JSON of values and values of JSON itself
        return dialect.type_descriptor(JSON() if dialect.name not in (SQLITE, BIGQUERY) else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        text = json_text(value)
        # through the text and back, so that amounts, days and enums become the same on every engine
        return text if dialect.name == SQLITE else json.loads(text)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value) if isinstance(value, str) and dialect.name == SQLITE else value


@lru_cache(maxsize=64)
def instant_text(value: datetime | None) -> str | None:
    return None if value is None else _in_utc(value).isoformat(timespec="microseconds")


def day_text(value: date | None) -> str | None:
    # asked of `date` itself: a datetime is one too, and its own text would bring the time along
    return None if value is None else date.isoformat(value)


def _in_utc(value: datetime) -> datetime:
    # `astimezone` would take it for this machine's own time
    if value.tzinfo is None:
        raise ValueError("the ledger keeps aware datetimes only")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def money_text(value: Any) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError("money is a finite Decimal")
    # by str some amounts would be 1E+3
    return format(value, "f")


def json_text(value: Any) -> str:
    return _JSON.encode(value)


def _plain(value: object) -> str:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"a {type(value).__name__} cannot be kept as JSON")


# by itself Python writes NaN and Infinity, which JSON does not have
_JSON = json.JSONEncoder(default=_plain, allow_nan=False, separators=(",", ":"))


TYPES: dict[str, TypeEngine[Any]] = {
    # compared and sorted by its bytes, as on SQLite, whatever the language of the database
    "STRING": Text().with_variant(Text(collation="C"), "postgresql"),
    "INT64": BigInteger(),
    "BOOL": Boolean(),
    "DATE": Date(),
    "TIMESTAMP": Instant(),
    "NUMERIC": Money(),
    "JSON": Json(),
}


def column_type(field: Field, file: str) -> TypeEngine[Any]:
    # SQLite has no arrays; a list is kept as JSON
    if field.type not in TYPES or field.mode == "REPEATED":
        flaw = Flaw(f"{field.type} {field.mode} is not kept by the ledger; use {', '.join(TYPES)}", field=field.name, file=file)
        raise Misconfigured("the schema of a management table is wrong", flaws=[flaw])
    return TYPES[field.type]
