"""What rows come to while they are still on their way: asked of Arrow tables, with no dataset and no file."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from src.core.base.schema import TableSchema
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.duckdb.staging import STAGED, stage
from src.core.engine.duckdb.types import quoted
from src.core.engine.values import plain_table

NOWHERE = Path()


class DuckDBMeasure:
    """One question of rows staged as `name` in the columns of `shape`, as a publication would ask it of them."""

    def __init__(self, name: str, shape: TableSchema, sql: str) -> None:
        # to bind a wide table costs more than to ask a few of its columns; one that is named in vain costs little
        named = tuple(field for field in shape.fields if re.search(rf"\b{re.escape(field.name)}\b", sql, re.IGNORECASE)) or shape.fields
        self._name, self._shape, self._sql = name, TableSchema(shape.name, named), sql
        self._columns = frozenset(field.name.lower() for field in named)
        self._rendered: str | None = None
        self._staged: pa.Schema | None = None

    def __call__(self, rows: pa.Table) -> list[Mapping[str, Any]] | None:
        """None of rows that do not fit: the publication that stages them says why."""
        try:
            given = rows.select([name for name in rows.column_names if name.lower() in self._columns])
            if given.schema == self._staged:
                # the view stands, and reads what has its name by now
                self._cursor.register(STAGED + self._name, given)
            else:
                stage(self._cursor, NOWHERE, self._name, given, self._shape)
                self._staged = given.schema
            told: list[Mapping[str, Any]] = plain_table(self._cursor.sql(self._statement()).to_arrow_table()).to_pylist()
        except duckdb.Error:
            return None
        return told

    @cached_property
    def _cursor(self) -> duckdb.DuckDBPyConnection:
        # only for who is asked: what comes as files is measured where it is staged
        cursor = duckdb.connect(":memory:", config={"threads": 1})
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def _statement(self) -> str:
        if self._rendered is None:
            seen = self._cursor.sql(f"SELECT * FROM {quoted(self._name)} LIMIT 0")
            kinds = {column: str(kind) for column, kind in zip(seen.columns, seen.types, strict=True)}
            self._rendered = Catalogue({self._name: kinds}).render(self._sql).sql
        return self._rendered
