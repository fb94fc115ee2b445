"""Tables as a publication has left them and nobody else sees them yet: what it takes away, and the staging tables of what it adds.

Statements are given their tables in that state: the name of a table that the publication has touched is replaced by a query over what is
left of the table and what is staged for it. The rest of the text goes out as it was written.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlglot
from google.cloud.bigquery import SchemaField
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery

from src.core.base.faults import Rejected
from src.core.engine.bigquery.catalogue import Relation
from src.core.engine.bigquery.conditions import BigQueryCondition, quoted
from src.core.engine.bigquery.types import shown
from src.core.engine.dialect.statements import is_common

# A condition made of these alone has one meaning, whenever and beside whatever it is asked.
STEADY: Final = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Unnest, exp.Is,
    exp.Null, exp.Boolean, exp.Literal, exp.Column, exp.Identifier, exp.Parameter, exp.Var, exp.Coalesce,
)  # fmt: skip


@dataclass(slots=True)
class Pending:
    """One table. Rows come in by load jobs into `loaded`, in which JSON is still text, and by statements into `written`."""

    relation: Relation
    whole: bool = False
    removed: list[BigQueryCondition] = field(default_factory=list)
    loaded: str | None = None
    written: str | None = None

    @property
    def name(self) -> str:
        return self.relation.name

    @property
    def touched(self) -> bool:
        return self.whole or bool(self.removed or self.loaded or self.written)

    @property
    def columns(self) -> str:
        return ", ".join(quoted(name) for name in self.relation.columns)

    @property
    def staging(self) -> tuple[str, ...]:
        return tuple(name for name in (self.loaded, self.written) if name)

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for condition in self.removed for name, value in condition.values.items()}

    def remove(self, condition: BigQueryCondition) -> None:
        if condition.whole:
            self.whole, self.removed = True, []
        elif not self.whole:
            self.removed.append(condition)

    @property
    def gone(self) -> str:
        """Which of the table's own rows are taken away."""
        return "TRUE" if self.whole else " OR ".join(f"({condition.sql})" for condition in self.removed)

    @property
    def left(self) -> str:
        """Which of them stay. A condition that is NULL takes nothing away."""
        if self.whole:
            return "FALSE"
        return f"NOT IFNULL({self.gone}, FALSE)" if self.removed else "TRUE"

    @property
    def added(self) -> str | None:
        """The staged rows, with the columns in the table's order."""
        parts = [f"SELECT {self.columns} FROM {quoted(self.written)}"] if self.written else []
        if self.loaded:
            parts.append(f"SELECT {parsed_columns(self.relation.fields)} FROM {quoted(self.loaded)}")
        return " UNION ALL ".join(parts) or None

    @property
    def query(self) -> str:
        kept = f"SELECT {self.columns} FROM {quoted(self.name)}{f' WHERE {self.left}' if self.left != 'TRUE' else ''}"
        added = self.added
        if added is None:
            return kept
        return added if self.whole else f"{kept} UNION ALL {added}"


def parsed_columns(fields: tuple[SchemaField, ...]) -> str:
    """Columns of a load, in which JSON stands as text."""
    return ", ".join(
        f"{_parsed(quoted(column.name), column)} AS {quoted(column.name)}" if _has_json(column) else quoted(column.name)
        for column in fields
    )


def _has_json(column: SchemaField) -> bool:
    return column.field_type == "JSON" or any(_has_json(child) for child in column.fields)


def _parsed(given: str, column: SchemaField, depth: int = 0) -> str:
    if not _has_json(column):
        return given
    if column.mode == "REPEATED":
        # UNNEST keeps no order by itself
        one, at = f"x_item_{depth}", f"x_at_{depth}"
        inner = _parsed_one(one, column, depth + 1)
        return f"ARRAY(SELECT {inner} FROM UNNEST({given}) AS {one} WITH OFFSET AS {at} ORDER BY {at})"
    return _parsed_one(given, column, depth)


def _parsed_one(given: str, column: SchemaField, depth: int) -> str:
    if column.field_type == "JSON":
        # 'exact' would refuse a number with more digits than a FLOAT64 holds
        return f"PARSE_JSON({given}, wide_number_mode => 'round')"
    inner = (f"{_parsed(f'{given}.{quoted(child.name)}', child, depth)} AS {quoted(child.name)}" for child in column.fields)
    # else a struct that is NULL would come out as one of NULLs
    return f"IF({given} IS NULL, NULL, STRUCT({', '.join(inner)}))"


def creation(name: str, fields: tuple[SchemaField, ...], hours: int) -> str:
    columns = ", ".join(f"{quoted(column.name)} {shown(column)}{' NOT NULL' if column.mode == 'REQUIRED' else ''}" for column in fields)
    return f"CREATE TABLE {quoted(name)} ({columns}) {expiring(hours)}"


def expiring(hours: int) -> str:
    """By BigQuery's own clock."""
    return f"OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {hours} HOUR))"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a publication sees under each name: what it has staged, the tables it has touched, and views over them."""

    pending: Mapping[str, Pending]
    staged: Mapping[str, str]
    """A relation's text, by its name."""
    need: Callable[[str], Relation]

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for table in self.pending.values() for name, value in table.values.items()}

    def text(self, sql: str, root: exp.Expr, target: str | None = None) -> str:
        """`target` is the table that stands in for the one that a change changes."""
        changed = _target(root) if target else None
        pieces, at = [], 0
        for start, end, table in sorted(_places(root), key=lambda place: place[0]):
            shown_as = quoted(target) if target and table is changed else self.relation(table.name)
            if shown_as is None:
                continue
            # who writes costs.day means the table by its name, which the query in its place has not;
            # an INSERT takes no alias
            alias = "" if table.alias or (table is changed and isinstance(root, exp.Insert)) else f" AS {quoted(table.name)}"
            pieces += [sql[at:start], shown_as, alias]
            at = end
        return "".join([*pieces, sql[at:]])

    def relation(self, name: str) -> str | None:
        """What is to stand in a statement for this name, unless it stands for itself."""
        if name in self.staged:
            return self.staged[name]
        if name in self.pending:
            table = self.pending[name]
            return f"({table.query})" if table.touched else None
        view = self.need(name).view
        if view is None:
            return None
        seen = self.text(view, sqlglot.parse_one(view, read=BigQuery))
        # closed on a line of its own, for the last line of a view may end in a comment
        return None if seen == view else f"({seen}\n)"


def _places(root: exp.Expr) -> Iterator[tuple[int, int, exp.Table]]:
    for table in root.find_all(exp.Table):
        if is_common(table):
            continue
        if "start" not in table.this.meta:
            raise Rejected(f"{table.name[:80]}: this way of naming a table is not served in a publication")
        yield int(table.this.meta["start"]), int(table.this.meta["end"]) + 1, table


def _target(root: exp.Expr) -> exp.Expr:
    found: exp.Expr = root.this.this if isinstance(root.this, exp.Schema) else root.this
    return found


def steady_condition(root: exp.Expr, prefix: str, params: Mapping[str, Any]) -> BigQueryCondition | None:
    """What a DELETE deletes, where that is the same rows however late it is asked; its parameters under names of their own."""
    where = root.args.get("where")
    if not isinstance(root, exp.Delete) or where is None:
        return None
    nodes = list(where.this.walk())
    # no column named with its table: the condition is asked of staging tables too, which have other names
    if any(not isinstance(node, STEADY) or (isinstance(node, exp.Column) and node.table) for node in nodes):
        return None
    named = {node.name for node in nodes if isinstance(node, exp.Parameter)}
    renamed = where.this.transform(
        lambda node: exp.Parameter(this=exp.Var(this=f"{prefix}_{node.name}")) if isinstance(node, exp.Parameter) else node
    )
    return BigQueryCondition(renamed.sql(dialect=BigQuery), {f"{prefix}_{name}": params[name] for name in named if name in params})
