"""GoogleSQL rendered for DuckDB: sqlglot does the grammar, `rules.py` mends what it renders differently from BigQuery.

What cannot be rendered faithfully is refused: a query that means one thing in development and another in production is worse
than one that does not run.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import UnsupportedError

from src.core.base.faults import Missing, Rejected
from src.core.base.names import did_you_mean
from src.core.base.schema import SliceColumns
from src.core.engine.dialect.pruning import prune
from src.core.engine.dialect.rules import mended
from src.core.engine.dialect.statements import Purpose, checked
from src.core.engine.dialect.types import kinds_of

WRITE = DuckDB
# statements come from files and are few; their windows are parameters, so the same text comes again with every run
CACHED = 2048
EXTENSIONS = 16


@dataclass(frozen=True, slots=True)
class Rendered:
    sql: str
    parameters: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Of relations in it, those that it defines itself among them."""
    changed: str | None = None
    appends: bool = False


class RenderedStatements:
    """What was rendered, by the text and by the columns of the relations that it names: whatever else a dataset has plays no part.

    Organisations have the same tables, so that what was rendered for one serves the next, also where they differ in which others they have.
    """

    def __init__(self) -> None:
        self._named: dict[tuple[str, Purpose], tuple[str, ...]] = {}
        self._held: dict[tuple[str, Purpose, Hashable], Rendered] = {}

    def get(self, sql: str, purpose: Purpose, catalogue: "Catalogue") -> Rendered | None:
        named = self._named.get((sql, purpose))
        return None if named is None else self._held.get((sql, purpose, catalogue.shapes_of(named)))

    def put(self, sql: str, purpose: Purpose, catalogue: "Catalogue", rendered: Rendered) -> None:
        if len(self._held) >= CACHED:
            self._held.clear()
            self._named.clear()
        self._named[sql, purpose] = rendered.names
        self._held[sql, purpose, catalogue.shapes_of(rendered.names)] = rendered


RENDERED: Final = RenderedStatements()


@dataclass(eq=False, slots=True)
class Catalogue:
    """The tables and views of one dataset and the DuckDB types of their columns."""

    columns: Mapping[str, Mapping[str, str]]
    housekeeping: frozenset[str] = frozenset()
    sliced: Mapping[str, SliceColumns] = field(default_factory=dict)
    """Tables that are their slices, each with the columns that name them."""
    _extended: dict[str, "Catalogue"] = field(default_factory=dict)
    _shapes: dict[str, Hashable] = field(default_factory=dict)

    def extended(self, staged: Mapping[str, Mapping[str, str]]) -> "Catalogue":
        """With the relations that a publication stages; kept, for the next one stages the same."""
        key = repr(staged)
        if key not in self._extended:
            if len(self._extended) >= EXTENSIONS:
                self._extended.clear()
            self._extended[key] = Catalogue({**self.columns, **staged}, self.housekeeping, self.sliced)
        return self._extended[key]

    def need(self, relation: str) -> Mapping[str, str]:
        """The relation's columns. Names are case-sensitive, as they are in BigQuery."""
        found = self.columns.get(relation)
        if found is None:
            raise Missing(f"there is no table or view {relation[:80]!r} in this dataset{did_you_mean(relation, self.columns)}")
        return found

    def shapes_of(self, names: Iterable[str]) -> Hashable:
        """All of it on which the rendering of a statement of these names depends."""
        for name in names:
            if name not in self._shapes:
                columns = self.columns.get(name)
                self._shapes[name] = (name in self.housekeeping, self.sliced.get(name), columns and tuple(columns.items()))
        return tuple(self._shapes[name] for name in names)

    def render(self, sql: str, purpose: Purpose = "query") -> Rendered:
        held = RENDERED.get(sql, purpose, self)
        if held is None:
            held = _render(sql, purpose, self)
            RENDERED.put(sql, purpose, self, held)
        return held


def _render(sql: str, purpose: Purpose, catalogue: Catalogue) -> Rendered:
    known = checked(sql, purpose, catalogue.need, catalogue.housekeeping)
    names = tuple(sorted({table.name for table in known.root.find_all(exp.Table)}))
    try:
        kinds = kinds_of(known.root, catalogue.columns)
        prune(known.root, catalogue.sliced, catalogue.columns)
        # every name quoted: what is a plain one in GoogleSQL may be a word of DuckDB's
        text = mended(known.root, kinds).sql(dialect=WRITE, identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except UnsupportedError as lost:
        raise Rejected(f"this SQL cannot be rendered faithfully: {lost}") from lost
    return Rendered(text, known.parameters, names, known.changed, known.appends)
