"""What every provider that is asked by the day has in common: how far back it is asked, whose costs count, what a killed run leaves."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from src.core.base.faults import Rejected
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.ledger.tables import credentials
from src.core.ledger.tables.credentials import FIELDS, CredentialRecord
from src.core.providers.link import ProviderLink
from src.core.step.books.axis import Used
from src.core.step.books.completeness import Calendar
from src.core.step.books.coverage import KnownSlices
from src.core.step.credentials import OpenCredential
from src.core.step.source.by_day import DaysAsked, DaysLook, days_asked
from src.core.step.source.config import SourceStep
from src.core.step.source.days_processor import DayReport, DaysProcessor
from src.core.step.source.fetching import clear_leftovers
from src.core.step.source.planning import plan_sources
from tests.core.step.source.acme import READ, Acme, configured, used
from tests.fakes.billing import Billing

TODAY = date(2026, 11, 12)
STEP = SourceStep.model_validate(READ)


def day(number: int) -> date:
    return TODAY.replace(day=number)


def nothing(_: ProviderLink, __: Secret, ___: Window) -> Iterator[tuple[date, Mapping[str, Any]]]:
    yield from ()


def opened(subject: str | None) -> OpenCredential:
    return OpenCredential("id", "acme", "default", Secret("key"), "print", subject)


def stored(here: Billing, provider: str, name: str, subject: str | None) -> None:
    at = here.clock.now()
    facts: dict[str, Any] = dict.fromkeys(FIELDS) | {"validation_status": "VALID", "created_at": at, "updated_at": at}
    facts |= {"credential_id": f"{provider}-{name}", "org_slug": str(here.tenant.org_slug), "provider": provider}
    sealed = {"credential_name": name, "encrypted_credential": "sealed", "fingerprint": "print", "subject": subject}
    here.parts.ledger.write(credentials.put, CredentialRecord(**facts | sealed))


@pytest.fixture
def acme(bare: Billing) -> Acme:
    bare.clock.today = TODAY
    return Acme(bare, configured(bare, "{used: {restates: 2}}"))


@pytest.fixture
def processor(acme: Acme) -> DaysProcessor:
    made = DaysProcessor("acme", nothing, keeps_days=2)
    made.engine = acme.engine
    return made


def test_days_that_a_provider_tells_of_no_more_are_not_asked_for_and_not_said_to_be_empty(acme: Acme):
    asked: list[Window] = []

    def ask(window: Window) -> Iterator[tuple[date, Mapping[str, Any]]]:
        asked.append(window)
        yield from ()

    with days_asked(acme.here.parts.settings.data_dir, "run", {"usage": ((), ask)}, TODAY, day(10)) as (source,):
        listing = source.slices(Window(day(8), day(11)), Window(day(8), day(11)))
        with pytest.raises(Rejected, match="no day before 2026-11-10"):
            source.slices(Window(day(7), day(9)), Window(day(7), day(9)))

    assert (asked, listing.looked, listing.slices) == ([Window(day(10), day(11))], Window(day(11), day(11)), ())


def test_a_day_loaded_once_stands_when_its_provider_tells_of_it_no_more(acme: Acme):
    with acme.told([used(day(9)), used(day(10))]) as source:
        acme.load(day(9), day(10), source)
    with acme.told([used(day(10), 70)], since=day(10)) as source:
        acme.load(day(9), day(10), source)

    assert {key: cost for key, (cost, _) in acme.said().items()} == {"11-09": "1.00", "11-10": "0.70"}


def test_days_of_an_account_that_nobody_reads_any_more_are_whole_where_it_could_say_no_more(acme: Acme):
    for name in ("usage", "gone"):
        with acme.told([used(day(9)), used(day(12))], name=name) as source:
            acme.load(day(9), day(12), source)
    acme.here.clock.today = day(15)
    with acme.told([used(day(9)), used(day(12)), used(day(14))]) as source:
        acme.load(day(9), day(15), source)

    assert acme.said()["11-09"] == ("2.00", "complete")
    # half a day of the one that is gone is in the figure; of days on which it told nothing here nothing is expected of it
    assert acme.said()["11-12"] == ("2.00", "stale")
    assert acme.said()["11-14"] == ("1.00", "provisional")
    [told] = acme.here.ask("SELECT completeness_reason AS reason FROM x_cost_daily WHERE completeness = 'stale'")
    assert told["reason"].startswith("gone was last looked at on 2026-11-12, when 2026-11-12 could still change, and no credential")


def test_a_day_that_is_told_under_a_name_and_was_under_none_is_not_whole(acme: Acme):
    for name in ("acme-default", "usage"):
        with acme.told([used(day(7))], name=name) as source:
            acme.load(day(7), day(7), source)

    assert acme.said()["11-07"] == ("2.00", "partial")
    [told] = acme.here.ask("SELECT completeness_reason AS reason FROM x_cost_daily WHERE completeness = 'partial' AND billed_cost = 2")
    assert "acme-default has told of it while nobody named its account: it may count twice; no run can tell" in told["reason"]
    with acme.told([used(day(7))]) as source:
        acme.load(day(7), day(7), source)
    assert acme.said()["11-07"] == ("2.00", "partial")


def test_a_run_asks_for_as_many_days_back_as_are_kept_under_the_account_s_name(acme: Acme, processor: DaysProcessor):
    with processor.open(acme.context(day(1), day(12)), acme.here.tenant, opened("account-7"), STEP) as [source]:
        assert isinstance(source, DaysAsked)
        assert (source.name, source.since) == ("account-7", day(10))
        assert [column.name for column in source.columns] == ["usage_date", "model", "tokens"]


def test_where_a_provider_does_not_name_the_account_the_credential_s_name_stands_for_it(acme: Acme, processor: DaysProcessor):
    with processor.open(acme.context(day(1), day(12)), acme.here.tenant, opened(None), STEP) as [source]:
        assert source.name == "acme-default"


def test_two_keys_of_one_account_count_once_and_another_provider_s_do_not(acme: Acme, processor: DaysProcessor):
    for provider, name, subject in [
        ("acme", "a", "one"),
        ("acme", "b", "one"),
        ("acme", "c", "two"),
        ("gcp", "d", "three"),
        ("acme", "e", None),
    ]:
        stored(acme.here, provider, name, subject)

    assert processor.counting(acme.context(day(1), day(2)), acme.here.tenant) == {"one", "two", "acme-e"}


def test_what_a_killed_run_asked_for_goes_with_its_other_files(acme: Acme):
    io = acme.here.parts.warehouse.io_folder(acme.here.tenant)
    with days_asked(io, "run-1", {"usage": ((), lambda _: iter([(day(10), {})]))}, TODAY) as (source,):
        source.slices(Window(day(10), day(10)), Window(day(10), day(10)))
        assert list(io.rglob("*.parquet"))
        clear_leftovers(io, "run-1")
        assert list(io.iterdir()) == []


def test_a_source_that_tells_of_its_moment_is_read_whatever_days_the_run_is_for_and_says_nothing_of_others(acme: Acme):
    def ask(window: Window) -> Iterator[tuple[date, Mapping[str, Any]]]:
        yield from ((each, {}) for each in window)

    def at_once(_: Window) -> DaysLook:
        return DaysLook(Window.day(TODAY), reads=True)

    def nowhere(_: Window) -> DaysLook:
        return DaysLook(None)

    io, week = acme.here.parts.warehouse.io_folder(acme.here.tenant), Window(day(1), day(7))
    calendar = Calendar(TODAY, Used(0))
    with days_asked(io, "run", {"moment": ((), ask)}, TODAY, looks=at_once) as sources:
        [plan] = plan_sources(sources, KnownSlices(), week, calendar)
    assert [one.key for one in plan.slices] == ["2026-11-12"]
    with days_asked(io, "run", {"moment": ((), ask)}, TODAY, looks=nowhere) as sources:
        [plan] = plan_sources(sources, KnownSlices(), week, calendar)
    assert (plan.slices, plan.state.looks.latest) == ((), None)


def test_of_a_report_that_stands_beside_the_money_no_day_is_expected(acme: Acme, processor: DaysProcessor):
    stored(acme.here, "acme", "a", "one")
    reports = {
        "acme_usage_raw": DayReport(lambda _: lambda _: ()),
        "acme_moments_raw": DayReport(lambda _: lambda _: (), " now", counts=False),
    }
    both = DaysProcessor("acme", reports)
    assert both.counting(acme.context(day(1), day(2)), acme.here.tenant) == {"one"}
    assert [both.beside(name) for name in ("one", "one now", "gone now")] == [False, True, True]
