"""Table schemas as files: BigQuery's own JSON field list, with partition and cluster as facts beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import IDENTIFIER, did_you_mean

FieldType = Literal[
    "STRING", "BYTES", "INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "TIME", "DATETIME", "TIMESTAMP", "JSON", "STRUCT"
]
Mode = Literal["REQUIRED", "NULLABLE", "REPEATED"]
Granularity = Literal["hour", "day", "month", "year"]

# BigQuery accepts both spellings in schema files; one of them is enough inside.
SPELLINGS: dict[str, FieldType] = {
    "STRING": "STRING",
    "BYTES": "BYTES",
    "INT64": "INT64",
    "INTEGER": "INT64",
    "FLOAT64": "FLOAT64",
    "FLOAT": "FLOAT64",
    "NUMERIC": "NUMERIC",
    "BIGNUMERIC": "BIGNUMERIC",
    "BOOL": "BOOL",
    "BOOLEAN": "BOOL",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "DATETIME",
    "TIMESTAMP": "TIMESTAMP",
    "JSON": "JSON",
    "STRUCT": "STRUCT",
    "RECORD": "STRUCT",
}
FIELD_KEYS = frozenset({"name", "type", "mode", "description", "fields"})


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: FieldType
    mode: Mode = "NULLABLE"
    description: str = ""
    fields: tuple["Field", ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, Any], file: str) -> Self:
        name = str(raw.get("name", ""))
        flaw = _field_flaw(raw, name)
        if flaw:
            raise Misconfigured("a table schema file is wrong", flaws=[Flaw(flaw, field=name or None, file=file)])
        return cls(
            name=name,
            type=SPELLINGS[str(raw["type"]).upper()],
            mode=raw.get("mode", "NULLABLE").upper(),
            description=raw.get("description", ""),
            fields=tuple(cls.parse(child, file) for child in raw.get("fields", ())),
        )


def _field_flaw(raw: Mapping[str, Any], name: str) -> str | None:
    unknown = sorted(set(raw) - FIELD_KEYS)
    if unknown:
        return f"unknown key {unknown[0]!r}{did_you_mean(unknown[0], FIELD_KEYS)}"
    if not IDENTIFIER.fullmatch(name):
        return f"{name!r} is not a column name"
    kind = str(raw.get("type", "")).upper()
    if kind not in SPELLINGS:
        return f"unknown type {kind!r}{did_you_mean(kind, SPELLINGS)}"
    if str(raw.get("mode", "NULLABLE")).upper() not in ("REQUIRED", "NULLABLE", "REPEATED"):
        return f"unknown mode {raw['mode']!r}; REQUIRED, NULLABLE or REPEATED"
    if (SPELLINGS[kind] == "STRUCT") != bool(raw.get("fields")):
        return "a STRUCT needs `fields`, and nothing else has them"
    return None


@dataclass(frozen=True, slots=True)
class Partition:
    field: str
    granularity: Granularity = "day"


@dataclass(frozen=True, slots=True)
class SliceColumns:
    """By which columns a table of raw rows names the source and the slice of each, and the day that lies within the slice."""

    source: str
    slice: str
    day: str


@dataclass(frozen=True, slots=True)
class TableSchema:
    name: str
    fields: tuple[Field, ...]
    description: str = ""
    partition: Partition | None = None
    cluster: tuple[str, ...] = field(default=())
    slices: SliceColumns | None = None
    """Of a table that is its slices: each is replaced whole, and an engine may keep its file as it came."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.fields)

    @classmethod
    def load(cls, path: Path, *, name: str | None = None) -> Self:
        return cls.parse(read_columns(path), str(path), name=name or path.stem)

    @classmethod
    def parse(
        cls,
        columns: Sequence[Mapping[str, Any]],
        file: str,
        *,
        name: str,
        description: str = "",
        partition: Partition | None = None,
        cluster: Sequence[str] = (),
    ) -> Self:
        """Columns as a schema file has them; `file` is named where they are wrong."""
        fields = tuple(Field.parse(column, file) for column in columns)
        schema = cls(name=name, fields=fields, description=description, partition=partition, cluster=tuple(cluster))
        schema._check(file)
        return schema

    def _check(self, file: str) -> None:
        # to BigQuery columns that differ in case alone are the same
        names = [column.lower() for column in self.columns]
        doubled = sorted({name for name in names if names.count(name) > 1})
        named = [*([self.partition.field] if self.partition else []), *self.cluster]
        unknown = [name for name in named if name not in self.columns]
        flaws = [Flaw("this column stands twice", field=name, file=file) for name in doubled]
        flaws += [
            Flaw(f"partition or cluster column is not in the schema{did_you_mean(name, self.columns)}", field=name, file=file)
            for name in unknown
        ]
        if flaws:
            raise Misconfigured(f"the schema of {self.name} is wrong", flaws=flaws)


def read_columns(path: Path) -> list[dict[str, Any]]:
    try:
        columns: list[dict[str, Any]] = json.loads(path.read_text())
    except FileNotFoundError as missing:
        raise Misconfigured("a table schema file is missing", flaws=[Flaw("not found", file=str(path))]) from missing
    except json.JSONDecodeError as wrong:
        raise Misconfigured("a table schema file is not JSON", flaws=[Flaw(wrong.msg, file=str(path), line=wrong.lineno)]) from wrong
    return columns
