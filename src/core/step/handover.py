"""Which days of an account will be counted from another source than before, and of which nobody will know: told when a credential is
stored, before any run. Where several sources may tell of one account's money, as Google's exports do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from src.core.base.documents import read_document
from src.core.base.identity import Tenant
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.providers.export import TablePlace
from src.core.providers.packages import PACKAGES
from src.core.step.books.completeness import SourceState
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.document import BooksDocument
from src.core.step.books.gaps import FILLS, month_before
from src.core.step.books.housekeeping import Housekeeping
from src.core.step.books.placing import put
from src.core.step.context import Services
from src.core.step.counted import OpenedSource, opened_sources

ONE_DAY: Final = timedelta(1)
CONTINENTS: Final = frozenset({"US", "EU"})


@dataclass(frozen=True, slots=True)
class Handover:
    """Days of use of an account that were counted from one source and will be from another."""

    account: str
    from_source: str
    to_source: str
    first_day: date
    last_day: date | None
    """The last that the other has told so far; None where nothing of it was read."""
    says: str


@dataclass(frozen=True, slots=True)
class UnknownDays:
    """Load days of which a source that will be counted has nothing, and no other that was read."""

    account: str
    source: str
    first_day: date | None
    """None: whatever was before."""
    last_day: date
    says: str


@dataclass(frozen=True, slots=True)
class Handovers:
    changes: tuple[Handover, ...] = ()
    unknown: tuple[UnknownDays, ...] = ()


def handovers(
    services: Services, tenant: Tenant, provider: str, before: Sequence[CredentialRecord], after: Sequence[CredentialRecord]
) -> Handovers:
    if PACKAGES.credential(provider).sources is None:
        return Handovers()
    then = {one.account: name for name, one in opened_sources(provider, before).items()}
    now, own, today = opened_sources(provider, after), Housekeeping.read(services.settings.configs_dir), services.clock.now().date()
    known, changes, unknown = _known(services, tenant, provider, own), list[Handover](), list[UnknownDays]()
    for name, one in sorted(now.items()):
        made, place = _facts(one, name)
        # of one that was read it is known from its own slices, and the books tell it
        if made is None or (known.state(name).looks.latest is not None and then.get(one.account) == name):
            continue
        older = then.get(one.account) or _beside(services, tenant, provider, (own, one.account, now.keys() - {name}))
        state = known.state(older) if older and older != name else None
        if older and state is not None:
            changes.append(_handover(one.account, older, name, made, state))
        # one that goes on to be read, as a reseller's does, will tell what it has not told yet
        gap = None if older in now and older != name else _unknown(one.account, name, made, state)
        if gap:
            unknown.append(replace(gap, says=f"{gap.says}{_filled(made, place, today)}"))
    return Handovers(tuple(changes), tuple(unknown))


def _beside(services: Services, tenant: Tenant, provider: str, which: tuple[Housekeeping, str, Collection[str]]) -> str | None:
    """Another source that counts and has told of this account, which is not its own."""
    own, account, others = which
    for path in sorted((services.settings.configs_dir / provider).rglob("books.yml")):
        document = read_document(path, BooksDocument)
        there = services.warehouse.tables(tenant) if document.rivals and others else ()
        for table, facts in document.raw.items() if document.rivals else ():
            sql = put(own.templates["accounts"], raw=table, source=facts.source, account=document.rivals or "")
            rows = services.warehouse.query(tenant, sql).to_pylist() if table in there else []
            found = sorted(row["source"] for row in rows if row["account"] == account and row["source"] in others)
            if found:
                return str(found[0])
    return None


def _handover(account: str, older: str, name: str, made: date, state: SourceState) -> Handover:
    since, last = made + ONE_DAY, state.reach.last if state.reach else None
    told = f"of which {older} told until {last}" if last else f"of which nothing was read of {older}"
    return Handover(
        account,
        older,
        name,
        since,
        last,
        f"days of {account} from {since} on, {told}, will be counted from {name}; days before stay counted from {older}",
    )


def _unknown(account: str, name: str, made: date, older: SourceState | None) -> UnknownDays | None:
    reach = older.reach if older else None
    if reach is not None and reach.until >= made:
        return None
    if reach is None or older is None:
        told = f"{name} begins during {made}: of days of {account} up to it no source that is read tells all, and they are partial"
        return UnknownDays(account, name, None, made, told)
    first = reach.until + ONE_DAY
    told = f"what was written of {account} from {first} to {made} stands neither in what was read of {older.source} nor in {name}"
    mend = f"run the pipeline with a credential for {older.source} once more, and set this one up after that"
    return UnknownDays(account, name, first, made, f"{told}: days that it may be of are partial; {mend}")


def _filled(made: date, place: str | None, today: date) -> str:
    if place is not None and place not in CONTINENTS:
        return ""
    since = month_before(made)
    if today > made + FILLS:
        return f"; what was used since {since} is known where Google has filled it"
    return f"; within {FILLS.days} days Google may write to it what was used since {since}, and then these days are known"


def _facts(one: OpenedSource, name: str) -> tuple[date | None, str | None]:
    """When a table was made, and where it lies."""
    tables: Sequence[Mapping[str, str | None]] = (one.record.metadata or {}).get("tables") or ()
    for table in tables:
        if TablePlace(str(table["project"]), str(table["dataset"]), str(table["table"])).source == name:
            made = table.get("made")
            return (datetime.fromisoformat(made).date() if made else None), table.get("location")
    return None, None


def _known(services: Services, tenant: Tenant, provider: str, own: Housekeeping) -> KnownSlices:
    warehouse = services.warehouse
    schemas = [schema for schema in own.schemas if schema.name in ("x_source_slices", "x_source_looks")]
    if not warehouse.has_dataset(tenant) or not {schema.name for schema in schemas} <= set(warehouse.tables(tenant)):
        return KnownSlices()
    for schema in schemas:
        # a dataset may be of a release that had not all columns
        if not set(schema.columns) <= set(warehouse.columns(tenant, schema.name)):
            warehouse.ensure_table(tenant, schema)
    asked = {"provider": provider}
    slices, looks = (warehouse.query(tenant, own.questions[name], asked).to_pylist() for name in ("slices", "looks"))
    return KnownSlices.of(slices, looks)
