"""Which days of an account will be counted from another source than before, and of which nobody will know: told when a credential is
stored, before any run. Where several sources may tell of one account's money, as Google's exports do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from src.core.base.identity import Tenant
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.providers.export import TablePlace
from src.core.providers.packages import PACKAGES
from src.core.step.books.completeness import SourceState
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.gaps import FILLS, month_before
from src.core.step.books.housekeeping import Housekeeping
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
    known = _known(services, tenant, provider)
    changes, unknown = list[Handover](), list[UnknownDays]()
    for name, one in sorted(opened_sources(provider, after).items()):
        made, place = _facts(one, name)
        # of one that was read it is known from its own slices, and the books tell it
        if made is None or (known.state(name).looks.latest is not None and then.get(one.account) == name):
            continue
        older = then.get(one.account)
        state = known.state(older) if older and older != name else None
        if older and state is not None:
            changes.append(_handover(one.account, older, name, made, state))
        gap = _unknown(one.account, name, made, state, place)
        unknown += [gap] if gap else []
    return Handovers(tuple(changes), tuple(unknown))


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


def _unknown(account: str, name: str, made: date, older: SourceState | None, place: str | None) -> UnknownDays | None:
    reach = older.reach if older else None
    if reach is not None and reach.until >= made:
        return None
    fills = f"within {FILLS.days} days Google may write to it what was used since {month_before(made)}, and then these days are known"
    filled = "" if place is not None and place not in CONTINENTS else f"; {fills}"
    if reach is None or older is None:
        told = f"{name} begins during {made}: of days of {account} up to it no source that is read tells all, and they are partial{filled}"
        return UnknownDays(account, name, None, made, told)
    first = reach.until + ONE_DAY
    told = f"what was written of {account} from {first} to {made} stands neither in what was read of {older.source} nor in {name}"
    mend = f"run the pipeline with a credential for {older.source} once more, and set this one up after that"
    return UnknownDays(account, name, first, made, f"{told}: days that it may be of are partial; {mend}{filled}")


def _facts(one: OpenedSource, name: str) -> tuple[date | None, str | None]:
    """When a table was made, and where it lies."""
    tables: Sequence[Mapping[str, str | None]] = (one.record.metadata or {}).get("tables") or ()
    for table in tables:
        if TablePlace(str(table["project"]), str(table["dataset"]), str(table["table"])).source == name:
            made = table.get("made")
            return (datetime.fromisoformat(made).date() if made else None), table.get("location")
    return None, None


def _known(services: Services, tenant: Tenant, provider: str) -> KnownSlices:
    warehouse, own = services.warehouse, Housekeeping.read(services.settings.configs_dir)
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
