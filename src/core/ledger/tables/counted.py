"""Which sources of costs an organisation's days were judged by, and which of them no credential opens any more."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, bindparam, select, update

from src.core.ledger.unit import Tables, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSource:
    org_slug: str
    provider: str
    source: str
    account: str
    credential_name: str
    counted_at: datetime | None
    removed_at: datetime | None


FIELDS = tuple(CountedSource.__dataclass_fields__)


def put(unit: Unit, sources: Iterable[CountedSource]) -> None:
    """Each in the place of what was known of it."""
    for one in sources:
        values = {name: getattr(one, name) for name in FIELDS}
        # in its place first: where nothing is undone, a source must never be without what is known of it
        if unit.change(_known, {f"new_{name}": value for name, value in values.items()}) == 0:
            unit.insert_once(unit.tables["org_counted_sources"], values)


def of_org(unit: Unit, org_slug: str) -> list[CountedSource]:
    rows = unit.rows(unit.prepared(_of_org), {"of_org": org_slug})
    return [CountedSource(**dict(zip(FIELDS, row, strict=True))) for row in rows]


def _known(tables: Tables) -> Update:
    sources = tables["org_counted_sources"]
    key = ("org_slug", "provider", "source")
    new = {name: bindparam(f"new_{name}", type_=sources.c[name].type) for name in FIELDS}
    return update(sources).where(*(sources.c[name] == new[name] for name in key)).values({n: new[n] for n in FIELDS if n not in key})


def _of_org(tables: Tables) -> Select[Any]:
    source = tables["org_counted_sources"].c
    columns = select(*(source[name] for name in FIELDS))
    return columns.where(source.org_slug == bindparam("of_org")).order_by(source.provider, source.source)
