"""Tables of an organisation's dataset that no query of a document may be written to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from src.core.base.dataset_types import dataset_types
from src.core.base.documents import Document, read_document
from src.core.providers.packages import PACKAGES
from src.core.step.books.retelling import before_of
from src.core.step.onboarding.plan import DatasetConfig

STAGED = frozenset({"incoming", "fetched"})  # what publications stage under; a table of that name would keep them from it


class KeptTables(Document):
    """The tables that a `books.yml` names, whatever it says of them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    raw: dict[str, Any]
    derived: dict[str, Any]


def kept_tables(configs: Path) -> Mapping[str, str]:
    """Each, in small letters as DuckDB compares them, with the file that says so."""
    kept: dict[str, str] = {}
    for path in sorted(configs.rglob("books.yml")):
        shown = path.relative_to(configs.parent).as_posix()
        books = read_document(path, KeptTables, shown)
        views = (view.stem for view in (path.parent / "views").glob("*.sql"))
        before = (before_of(name) for name in books.derived)
        kept.update(dict.fromkeys(map(str.lower, (*books.raw, *books.derived, *before, *views)), shown))
    # price books, and what is made of them without books of costs: a table's schema is named after it
    for path in sorted([*configs.glob("*/schemas/*.json"), *configs.glob("*/seed/schemas/*.json")]):
        name = path.stem.lower()
        kept = {name: path.relative_to(configs.parent).as_posix(), before_of(name): path.relative_to(configs.parent).as_posix(), **kept}
    onboarding = dataset_types().organization.folder / "config.yml"
    dataset = read_document(configs / onboarding, DatasetConfig)
    kept.update(dict.fromkeys(map(str.lower, [*dataset.tables, *dataset.views]), f"{configs.name}/{onboarding.as_posix()}"))
    return kept


def table_flaw(name: str, kept: Mapping[str, str]) -> str | None:
    if name.lower() in kept:
        return f"{name} is kept by {kept[name.lower()]}; choose another table"
    # no housekeeping has a provider's name behind its x_, so that those names are free for documents
    own = dataset_types().organization.housekeeping.prefix
    free = tuple(f"{own}{provider}_" for provider in PACKAGES.names)
    if (name.lower().startswith(own) and not name.startswith(free)) or name.lower() in STAGED:
        return f"{', '.join(sorted(STAGED))} and names that begin with {own!r} are the pipeline's own; choose another table"
    return None
