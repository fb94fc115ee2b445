"""Statements of GoogleSQL as both engines take them: read by sqlglot, and refused where an engine would not answer like the other."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ParseError, SqlglotError

from src.core.base.faults import Flaw, Missing, Rejected
from src.core.engine.dialect.functions import SERVED

READ = BigQuery
Purpose = Literal["query", "view", "change"]
CACHED = 512  # of one process that reads its documents several times, as tests do
# DuckDB finds its own catalogue under bare names, and they all start so. Nothing in a statement may hide one of them.
RESERVED = ("duckdb_", "pragma_", "sqlite_", "pg_", "information_schema")

# sqlglot warns of grammar it takes as an opaque command; such statements are refused below with our own words.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

Change = exp.Insert | exp.Update | exp.Delete | exp.Merge
IN_FLOATS = "powers, roots and logarithms differ between engines in their errors and their last digits"
OPAQUE: dict[type[exp.Expr], str] = {
    **dict.fromkeys((exp.Sqrt, exp.Cbrt, exp.Pow, exp.Exp, exp.Ln, exp.Log), IN_FLOATS),
    exp.String: "STRING() differs between engines; use CAST, FORMAT_DATE or FORMAT_TIMESTAMP",
    exp.Command: "this statement is not served",
    exp.Anonymous: "this function is not known to both engines",
    exp.AnonymousAggFunc: "this function is not known to both engines",
    exp.ReadCSV: "files are loaded through a publication, not from SQL",
    exp.ReadParquet: "files are loaded through a publication, not from SQL",
    exp.Placeholder: "parameters are named: write @name",
    exp.SessionParameter: "session parameters are not served",
    exp.SafeFunc: "the SAFE. prefix is not served; SAFE_CAST and SAFE_DIVIDE are",
    exp.TableSample: "samples differ between engines; filter instead",
    exp.Version: "time travel is not served",
    exp.Format: "FORMAT differs between engines; build the text with CONCAT",
    exp.Into: "a query may not create tables",
    exp.Lock: "row locks are not served",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """One statement of the kind that is served, every relation of which is known."""

    root: exp.Expr
    parameters: tuple[str, ...]
    changed: str | None

    @property
    def appends(self) -> bool:
        return isinstance(self.root, exp.Insert)


def checked(sql: str, purpose: Purpose, need: Callable[[str], object], housekeeping: frozenset[str]) -> Checked:
    """What is refused is refused on every engine alike. `need` raises for a relation that is not there."""
    root = _one_statement(sql, purpose)
    parameters = tuple(sorted({parameter.name for parameter in root.find_all(exp.Parameter)}))
    if purpose == "view" and parameters:
        raise Rejected(f"a view takes no parameters, and this one names @{parameters[0]}")
    changed = _changed(root, need, housekeeping) if isinstance(root, Change) else None
    _check_relations(root, need)
    return Checked(root, parameters, changed)


@lru_cache(maxsize=CACHED)
def flaws_of(sql: str, tables: frozenset[str] | None = None, *, ours: bool = False) -> tuple[Flaw, ...]:
    """What keeps a text from being GoogleSQL; `ours`, from being what every engine answers alike; with `tables`, one query of these."""

    def need(name: str) -> None:
        if name not in (tables or ()):
            raise Missing(f"there is no table {name[:80]!r} here; it reads {', '.join(sorted(tables or ()))}")

    try:
        if tables is not None:
            checked(sql, "query", need, frozenset())
        else:
            for statement in _parsed(sql):
                if ours:
                    _check_nodes(statement)
    except Rejected as wrong:
        return wrong.flaws or (Flaw(wrong.detail),)
    return ()


def _parsed(sql: str) -> list[exp.Expr]:
    try:
        statements = [statement for statement in sqlglot.parse(sql, read=READ) if statement is not None]
    except ParseError as wrong:
        raise Rejected("this is not GoogleSQL", flaws=[_flaw(error) for error in wrong.errors]) from wrong
    # sqlglot reads by recursion, and a text may nest deeper than Python goes
    except (SqlglotError, RecursionError) as wrong:
        raise Rejected("this is not GoogleSQL") from wrong
    if not statements:
        raise Rejected("one statement is expected, and this text holds none")
    return statements


def _flaw(error: Mapping[str, Any]) -> Flaw:
    # of a part that lacks sqlglot names the class it has for it
    told = "a part is missing" if "<" in str(error["description"]) else str(error["description"]).rstrip(".")
    return Flaw(f"this is not GoogleSQL at {str(error['highlight'])[:40]!r}: {told}", line=int(error["line"] or 0) or None)


def _one_statement(sql: str, purpose: Purpose) -> exp.Expr:
    statements = _parsed(sql)
    if len(statements) != 1:
        raise Rejected(f"one statement is expected, and this text holds {len(statements)}")
    root = statements[0]
    if purpose == "change" and not isinstance(root, Change):
        raise Rejected("a publication executes INSERT, UPDATE, DELETE or MERGE, nothing else")
    if purpose != "change" and not isinstance(root, exp.Query):
        raise Rejected("only SELECT is served here")
    _check_nodes(root)
    return root


def _check_nodes(root: exp.Expr) -> None:
    for node in root.walk():
        reason = OPAQUE.get(type(node))
        if reason:
            raise Rejected(f"{node.sql(dialect=READ)[:80]}: {reason}")
        if isinstance(node, exp.Func) and type(node) not in SERVED:
            raise Rejected(f"{node.sql(dialect=READ)[:80]}: this function is not known to answer alike in both engines")
        if isinstance(node, exp.Parameter) and not isinstance(node.this, exp.Var):
            raise Rejected(f"{node.sql(dialect=READ)[:80]}: session parameters are not served")
        if isinstance(node, exp.Unnest) and not node.alias_column_names and not isinstance(node.parent, exp.In):
            raise Rejected("UNNEST needs an alias, for example UNNEST(labels) AS label: engines name its column differently")


def _check_relations(root: exp.Expr, need: Callable[[str], object]) -> None:
    for cte in root.find_all(exp.CTE):
        if cte.alias.lower().startswith(RESERVED):
            raise Rejected(f"WITH {cte.alias[:80]}: names that start with {', '.join(RESERVED)} are the engine's own; take another")
    aliases = _column_sources(root)
    for table in root.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise Rejected(f"{table.sql(dialect=READ)[:80]}: table functions are not served")
        if table.db and table.db.lower() in aliases and not table.catalog:
            raise Rejected(f"write UNNEST({table.sql(dialect=READ)}) AS name: an array is not a table in every engine")
        if table.db or table.catalog:
            raise Rejected(f"{table.sql(dialect=READ)[:80]}: tables are named without their dataset")
        if not is_common(table):
            need(table.name)


def is_common(table: exp.Table) -> bool:
    """Whether a WITH that reaches this far defines the name: of the query's own parts all do, of a WITH's parts the later ones."""
    inner: exp.Expr = table
    while inner.parent is not None:
        if isinstance(inner.parent, exp.With):
            seen = inner.parent.expressions[: (inner.index or 0) + bool(inner.parent.recursive)]
        elif isinstance(inner, exp.With):
            seen = []
        else:
            clause = inner.parent.args.get("with_")
            seen = clause.expressions if isinstance(clause, exp.With) else []
        if any(cte.alias.lower() == table.name.lower() for cte in seen):
            return True
        inner = inner.parent
    return False


def _column_sources(root: exp.Expr) -> set[str]:
    return {table.alias_or_name.lower() for table in root.find_all(exp.Table)}


def _changed(root: Change, need: Callable[[str], object], housekeeping: frozenset[str]) -> str:
    target = root.this.this if isinstance(root.this, exp.Schema) else root.this
    if not isinstance(target, exp.Table) or not isinstance(target.this, exp.Identifier):
        raise Rejected("a change names the one table it changes")
    if root.args.get("returning"):
        raise Rejected("a change returns its number of rows, nothing else")
    name = target.name
    need(name)
    if name in housekeeping:
        raise Rejected(f"{name} is kept by the warehouse itself")
    return name
