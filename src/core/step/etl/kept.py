"""Tables of an organisation's dataset that no query of a document may be written to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from src.core.base.documents import Document, read_document
from src.core.base.faults import Flaw, Misconfigured
from src.core.step.onboarding import DatasetConfig

HOUSEKEEPING = "x_"
STAGED = frozenset({"incoming", "fetched"})  # what publications stage under; a table of that name would keep them from it
ONBOARDING = Path("setup") / "organizations" / "onboarding" / "config.yml"


class KeptTables(Document):
    """The names in a `books.yml`, whatever else it says."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    raw: Any
    daily: Any = None
    derived: Any = None
    tables: Any = None
    views: Any = None


def kept_tables(configs: Path) -> Mapping[str, str]:
    """Each, in small letters as DuckDB compares them, with the file that says so."""
    kept: dict[str, str] = {}
    for path in sorted(configs.rglob("books.yml")):
        shown = path.relative_to(configs.parent).as_posix()
        books = read_document(path, KeptTables, shown)
        if not [*_names(books.raw)]:
            raise Misconfigured("books name no table of raw rows", flaws=[Flaw("names no table", "raw", shown)])
        for value in (books.raw, books.daily, books.derived, books.tables, books.views):
            kept.update(dict.fromkeys(map(str.lower, _names(value)), shown))
    dataset = read_document(configs / ONBOARDING, DatasetConfig)
    kept.update(dict.fromkeys(map(str.lower, [*dataset.tables, *dataset.views]), f"{configs.name}/{ONBOARDING.as_posix()}"))
    return kept


def table_flaw(name: str, kept: Mapping[str, str]) -> str | None:
    if name.lower() in kept:
        return f"{name} is kept by {kept[name.lower()]}; choose another table"
    if name.lower().startswith(HOUSEKEEPING) or name.lower() in STAGED:
        return f"{', '.join(sorted(STAGED))} and names that begin with {HOUSEKEEPING!r} are the pipeline's own; choose another table"
    return None


def _names(value: object) -> Iterator[str]:
    """Of a name, of a list of them, of a mapping by them, and of a list of mappings that have them as `table` or `name`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from [str(value[key]) for key in ("table", "name") if key in value] or map(str, value)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)
