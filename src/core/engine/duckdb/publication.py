"""One DuckDB transaction that holds everything a run publishes.

Fences. The first statement advances the row of the publication's scope. No row means that this generation, or a newer one,
was published already; a conflict means that another publication of the scope is open or came between. Both are `Superseded`,
except when the one that is open is no newer (an older claim's, or an earlier try's of the same step): then the caller may
try again (`Throttled`). `replace`, UPDATE, DELETE and MERGE also advance a row of their table, so that two scopes cannot both
replace rows that neither of them sees: the second is `Throttled` and runs again on what the first left. Appends of different
scopes to one table both commit.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa

from src.core.base.clock import Clock
from src.core.base.faults import Conflict, Fault, Missing, Rejected, Superseded, Throttled
from src.core.base.names import identifier
from src.core.base.schema import TableSchema
from src.core.engine.dialect.rendering import Catalogue, Rendered
from src.core.engine.dialect.statements import Purpose
from src.core.engine.duckdb.conditions import DuckDBCondition, conditions, guarded
from src.core.engine.duckdb.faults import RETRY_SECONDS
from src.core.engine.duckdb.instance import FENCES, HOUSEKEEPING, Instance
from src.core.engine.duckdb.staging import Incoming, StagedFiles, incoming, stage
from src.core.engine.duckdb.store.landing import AnsweredRows
from src.core.engine.duckdb.store.writing import RawWriting
from src.core.engine.duckdb.types import quoted
from src.core.engine.loadable import match_columns
from src.core.engine.port import WHOLE_TABLE, Content, Fence, Params, ParquetFiles, RemoteRows, StagedShape, TablePart
from src.core.engine.values import bound_values, plain_table

TABLE_SCOPE = "table:"
STAMP = "run_id = $run_id, published_at = $at WHERE scope = $scope"
ADVANCE = f"UPDATE {FENCES} SET generation = $generation, {STAMP} AND (generation IS NULL OR generation < $generation)"
ADVANCE_TABLE = f"UPDATE {FENCES} SET generation = coalesce(generation, 0) + 1, {STAMP}"
PUBLISHED = f"SELECT generation FROM {FENCES} WHERE scope = $scope"


def table_scope(table: str) -> str:
    return TABLE_SCOPE + table


@contextmanager
def publishing(instance: Instance, run_id: str, fence: Fence, clock: Clock) -> Iterator["DuckDBPublication"]:
    if fence.scope.startswith(TABLE_SCOPE):
        raise Rejected(f"a fence's scope does not start with {TABLE_SCOPE!r}; that is how tables are fenced")
    instance.seed(fence.scope)
    with instance.publishing(), instance.kept.writing(), instance.cursor() as cursor:
        publication = DuckDBPublication(instance, cursor, run_id, clock.now())
        cursor.begin()
        committed = False
        try:
            _claim(instance, cursor, run_id, fence, clock.now())
            instance.claims[fence.scope] = fence.generation
            yield publication
            publication.check()
            publication.show()
            cursor.commit()
            committed = True
        finally:
            if not committed:
                # a failed commit has rolled back by itself
                with suppress(duckdb.Error):
                    cursor.rollback()
            # after a fatal error in the commit nobody knows: the next opening asks the list
            publication.settle(committed=None if instance.broken and not committed else committed)
            # once this one has committed, a newer one may have claimed the scope already
            if instance.claims.get(fence.scope) == fence.generation:
                del instance.claims[fence.scope]


def published_generation(instance: Instance, scope: str) -> int:
    with instance.cursor() as cursor:
        [(published,)] = cursor.execute(f"SELECT max(generation) FROM ({PUBLISHED})", {"scope": scope}).fetchall()
    return int(published or 0)


def _claim(instance: Instance, cursor: duckdb.DuckDBPyConnection, run_id: str, fence: Fence, at: datetime) -> None:
    values = {"scope": fence.scope, "generation": fence.generation, "run_id": run_id, "at": at}
    try:
        advanced = _count(cursor.execute(ADVANCE, values))
    except duckdb.TransactionException as conflict:
        # through another one: the conflict has aborted this transaction, and it knew only what stood when it began
        with instance.cursor() as other:
            [(published,)] = other.execute(PUBLISHED, {"scope": fence.scope}).fetchall()
        # the conflict does not say by whom: what is committed is in the file, what is open only in this process knows
        if (published or 0) >= fence.generation or instance.claims.get(fence.scope, 0) > fence.generation:
            raise _superseded(fence) from conflict
        raise Throttled(f"a publication of {fence.scope} is still open; run this again", retry_after=RETRY_SECONDS) from conflict
    if not advanced:
        raise _superseded(fence)


def _superseded(fence: Fence) -> Superseded:
    return Superseded(f"a publication of {fence.scope} as new as generation {fence.generation} came first; nothing was written")


def _count(done: duckdb.DuckDBPyConnection) -> int:
    [(count,)] = done.fetchall()
    return int(count)


class DuckDBPublication:
    def __init__(self, instance: Instance, cursor: duckdb.DuckDBPyConnection, run_id: str, at: datetime) -> None:
        self._instance, self._cursor, self._run_id, self._at = instance, cursor, run_id, at
        self._fenced: set[str] = set()
        self._failure: Fault | None = None
        self._staged: dict[str, dict[str, str]] = {}
        self._files: dict[str, tuple[StagedFiles, ...]] = {}
        self._left: set[str] = set()
        self._raw = RawWriting(cursor, instance.raw, run_id, at, instance.reclaim.claim)

    def stage(self, name: str, source: "ParquetFiles | RemoteRows | pa.Table", shape: TableSchema | None) -> StagedShape:
        if isinstance(source, RemoteRows):
            raise Rejected("DuckDB reads no table of another project; fetch its rows first")
        with self._statement():
            if identifier(name) in self._instance.catalogue().columns or name in HOUSEKEEPING:
                raise Conflict(f"{name} is a table or view of this dataset; a staged source needs another name")
            staged = stage(self._cursor, self._instance.io, name, source, shape)
            seen = self._cursor.sql(f"SELECT * FROM {quoted(name)} LIMIT 0")
            self._staged[name] = {column: str(kind) for column, kind in zip(seen.columns, seen.types, strict=True)}
            self._files[name] = staged.files or ()
            return staged.shape

    def remove(self, table: str, part: TablePart = WHOLE_TABLE) -> int:
        with self._statement():
            self._check_target(table)
            return self._delete(table, part)

    def insert(self, table: str, sql: str, params: Params | None = None, part: TablePart = WHOLE_TABLE) -> int:
        with self._statement():
            self._check_target(table)
            rendered = self._rendered(sql)
            values = dict(bound_values(params, rendered.parameters))
            given = self._cursor.sql(f"SELECT * FROM ({rendered.sql}) LIMIT 0", params=values).columns
            guard = guarded(part, self._instance.catalogue().need(table), match_columns(given, self._instance.catalogue().need(table)))
            if table in self._instance.catalogue().sliced:
                self._fence_table(table)
                return self._kept(table, AnsweredRows(rendered.sql, values, given), rendered.names, guard)
            values |= guard.values
            return _count(self._cursor.execute(f"INSERT INTO {quoted(table)} BY NAME SELECT * FROM ({rendered.sql}){guard.clause}", values))

    def append(self, table: str, source: Content) -> int:
        with self._statement():
            self._check_target(table)
            with incoming(self._cursor, self._instance, table, source) as rows:
                return self._insert(table, rows, WHOLE_TABLE)

    def replace(self, table: str, source: Content, part: TablePart = WHOLE_TABLE) -> int:
        with self._statement():
            self._check_target(table)
            self._delete(table, part)
            with incoming(self._cursor, self._instance, table, source) as rows:
                return self._insert(table, rows, part)

    def execute(self, sql: str, params: Params | None = None) -> int:
        with self._statement():
            rendered = self._rendered(sql, "change")
            if rendered.changed in self._staged:
                raise Rejected(f"{rendered.changed} is a staged source; it is read, not changed")
            # what is appended sees no other rows, so two may append at once
            if rendered.changed and not rendered.appends:
                self._fence_table(rendered.changed)
            values = bound_values(params, rendered.parameters)
            if rendered.changed in self._instance.catalogue().sliced:
                return self._changed(rendered, values)
            return _count(self._cursor.execute(rendered.sql, values))

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        with self._statement():
            rendered = self._rendered(sql)
            return plain_table(self._cursor.sql(rendered.sql, params=bound_values(params, rendered.parameters)).to_arrow_table())

    def check(self) -> None:
        """DuckDB would commit what preceded a failed statement; a publication is whole or not at all."""
        if self._failure:
            raise Conflict(f"a statement of this publication failed, so nothing of it is published: {self._failure.detail}")

    def show(self) -> None:
        """What readers see when this is committed."""
        self._raw.show()
        self._left = self._raw.left()

    def settle(self, *, committed: bool | None) -> None:
        self._instance.reclaim.settle(self._raw.claimed, self._left, committed=committed)
        self._instance.may_fold |= bool(committed and self._raw.claimed)

    def _rendered(self, sql: str, purpose: Purpose = "query") -> Rendered:
        rendered = self._catalogue().render(sql, purpose)
        if not self._staged.keys() >= {*rendered.names}:
            self._raw.show()
        return rendered

    def _kept(self, table: str, answer: AnsweredRows, names: tuple[str, ...], guard: DuckDBCondition) -> int:
        staged = names[0] if len(names) == 1 else ""
        if self._files.get(staged):
            kept = self._raw.adopt(table, self._files[staged], staged, answer, guard)
            if kept is not None:
                return kept
        return self._raw.write(table, f"SELECT * FROM ({answer.sql}){guard.clause}", {**answer.values, **guard.values})

    def _changed(self, rendered: Rendered, values: Mapping[str, Any]) -> int:
        self._fence_table(str(rendered.changed))
        return self._raw.change(rendered.sql, values)

    def _catalogue(self) -> Catalogue:
        """The dataset's relations and what this publication has staged."""
        catalogue = self._instance.catalogue()
        return catalogue.extended(self._staged) if self._staged else catalogue

    def _delete(self, table: str, part: TablePart) -> int:
        self._fence_table(table)
        if table in self._instance.catalogue().sliced:
            return self._raw.remove(table, part)
        where = conditions(part, self._instance.catalogue().need(table))
        return _count(self._cursor.execute(f"DELETE FROM {quoted(table)}{where.clause}", where.values))

    def _insert(self, table: str, rows: Incoming, part: TablePart) -> int:
        if rows.empty:
            return 0
        guard = guarded(part, self._instance.catalogue().need(table), rows.columns)
        if table in self._instance.catalogue().sliced:
            self._fence_table(table)
            told = ", ".join(f"{quoted(given)} AS {quoted(name)}" for given, name in rows.columns.items())
            return self._raw.write(table, f"SELECT {told} FROM {rows.relation}{guard.clause}", {**rows.values, **guard.values})
        names = ", ".join(quoted(name) for name in rows.columns.values())
        given = ", ".join(quoted(name) for name in rows.columns)
        sql = f"INSERT INTO {quoted(table)} ({names}) SELECT {given} FROM {rows.relation}{guard.clause}"
        return _count(self._cursor.execute(sql, {**rows.values, **guard.values}))

    def _check_target(self, table: str) -> None:
        # the dataset's own relations alone: what is staged is read and not written to
        self._instance.catalogue().need(table)
        if table in HOUSEKEEPING:
            raise Rejected(f"{table} is kept by the warehouse itself")

    def _fence_table(self, table: str) -> None:
        if table in self._fenced:
            return
        values = {"scope": table_scope(table), "run_id": self._run_id, "at": self._at}
        if not _count(self._cursor.execute(ADVANCE_TABLE, values)):
            raise Missing(f"{table} is not a table of this dataset's schemas")
        self._fenced.add(table)

    def _statement(self) -> "_DuckDBStatement":
        if self._failure:
            raise Conflict(f"an earlier statement of this publication failed: {self._failure.detail}")
        return _DuckDBStatement(self)

    def fail(self, error: BaseException) -> Fault | None:
        """Whatever leaves a statement half done ends the publication; what DuckDB says leaves as a fault."""
        fault = self._instance.refused(error) if isinstance(error, duckdb.Error) else None
        named = fault or (error if isinstance(error, Fault) else Conflict(f"a statement was broken off by {type(error).__name__}"))
        self._failure = named
        return fault


class _DuckDBStatement:
    def __init__(self, publication: DuckDBPublication) -> None:
        self._publication = publication

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        fault = self._publication.fail(error)
        if fault:
            raise fault from error
