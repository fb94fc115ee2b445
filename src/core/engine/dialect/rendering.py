"""GoogleSQL rendered for DuckDB: sqlglot does the grammar, `rules.py` mends what it renders differently from BigQuery.

What cannot be rendered faithfully is refused: a query that means one thing in development and another in production is worse
than one that does not run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import sqlglot
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import UnsupportedError

from src.core.base.faults import Missing, Rejected
from src.core.base.names import did_you_mean
from src.core.engine.dialect.rules import mended
from src.core.engine.dialect.statements import Purpose, checked
from src.core.engine.dialect.types import kinds_of

WRITE = DuckDB
# statements come from files and are few; their windows are parameters, so the same text comes again with every run
CACHED = 512
EXTENSIONS = 16
# organisations have the same tables, so that what was rendered for one serves the next; they differ in which they have yet
SHAPES = 32


@dataclass(frozen=True, slots=True)
class Rendered:
    sql: str
    parameters: tuple[str, ...]
    changed: str | None = None
    appends: bool = False


@dataclass(eq=False, slots=True)
class Catalogue:
    """The tables and views of one dataset and the DuckDB types of their columns; holds what was rendered against it."""

    columns: Mapping[str, Mapping[str, str]]
    housekeeping: frozenset[str] = frozenset()
    _rendered: dict[tuple[str, Purpose], Rendered] = field(init=False)
    _extended: dict[str, "Catalogue"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = repr((sorted((name, *kinds.items()) for name, kinds in self.columns.items()), sorted(self.housekeeping)))
        self._rendered = _held_for(blake2b(shape.encode(), digest_size=16).digest())

    def extended(self, staged: Mapping[str, Mapping[str, str]]) -> "Catalogue":
        """With the relations that a publication stages; kept, for the next one stages the same."""
        key = repr(staged)
        if key not in self._extended:
            if len(self._extended) >= EXTENSIONS:
                self._extended.clear()
            self._extended[key] = Catalogue({**self.columns, **staged}, self.housekeeping)
        return self._extended[key]

    def need(self, relation: str) -> Mapping[str, str]:
        """The relation's columns. Names are case-sensitive, as they are in BigQuery."""
        found = self.columns.get(relation)
        if found is None:
            raise Missing(f"there is no table or view {relation[:80]!r} in this dataset{did_you_mean(relation, self.columns)}")
        return found

    def render(self, sql: str, purpose: Purpose = "query") -> Rendered:
        key = (sql, purpose)
        held = self._rendered.get(key)
        if held is None:
            held = _render(sql, purpose, self)
            if len(self._rendered) >= CACHED:
                self._rendered.clear()
            self._rendered[key] = held
        return held


@lru_cache(maxsize=SHAPES)
def _held_for(shape: bytes) -> dict[tuple[str, Purpose], Rendered]:  # noqa: ARG001 - what it is kept by
    return {}


def _render(sql: str, purpose: Purpose, catalogue: Catalogue) -> Rendered:
    known = checked(sql, purpose, catalogue.need, catalogue.housekeeping)
    try:
        kinds = kinds_of(known.root, catalogue.columns)
        # every name quoted: what is a plain one in GoogleSQL may be a word of DuckDB's
        text = mended(known.root, kinds).sql(dialect=WRITE, identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except UnsupportedError as lost:
        raise Rejected(f"this SQL cannot be rendered faithfully: {lost}") from lost
    return Rendered(sql=text, parameters=known.parameters, changed=known.changed, appends=known.appends)
