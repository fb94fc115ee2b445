"""What a run publishes to BigQuery: prepared in staging tables of its own, then made visible by one transaction."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final

import pyarrow as pa
from sqlglot import exp

from src.core.base.clock import Clock
from src.core.base.faults import Conflict, Fault, Missing, Rejected
from src.core.base.names import identifier
from src.core.base.schema import Field, TableSchema
from src.core.engine.arrow import arrow_field
from src.core.engine.bigquery.catalogue import HOUSEKEEPING, STAGE, DatasetCatalogue, Relation
from src.core.engine.bigquery.commit import TABLE_SCOPE, Commit
from src.core.engine.bigquery.commit import published_generation as published_generation
from src.core.engine.bigquery.conditions import BigQueryCondition, condition, guard, quoted, require_inside
from src.core.engine.bigquery.faults import as_faults
from src.core.engine.bigquery.jobs import REQUEST_SECONDS, WarehouseJobs
from src.core.engine.bigquery.pending import Pending, Sight, creation, parsed_columns, steady_condition
from src.core.engine.bigquery.remote_rows import remote_rows
from src.core.engine.bigquery.staging import Given, fields_of_arrow, given, pieces, plain_field, relaxed, shape_batch
from src.core.engine.bigquery.types import fields_of
from src.core.engine.dialect.statements import Checked, Purpose
from src.core.engine.loadable import match_columns
from src.core.engine.port import WHOLE_TABLE, Content, Fence, Params, ParquetFiles, RemoteRows, StagedShape, TablePart

# How long what a killed process has prepared may stand: longer than any run, so that nothing is taken from under a living one.
STAGING_HOURS: Final = 24


@contextmanager
def publishing(  # noqa: PLR0917 - what a dataset is, what a run is, and the clock
    jobs: WarehouseJobs, io: Path, run_id: str, fence: Fence, clock: Clock, catalogue: DatasetCatalogue
) -> Iterator["BigQueryPublication"]:
    if fence.scope.startswith(TABLE_SCOPE):
        raise Rejected(f"a fence's scope does not start with {TABLE_SCOPE!r}; that is how tables are fenced")
    # first of all: a run that a newer one has overtaken ends here, before it has prepared anything
    commit = Commit(jobs, run_id, fence, clock.now())
    publication = BigQueryPublication(jobs, io, Stagings(run_id), commit, catalogue)
    try:
        yield publication
        publication.check()
        commit.send(publication.pending)
    finally:
        publication.tidy()


class Stagings:
    """Names of staging tables, of one try of a run: another try of it may be at work."""

    def __init__(self, run_id: str) -> None:
        words = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in run_id)[:60]
        self._stem = f"{STAGE}{words}_{secrets.token_hex(6)}"
        self.made: list[str] = []

    def new(self) -> str:
        self.made.append(f"{self._stem}_{len(self.made)}")
        return self.made[-1]


class BigQueryPublication:
    def __init__(self, jobs: WarehouseJobs, io: Path, names: Stagings, commit: Commit, catalogue: DatasetCatalogue) -> None:
        self._jobs, self._io, self._names, self._commit, self._catalogue = jobs, io, names, commit, catalogue
        self.pending: dict[str, Pending] = {}
        self._staged: dict[str, Relation] = {}
        self._texts: dict[str, str] = {}
        self._parts = 0
        self._failure: Fault | None = None

    def stage(self, name: str, source: "ParquetFiles | RemoteRows | pa.Table", shape: TableSchema | None) -> StagedShape:
        with self._statement():
            # a statement that names it would read the one or the other by chance of the text
            if identifier(name) in HOUSEKEEPING or (name not in self._staged and self._catalogue.find(name)):
                raise Conflict(f"{name} is a table or view of this dataset; a staged source needs another name")
            if isinstance(source, RemoteRows):
                made = self._names.new()
                staged, fields = remote_rows(self._jobs, made, source, shape, STAGING_HOURS)
                self._texts[name] = quoted(made)
            else:
                staged, fields = self._stage_here(name, source, shape)
            self._staged[name] = Relation(name, tuple(fields_of(TableSchema(name, fields))))
            return staged

    def remove(self, table: str, part: TablePart = WHOLE_TABLE) -> int:
        with self._statement():
            return self._remove(self._target(table), part)

    def insert(self, table: str, sql: str, params: Params | None = None, part: TablePart = WHOLE_TABLE) -> int:
        with self._statement():
            target = self._target(table)
            known = self._checked(sql)
            text, values = self._sight.text(sql, known.root).strip().rstrip(";"), {**self._sight.values, **(params or {})}
            columns = match_columns(self._selected(known, text, values), target.relation.columns)
            names = ", ".join(quoted(name) for name in columns.values())
            check = guard(part, target.relation.fields, {name: source for source, name in columns.items()}, self._prefix())
            if not check.whole:
                text = f"SELECT {', '.join(quoted(name) for name in columns)} FROM (\n{text}\n) WHERE {check.sql}"
            return self._write(target, "INSERT INTO {} " + f"({names})\n", text, {**values, **check.values})

    def append(self, table: str, source: Content) -> int:
        with self._statement():
            return self._load(self._target(table), source, WHOLE_TABLE)

    def replace(self, table: str, source: Content, part: TablePart = WHOLE_TABLE) -> int:
        with self._statement():
            target = self._target(table)
            self._remove(target, part)
            return self._load(target, source, part)

    def execute(self, sql: str, params: Params | None = None) -> int:
        with self._statement():
            known = self._checked(sql, "change")
            if known.changed in self._staged:
                raise Rejected(f"{known.changed} is a staged source; it is read, not changed")
            target = self._target(str(known.changed))
            if known.appends:
                made = target.written or self._names.new()
                text = self._sight.text(sql, known.root, made)
                return self._write(target, "", text, {**self._sight.values, **(params or {})}, made)
            self._commit.fence(target.name)
            steady = steady_condition(known.root, self._prefix(), params or {})
            if steady is not None:
                return self._take(target, steady)
            return self._change(target, sql, known.root, params or {})

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        with self._statement():
            text = self._sight.text(sql, self._checked(sql).root)
            return self._jobs.arrow(self._jobs.run(text, {**self._sight.values, **(params or {})}))

    def check(self) -> None:
        """A publication is whole or not at all, also when what failed in it was caught."""
        if self._failure:
            raise Conflict(f"a statement of this publication failed, so nothing of it is published: {self._failure.detail}")

    def tidy(self) -> None:
        """What stays because this fails is ended by its expiration."""
        with suppress(Fault), as_faults():
            for name in self._names.made:
                self._jobs.client.delete_table(self._catalogue.table(name), self._jobs.retry(), REQUEST_SECONDS, not_found_ok=True)

    @property
    def _sight(self) -> Sight:
        return Sight(self.pending, self._texts, self._catalogue.need)

    def _need(self, name: str) -> Relation:
        return self._staged.get(name) or self._catalogue.need(name)

    def _checked(self, sql: str, purpose: Purpose = "query") -> Checked:
        return self._catalogue.checked(sql, purpose, self._need)

    def _prefix(self) -> str:
        self._parts += 1
        return f"x_part_{self._parts}"

    def _target(self, table: str) -> Pending:
        if table not in self.pending:
            relation = self._catalogue.need(table)
            if table in HOUSEKEEPING:
                raise Rejected(f"{table} is kept by the warehouse itself")
            if relation.view is not None:
                raise Missing(f"{table} is a view; what is published goes into a table of this dataset's schemas")
            self.pending[table] = Pending(relation)
        return self.pending[table]

    def _selected(self, known: Checked, text: str, values: Params) -> tuple[str, ...]:
        """The names of a query's columns; BigQuery is asked only where its text does not say them."""
        root = known.root
        named = tuple(root.named_selects) if isinstance(root, exp.Select) and not root.is_star else ()
        return named if named and all(named) else self._jobs.dry(text, values).columns

    def _remove(self, target: Pending, part: TablePart) -> int:
        self._commit.fence(target.name)
        return self._take(target, condition(part, target.relation.fields, self._prefix()))

    def _take(self, target: Pending, taken: BigQueryCondition) -> int:
        where, values = taken.sql or "TRUE", {**target.values, **taken.values}
        count = 0
        if not target.whole:
            asked = f"SELECT COUNT(*) AS n FROM {quoted(target.name)} WHERE ({where}) AND {target.left}"
            [found] = self._jobs.arrow(self._jobs.run(asked, values)).to_pylist()
            count = int(found["n"])
            if count:
                target.remove(taken)
        # staged rows are this run's own and nobody else reads them, so they need not wait for the transaction
        for name in target.staging:
            count += self._jobs.run(f"DELETE FROM {quoted(name)} WHERE {where}", values).affected
        return count

    def _write(self, target: Pending, head: str, text: str, values: Params, made: str | None = None) -> int:
        """Into the staging table for statements, which is made by the first of them."""
        name = target.written or made or self._names.new()
        making = "" if target.written else creation(name, target.relation.fields, STAGING_HOURS) + ";\n"
        done = self._jobs.run(f"{making}{head.format(quoted(name))}{text}", values)
        target.written = name
        return done.affected

    def _change(self, target: Pending, sql: str, root: exp.Expr, params: Params) -> int:
        """On a copy of the whole table: an UPDATE or MERGE may leave any row in any state."""
        values = {**self._sight.values, **params}
        made, making = target.written, ""
        # the copy of an earlier change is all there is of the table, unless rows have been loaded since
        if not (target.whole and made and not target.loaded):
            if not target.whole:
                # the copy lacks what others append from now on, so such appends too must make it fail
                self._commit.fence_copied(target.name)
            made = self._names.new()
            copied = f"INSERT INTO {quoted(made)} ({target.columns}) {target.query}"
            making = f"{creation(made, target.relation.fields, STAGING_HOURS)};\n{copied};\n"
            target.whole, target.removed, target.loaded, target.written = True, [], None, made
        done = self._jobs.run(making + self._sight.text(sql, root, made), values)
        # the script's own sum counts the copied rows too
        return done.statements[-1][1] if done.statements else done.affected

    def _load(self, target: Pending, source: Content, part: TablePart) -> int:
        fields = tuple(plain_field(column) for column in target.relation.fields)
        held = given(self._io, source, fields)
        columns = match_columns(held.columns, target.relation.columns)
        sources = {name: origin for origin, name in columns.items()}

        def rows() -> Iterator[pa.RecordBatch]:
            for batch in held.batches:
                made = shape_batch(batch, fields, sources)
                # here, for a load job takes no condition that would refuse a row
                require_inside(part, made, columns)
                yield made

        name = target.loaded or self._names.new()
        loaded = self._load_rows(name, tuple(relaxed(field) for field in fields), rows(), empty=False)
        # of no rows no table is made, and no statement may name it
        if loaded:
            target.loaded = name
        return loaded

    def _load_rows(self, name: str, fields: tuple[Field, ...], rows: Iterator[pa.RecordBatch], *, empty: bool) -> int:
        schema = pa.schema([arrow_field(field) for field in fields])
        with pieces(self._io, schema, rows, empty=empty) as files:
            # BigQuery ends it by its own clock, whatever ours is told to be
            ends = datetime.now(UTC) + timedelta(hours=STAGING_HOURS)
            return self._jobs.load(files, name, TableSchema(name, fields), expires=ends) if files else 0

    def _stage_here(self, name: str, source: "ParquetFiles | pa.Table", shape: TableSchema | None) -> tuple[StagedShape, tuple[Field, ...]]:
        held: Given = given(self._io, source, ())
        if shape is None and not held.columns:
            raise Rejected(f"nothing is given to be staged as {name}, and no shape that says what it would look like")
        fields = tuple(relaxed(field) for field in shape.fields) if shape else fields_of_arrow(held.columns)
        origin = {column.lower(): column for column in held.columns}
        sources = {field.name: origin[field.name.lower()] for field in fields if field.name.lower() in origin}
        made = self._names.new()
        self._load_rows(made, fields, (shape_batch(batch, fields, sources) for batch in held.batches), empty=True)
        described = tuple(fields_of(TableSchema(name, fields)))
        has_json = "PARSE_JSON" in parsed_columns(described)
        self._texts[name] = f"(SELECT {parsed_columns(described)} FROM {quoted(made)})" if has_json else quoted(made)
        wanted = {field.name.lower() for field in fields}
        absent = tuple(field.name for field in fields if field.name not in sources)
        return StagedShape(absent, tuple(column for key, column in origin.items() if key not in wanted)), fields

    def _statement(self) -> "_BigQueryStatement":
        if self._failure:
            # what follows a refused statement was written as if that had been done
            raise Conflict(f"an earlier statement of this publication failed: {self._failure.detail}")
        return _BigQueryStatement(self)

    def fail(self, error: BaseException) -> None:
        """Whatever leaves a statement half done ends the publication."""
        self._failure = error if isinstance(error, Fault) else Conflict(f"a statement was broken off by {type(error).__name__}")


class _BigQueryStatement:
    def __init__(self, publication: BigQueryPublication) -> None:
        self._publication = publication

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._publication.fail(error)
