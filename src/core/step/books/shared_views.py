"""Views that several providers tell of: each gives a SELECT, and a dataset shows those of the providers that have loaded into it.

A part is `views/<view>.sql` beside a provider's `books.yml`: `configs/gcp/cost/views/billing_cost_daily.sql`. Files of one name in the
folders of several providers are parts of one view; they list the same columns in the same order, with the same types, and read tables
whose schemas lie in the same folder. A name that stands in one folder alone is a view of that provider's, whole as it is.

When the service starts, and what is wrong is told with its file:

    views = read_views(configs)

In a publication, once the provider's own tables are there and before anything is written:

    publish_views(warehouse, tenant, provider, views)
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.core.base.documents import read_text
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.identity import Tenant
from src.core.base.names import IDENTIFIER
from src.core.engine.port import Warehouse
from src.core.step.placeholders import PIECES

BOOKS = "books.yml"
NAMELESS = frozenset({"NULL", "TRUE", "FALSE", "END"})  # a column may end with one of these and has no name then


@dataclass(frozen=True, slots=True)
class ViewPart:
    provider: str
    file: str
    sql: str
    reads: frozenset[str]
    """Tables; a dataset that lacks one of them does not show this part."""


Views = Mapping[str, tuple[ViewPart, ...]]


def read_views(configs: Path) -> Views:
    """The parts of every view of every provider, those of one view by the name of their provider."""
    found: dict[str, list[ViewPart]] = {}
    for books in sorted(configs.rglob(BOOKS)):
        tables = {path.stem for path in (books.parent / "schemas").glob("*.json")}
        for path in sorted((books.parent / "views").glob("*.sql")):
            shown = f"{configs.name}/{path.relative_to(configs).as_posix()}"
            sql = read_text(path, shown)
            provider = books.relative_to(configs).parts[0]
            found.setdefault(path.stem, []).append(ViewPart(provider, shown, sql, frozenset(_names(sql) & tables)))
    flaws = [flaw for name, parts in found.items() if len(parts) > 1 for flaw in _flaws(name, parts)]
    if flaws:
        raise Misconfigured("the parts of a view do not fit together", flaws=flaws)
    return {name: tuple(parts) for name, parts in found.items()}


def compose(there: Collection[str], parts: Sequence[ViewPart]) -> str | None:
    """The view over those parts whose tables are there; None where there are none of any."""
    # a part over a table that the dataset lacks would make the whole view fail, the other providers' parts with it
    shown = [part.sql for part in parts if len(parts) == 1 or part.reads <= set(there)]
    if len(shown) < 2:  # noqa: PLR2004 - one alone stands as it was written
        return shown[0] if shown else None
    return "\nUNION ALL\n".join(f"(\n{sql.strip()}\n)" for sql in shown)


def publish_views(warehouse: Warehouse, tenant: Tenant, provider: str, views: Views) -> None:
    """Every view that this provider has a part in."""
    own = {name: parts for name, parts in views.items() if any(part.provider == provider for part in parts)}
    there: tuple[str, ...] = ()
    # a view of one provider alone stands as it is written, whatever tables there are, so they need not be listed
    if any(len(parts) > 1 for parts in own.values()):
        there = warehouse.tables(tenant)
    while True:
        for name, parts in own.items():
            sql = compose(there, parts)
            if sql is not None:
                warehouse.ensure_view(tenant, name, sql)
        # another provider may have loaded for the first time between the look and the view, which then took that one's part away
        seen, there = there, warehouse.tables(tenant) if there else ()
        if set(seen) == set(there):
            return


def _flaws(view: str, parts: Sequence[ViewPart]) -> Iterator[Flaw]:
    first = parts[0]
    wanted = _columns(first.sql)
    for part in parts:
        columns = _columns(part.sql)
        if not part.reads:
            yield Flaw("reads no table of its folder's schemas", view, part.file)
        if not columns:
            yield Flaw("must be one SELECT ... FROM ..., without a WITH before it or a semicolon", view, part.file)
        elif None in columns:
            yield Flaw(
                f"its column {columns.index(None) + 1} has no name; write each column, with AS where it is computed", view, part.file
            )
        elif wanted and None not in wanted and columns != wanted:
            yield Flaw(f"lists {_listed(columns)}; {first.file} lists {_listed(wanted)}", view, part.file)


def _listed(columns: Sequence[str | None]) -> str:
    return ", ".join(map(str, columns))


def _pieces(sql: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each, without remarks and spaces."""
    for found in PIECES.finditer(sql):
        if found.lastgroup != "remark" and not found[0].isspace():
            yield str(found.lastgroup), found[0]


def _names(sql: str) -> set[str]:
    return {text.strip("`") for kind, text in _pieces(sql) if kind in ("word", "quoted")}


def _columns(sql: str) -> tuple[str | None, ...]:
    """What each column is called, None where it has no name of its own; nothing where this is no SELECT from somewhere."""
    pieces = list(_pieces(sql))
    if not pieces or pieces[0][1].upper() != "SELECT" or ("other", ";") in pieces:
        return ()
    found: list[str | None] = []
    last = pieces[0]
    for (kind, text), depth in zip(pieces[1:], _depths(pieces[1:]), strict=True):
        ends = depth == 0 and kind == "word" and text.upper() == "FROM"
        if ends or (depth == 0 and text == ","):
            found.append(_called(*last))
        if ends:
            return tuple(found)
        last = (kind, text)
    return ()


def _called(kind: str, text: str) -> str | None:
    if kind not in ("word", "quoted") or text.upper() in NAMELESS:
        return None
    name = text.strip("`")
    return name if IDENTIFIER.fullmatch(name) else None


def _depths(pieces: Sequence[tuple[str, str]]) -> Iterator[int]:
    """In how many brackets each piece stands; a comma in none of them ends a column."""
    depth = types = 0
    before = ""
    for _, text in pieces:
        if text in ("(", "["):
            depth += 1
        elif text in (")", "]"):
            depth -= 1
        elif text == "<" and before in ("ARRAY", "STRUCT"):
            types += 1  # elsewhere it compares
        elif text == ">" and types:
            types -= 1
        before = text.upper()
        yield depth + types
