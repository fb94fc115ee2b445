"""A book in an organisation's dataset: what is written comes back, and two callers at once never lay two rates over each other."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from src.app.wiring import Parts
from src.core.base.faults import Conflict, Fault, Flaw, LeaseLost, Misconfigured, Missing, Rejected, Tampered, Throttled, TooLarge
from src.core.base.identity import Actor, Tenant
from src.core.base.settings import ROOT
from src.core.engine.port import Fence
from src.core.ledger.tables import audit, orgs
from src.core.step.prices.book import Because, Book, BookChange, BookRequest, Sheet
from src.core.step.prices.changes import Add, Delete, LayOver, OwnList, Release, Reset, Update, Withdraw
from src.core.step.prices.forms import to_row
from src.core.step.prices.kinds import PRICING, SUBSCRIPTIONS, Seed, seed_of
from src.core.step.prices.rates import PlanRate, Rate
from src.core.step.prices.seeding import lay
from src.core.step.prices.store import MOST_OF_ONE, BookStore, _turn
from tests.contract.ledger.samples import AT, org
from tests.contract.warehouse.conftest import ENGINES, prepare, settings_for, tenant_named
from tests.core.step.prices.books import day, rate

CALLERS = {"duckdb": 200, "bigquery": 6}
ORG = Actor("org", user_id="jane@acme.com")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def parts(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Parts]:
    prepare(engine, tmp_path, request)
    made = Parts(settings_for(engine, tmp_path))
    made.ledger.bootstrap()
    yield made
    made.close()


def small(*rates: Rate) -> Seed[Rate]:
    listed = seed_of(ROOT / "configs", "openai", PRICING)
    return Seed("openai", PRICING, listed.schema, rates or (rate("2"), rate("8", kind="output")))


@pytest.fixture
def store(parts: Parts) -> BookStore[Rate]:
    tenant = tenant_named("acme_corp")
    parts.warehouse.ensure_dataset(tenant)
    made = BookStore(parts, tenant, small())
    assert made.make()
    made.change(Release(made.seed.rates), ORG, "pricing.release")
    return made


def audited(parts: Parts) -> list[tuple[str, str | None, Any]]:
    found = parts.ledger.read(audit.page, None, None, 50)
    return [(row.action, row.user_id, row.details) for row in found]


def prices(store: BookStore[Rate]) -> list[tuple[str, str]]:
    return sorted((one.token_kind, format(one.price, "f")) for one in store.read().rates)


def test_what_is_written_comes_back_as_it_was_told(store: BookStore[Rate]):
    store.change(Add([rate("0.123456789012345678", 0, 9.5, model="ft:a/b", note="a 'quoted' one")]), ORG, "pricing.add")
    store.change(Update({"model": "m", "token_kind": "input"}, {"price": Decimal("1.50")}), ORG, "pricing.update")

    book = store.read()
    (own,) = [row for row in book.rows if row.rate.model == "ft:a/b"]
    assert own.rate == rate("0.123456789012345678", 0, 9.5, model="ft:a/b", note="a 'quoted' one", origin="own")
    assert (own.edition, own.recorded_by) == (1, "org:jane@acme.com")
    assert [row.closed_because for row in book.rows if not row.stands] == ["replaced"]
    assert ("input", "1.5") in prices(store)
    assert list(book.flaws()) == []


def test_refusals_say_what_to_do_and_change_nothing(store: BookStore[Rate]):
    before = store.read()

    with pytest.raises(Conflict, match="update it, or name a time that is free"):
        store.change(Add([rate("3")]), ORG, "pricing.add")
    with pytest.raises(Missing, match="there is no model 'n' in this book"):
        store.change(Delete({"model": "n"}), ORG, "pricing.delete")
    with pytest.raises(Rejected, match="nothing of model m is announced") as wrong:
        store.change(Withdraw({"model": "m"}), ORG, "pricing.withdraw")
    with pytest.raises(Rejected) as many:
        store.change(Add([rate("1", kind=f"kind{number}") for number in range(25)]), ORG, "pricing.add")

    assert type(wrong.value) is Rejected
    assert (type(many.value), len(many.value.flaws), many.value.left_out) == (Rejected, 20, 30)
    assert store.read() == before


@dataclass
class Overtaken:
    """A request in whose reckoning another caller comes first, as another process may at any moment."""

    asked: BookRequest[Rate]
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    because: Because | None = None

    def carry_out(self, sheet: Sheet[Rate]) -> list[Flaw]:
        while self.meanwhile:
            self.meanwhile.pop()()
        return self.asked.carry_out(sheet)


def elsewhere(store: BookStore[Rate], asked: BookRequest[Rate]) -> Callable[[], BookChange[Rate]]:
    """The same by another process, which shares nothing with this one but the warehouse."""

    def publish() -> BookChange[Rate]:
        warehouse, tenant = store.services.warehouse, store.tenant
        change = store.read().change(asked, store.services.clock.now(), "elsewhere")
        fence = Fence(store.scope, warehouse.last_generation(tenant, store.scope) + 1)
        with warehouse.publication(tenant, "elsewhere", fence) as publication:
            publication.append(store.seed.table, [to_row(row) for row in change.opened])
        return change

    return publish


def test_who_is_overtaken_begins_again_from_the_book_as_it_has_become(store: BookStore[Rate]):
    free, taken = rate("3", model="free"), rate("4", model="taken")

    store.change(Overtaken(Add([free]), [elsewhere(store, Add([taken]))]), ORG, "pricing.add")
    with pytest.raises(Rejected, match=r"late.* has a rate since its launch"):
        store.change(Overtaken(Add([rate("5", model="late")]), [elsewhere(store, Add([rate("6", model="late")]))]), ORG, "pricing.add")

    found = {row.rate.model: (format(row.rate.price, "f"), row.recorded_by) for row in store.read().standing}
    assert found == {"m": found["m"], "free": ("3", "org:jane@acme.com"), "taken": ("4", "elsewhere"), "late": ("6", "elsewhere")}
    assert list(store.read().flaws()) == []


def test_callers_at_once_leave_one_rate_a_moment_and_lose_no_change(engine: str, store: BookStore[Rate]):
    dice = Random(14)
    asked: list[BookRequest[Rate]] = []
    for number in range(CALLERS[engine]):
        price, model = Decimal(number) + Decimal("0.5"), f"model-{dice.randrange(CALLERS[engine] // 2)}"
        kinds: list[BookRequest[Rate]] = [
            Add([rate(str(price), model=model)]),
            LayOver([rate(str(price), dice.randrange(9), dice.randrange(9, 20), model="m")]),
            Update({"model": "m", "token_kind": "output"}, {"price": price}),
        ]
        asked.append(kinds[number % 3])

    def carry_out(one: BookRequest[Rate]) -> BookChange[Rate] | Fault:
        while True:
            try:
                return store.change(one, ORG, "pricing.change").change
            except Throttled:
                continue  # on a machine that is busy a turn may not come in time; nothing was changed, and a caller asks again
            except Fault as refused:
                return refused

    with ThreadPoolExecutor(len(asked)) as pool:
        done = list(pool.map(carry_out, asked))

    book = store.read()
    kept = {row.key for row in book.rows}
    accepted = [one for one in done if isinstance(one, BookChange)]
    assert list(book.flaws()) == []
    assert all(row.key in kept for change in accepted for row in change.opened)
    assert len(kept) == len(book.rows) == 2 + sum(len(change.opened) for change in accepted)
    assert len({change.at for change in accepted}) == len(accepted)
    assert all(isinstance(one, Conflict) and isinstance(what, Add) for one, what in zip(done, asked, strict=True) if one not in accepted)
    assert replayed(book, accepted)


def replayed(book: Book[Rate], accepted: list[BookChange[Rate]]) -> bool:
    """One after another in the order of their moments they come to the same book."""
    first = Book(tuple(row for row in book.as_of(min(row.recorded_at for row in book.rows))))
    again = Book(tuple(_opened(row) for row in first.rows))
    for change in sorted(accepted, key=lambda one: one.at):
        again = again.after(change)
    return {(row.key, row.closed_at) for row in again.rows} == {(row.key, row.closed_at) for row in book.rows}


def _opened(row):
    return type(row)(rate=row.rate, edition=row.edition, recorded_at=row.recorded_at, recorded_by=row.recorded_by)


def test_a_release_leaves_what_is_own_and_a_reset_puts_it_away(parts: Parts, store: BookStore[Rate]):
    store.change(Update({"model": "m", "token_kind": "input"}, {"price": Decimal("1.5")}), ORG, "pricing.update")
    anew = BookStore(parts, store.tenant, small(rate("2.5"), rate("9", kind="output")))

    released = lay(anew, "release", ORG)
    after_release = [one for one in prices(anew) if one[0] == "output"], ("input", "1.5") in prices(anew)
    reset = lay(anew, "reset", ORG)
    again = lay(anew, "reset", ORG)

    assert (released["table_created"], released["changed"], released["own_put_away"]) == (False, True, 0)
    assert after_release == ([("output", "9")], True)
    assert prices(anew) == [("input", "2.5"), ("output", "9")]
    assert (reset["own_put_away"], [one["price"] for one in reset["own_rates_put_away"]]) == (1, ["1.5"])
    assert (again["changed"], again["opened"], again["closed"], again["own_put_away"]) == (False, 0, 0, 0)
    told = audited(parts)
    assert [(action, details["changed"]) for action, _, details in told[:3]] == [
        ("pricing.reset", False),
        ("pricing.reset", True),
        ("pricing.release", True),
    ]
    assert {user for _, user, _ in told} == {"jane@acme.com"}
    assert told[1][2]["closed_rates"]


@pytest.mark.parametrize("laying", [Add, LayOver])
def test_a_rate_without_a_moment_does_not_come_beside_another(store: BookStore[Rate], laying: type[Add[Rate] | LayOver[Rate]]):
    store.change(Update({"model": "m", "token_kind": "input"}, {"price": Decimal("1.5")}), ORG, "pricing.update")
    before = store.read()

    with pytest.raises(Rejected, match="is not after effective_from"):
        store.change(laying([rate("2").but(effective_to=datetime.min.replace(tzinfo=UTC))]), ORG, "pricing.add")
    assert store.read() == before


def test_whoever_has_the_slug_next_gets_nothing_of_the_one_before(store: BookStore[Rate]):
    before = store.read()
    erased = BookStore(store.services, Tenant(store.tenant.org_slug, store.tenant.environment, 7), store.seed)

    with pytest.raises(Missing, match="off-boarded"):
        erased.change(Add([rate("1", model="n")]), ORG, "pricing.add")
    assert store.read() == before


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_of_an_organisation_that_is_erased_while_its_book_changes_nothing_is_audited_nor_committed(parts: Parts, store: BookStore[Rate]):
    with parts.ledger.writing() as unit:
        org(unit, "acme_corp")
    mine = BookStore(parts, Tenant(store.tenant.org_slug, store.tenant.environment, 1), store.seed)
    before = store.read()

    def at_the_commit(happens: Callable[[], object]) -> Callable[[], None]:
        times = count(1)

        def held() -> None:
            # it is asked before the book is reckoned, and once more before it is committed
            if next(times) == 2:
                happens()

        return held

    def lose() -> None:
        raise LeaseLost("another worker has it")

    with pytest.raises(LeaseLost):
        mine.change(Add([rate("1", model="n")]), ORG, "pricing.add", at_the_commit(lose))
    assert store.read() == before

    # what is committed goes with its dataset, and whoever has the slug next is told nothing of it
    mine.change(Add([rate("1", model="n")]), ORG, "pricing.add", at_the_commit(lambda: parts.ledger.write(orgs.erase, "acme_corp", AT)))
    assert [line for line in audited(parts) if line[0] == "pricing.add"] == []


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_who_changes_one_book_holds_up_no_other(store: BookStore[Rate]):
    assert _turn("acme_dev", "prices") is not (other := _turn("globex_dev", "prices"))
    assert _turn("globex_dev", "prices") is other


def test_a_book_has_an_end(store: BookStore[Rate]):
    full = BookStore(store.services, store.tenant, store.seed, most_rows=2)

    with pytest.raises(TooLarge, match="would have 3 editions of rates, and 2 is the most"):
        full.change(Add([rate("1", model="n")]), ORG, "pricing.add")
    assert not full.change(Reset(full.seed.rates), ORG, "pricing.reset").change.changes


def test_a_row_that_says_other_than_its_name_is_not_written_over(store: BookStore[Rate]):
    forged = {**to_row(store.read().rows[0]), "rate_id": "seed_forged", "effective_from": None}
    with store.services.warehouse.publication(store.tenant, "hand", Fence("by hand", 1)) as publication:
        publication.append(store.seed.table, [forged])

    with pytest.raises(Tampered, match="seed_forged"):
        store.change(Reset(store.seed.rates), ORG, "pricing.reset")


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_what_is_not_there_yet_is_named_with_what_makes_it(parts: Parts):
    tenant = tenant_named("acme_corp")
    plans: BookStore[PlanRate] = BookStore(parts, tenant, seed_of(ROOT / "configs", "openai", SUBSCRIPTIONS))
    with pytest.raises(Misconfigured, match="acme_corp_dev is lost"):
        plans.read()
    parts.warehouse.ensure_dataset(tenant)
    with pytest.raises(Missing, match=r"no table openai_subscriptions yet; POST .*/openai/setup makes it"):
        plans.read()
    assert lay(plans, "release", ORG)["opened"] == len(plans.seed.rates)
    assert {row.rate.plan_name for row in plans.read().standing} == {one.plan_name for one in plans.seed.rates}


def test_a_provider_without_a_seed_has_no_book():
    with pytest.raises(Missing, match="gcp has no price book in this release; these have one: anthropic, deepseek, openai"):
        seed_of(ROOT / "configs", "gcp", PRICING)


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_of_one_model_and_kind_there_are_so_many_editions_and_a_reset_is_taken_all_the_same(store: BookStore[Rate]):
    hours = [rate("1").but(effective_from=day(number), effective_to=day(number + 1)) for number in range(MOST_OF_ONE + 1)]
    with pytest.raises(TooLarge, match="lay fewer rates of it"):
        store.change(LayOver(hours), ORG, "pricing.lay_over")
    store.change(LayOver(hours[: MOST_OF_ONE - 3]), ORG, "pricing.lay_over")
    with pytest.raises(TooLarge):
        store.change(LayOver([rate("2").but(effective_from=day(0), effective_to=day(9))]), ORG, "pricing.lay_over")
    assert store.change(Reset(store.seed.rates), ORG, "pricing.reset").change.changes


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_the_same_list_told_again_changes_nothing(store: BookStore[Rate]):
    ours = [rate("7"), rate("9", kind="output")]
    assert store.change(OwnList(ours), ORG, "pricing.replace").change.changes
    before = store.read()
    assert not store.change(OwnList(ours), ORG, "pricing.replace").change.changes
    assert store.read() == before


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_another_source_alone_is_a_change_too(store: BookStore[Rate]):
    store.change(LayOver([rate("7", 3)]), ORG, "pricing.lay_over")
    told = store.change(LayOver([rate("7", 3, note="by contract")]), ORG, "pricing.lay_over").change
    assert [(row.closed_because, row.replaced_by) for row in told.closed] == [("extended", None)]
    assert [(row.edition, row.rate.note) for row in told.opened] == [(2, "by contract")]
