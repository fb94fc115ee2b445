"""Credentials of any provider that are stored and deleted between runs: what is told of days goes by those of this moment."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from src.app.wiring import Parts
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.base.window import Window
from src.core.costs.daily import Daily, read_daily
from src.core.costs.model_sources import ModelSources
from src.core.costs.models import ModelQuestion, read_models
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.reader import CostReader
from src.core.costs.sight import sight_of
from src.core.costs.statement import read_statement
from src.core.costs.summary import read_summary
from src.core.step import credentials
from src.core.step.counted import note_counted, opened_now
from src.core.step.credentials import Proven
from tests.contract.ledger.samples import org
from tests.core.costs.bills import CONFIGS, cost, manifest, mark, prepare, publish, reader
from tests.core.step.test_credentials import context
from tests.fakes.billing import ROOT, StillClock

OCTOBER = Window(date(2026, 10, 1), date(2026, 10, 31))
TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NUMBERS = count(1)
EXPORT = {"tables": [{"project": "p", "dataset": "d", "table": "costs", "kind": "standard", "billing_account": "A", "counts": True}]}


@dataclass(frozen=True)
class Kind:
    provider: str
    subject: str | None
    facts: dict[str, Any]
    source: str | None

    @property
    def unread(self) -> str:
        return f"{self.source} was not read since" if self.source else "nobody has asked what it opens"


KINDS = {
    "openai": Kind("openai", "org-1", {"organization": "org-1"}, "org-1"),
    "openai that was not asked": Kind("openai", None, {"organization": None}, "openai-new"),
    "anthropic": Kind("anthropic", "org-2", {"organization": "org-2", "api": "reports"}, "org-2"),
    "anthropic by analytics": Kind("anthropic", "org-2", {"organization": "org-2", "api": "analytics"}, "org-2"),
    "anthropic that was not asked": Kind("anthropic", None, {"organization": None, "api": None}, "anthropic-new"),
    "deepseek": Kind("deepseek", None, {"currencies": ["USD"]}, "deepseek-new"),
    "gcp": Kind("gcp", "b@example", {"tables": [{**EXPORT["tables"][0], "table": "other", "billing_account": "B"}]}, "p.d.other"),
    "gcp that was not asked": Kind("gcp", "b@example", {"tables": []}, None),
}
KNOWN = {name: kind for name, kind in KINDS.items() if kind.source}
MODELS = ModelSources.of(CONFIGS, None)
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
# no run is possible with one that opens nothing
every_known_kind = pytest.mark.parametrize("kind", KNOWN.values(), ids=KNOWN)


@dataclass
class House:
    """An organisation whose October at Google is whole, in a real ledger and a real warehouse."""

    parts: Parts
    tenant: Tenant

    @property
    def clock(self) -> StillClock:
        assert isinstance(self.parts.clock, StillClock)
        return self.parts.clock

    def store(self, kind: Kind, name: str = "new") -> None:
        asked = None if kind.subject is None else self.clock.now()
        made = Proven(kind.provider, name, Secret("s"), f"mark-{name}", kind.subject, kind.facts, 1, asked)
        credentials.store(replace(context(self.parts), tenant=self.tenant), made)

    def delete(self, kind: Kind, name: str = "new") -> None:
        credentials.remove(self.parts, ROOT, self.tenant.org_slug, kind.provider, name)

    def run(self, provider: str, days: Iterable[date] = ()) -> None:
        """As one of its provider leaves ledger and books."""
        opened, _ = self.parts.ledger.read(opened_now, self.tenant.org_slug, provider)
        rows = [mark(day, provider=provider, published_at=self.clock.now()) for day in days]
        publish(self.parts.warehouse, self.tenant, x_cost_daily=rows, x_load_manifests=[manifest(self.clock.now(), provider)])
        self.parts.ledger.write(note_counted, self.tenant.org_slug, provider, opened, self.clock.now())

    def asked(self) -> CostReader:
        sight = self.parts.ledger.read(sight_of, self.tenant.org_slug, CONFIGS)
        return replace(reader(self.parts.warehouse, self.tenant, self.clock.now()), sight=sight)

    def daily(self, provider: str | None = None, window: Window = OCTOBER) -> Daily:
        return read_daily(self.asked(), CostQuestion(window, Filters(provider)), 100)

    def words(self, window: Window = OCTOBER) -> set[str]:
        return {line.standing.status for line in self.daily(window=window).lines}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    place = tmp_path_factory.mktemp("between")
    opened = Parts(Settings(ca_root_api_key="admin_key", embedded_data_dir=place, _env_file=None), clock=StillClock(TODAY))
    opened.ledger.bootstrap()
    yield opened
    opened.close()


@pytest.fixture
def house(parts: Parts) -> House:
    slug = f"house{next(NUMBERS)}"
    with parts.ledger.writing() as unit:
        org(unit, slug)
    here = House(parts, Tenant(org_slug(slug), Environment.DEVELOPMENT))
    here.clock.today = TODAY
    prepare(parts.warehouse, here.tenant)
    here.store(Kind("gcp", "a@example", EXPORT, "p.d.costs"), "default")
    costs = {"billed_cost": Decimal(31), "credits": Decimal(0), "net_cost": Decimal(31), "row_count": 31}
    said = {"completeness": "complete", "pipeline_logging_id": "run", "published_at": NOW}
    month = {"provider": "gcp", "invoice_month": "202610", "currency": "USD", **costs, **said}
    publish(parts.warehouse, here.tenant, gcp_cost_daily=[cost(day) for day in OCTOBER], x_cost_monthly=[month])
    here.run("gcp", Window(date(2026, 9, 1), TODAY))
    assert here.words() == {"complete"}
    return here


@every_kind
def test_one_that_is_set_up_leaves_no_day_whole_wherever_days_are_told_until_it_is_deleted(house: House, kind: Kind):
    house.store(kind)

    lines = house.daily().lines
    said = f"{kind.provider}: the credential 'new' was set up on 2026-11-20, and {kind.unread}"
    assert {line.standing.status for line in lines} == {"partial"}
    assert all(said in str(line.standing.reason) for line in lines)
    by_provider = read_daily(house.asked(), CostQuestion(OCTOBER, groups=("provider",)), 100).lines
    assert {(line.standing.status, line.keys["provider"]) for line in by_provider} == (
        {("partial", "gcp")} if kind.provider == "gcp" else {("complete", "gcp"), ("missing", kind.provider)}
    )
    # of a day to come it lacks nothing that anybody could have read
    [to_come] = house.daily(window=Window.day(TODAY + timedelta(1))).lines
    assert to_come.standing.reason == "gcp: the day is not over, and nothing was loaded for it"
    summary = read_summary(house.asked(), CostQuestion(OCTOBER), 10)
    assert (summary.completeness["partial"], summary.completeness_before["partial"]) == (31, 30)
    assert said in str(summary.totals[0].why_null)
    statement = read_statement(house.asked(), CostQuestion(OCTOBER), [], 10)
    assert statement.trust.startswith("Not yet: 31 days of October 2026 are not complete")
    assert not statement.closed
    if kind.provider in MODELS.names:
        models = read_models(house.asked(), ModelQuestion(OCTOBER, MODELS), 10)
        assert {one.provider for one in models.not_complete} == {kind.provider}
        assert len(models.not_complete) == models.completeness["missing"] == 31

    # by mistake, as it turns out
    house.delete(kind)
    assert house.words() == {"complete"}
    # nor is a run that comes after it told of it
    assert house.parts.ledger.read(opened_now, house.tenant.org_slug, kind.provider)[1] == {}


@every_known_kind
def test_one_that_was_read_and_is_deleted_leaves_its_days_as_judged_and_those_unread_partial(house: House, kind: Kind):
    house.store(kind)
    house.run(kind.provider, () if kind.provider == "gcp" else Window(OCTOBER.start, date(2026, 11, 10)))
    house.clock.today = date(2026, 11, 21)
    house.delete(kind)
    assert house.words() == {"complete"}
    unread = house.daily(kind.provider, Window(date(2026, 11, 15), TODAY)).lines
    if kind.provider != "gcp":
        assert {line.standing.status for line in unread} == {"missing"}
        told = f"{kind.provider}: the credential was removed on 2026-11-21, before this day was loaded"
        assert {str(line.standing.reason).partition("; ")[0] for line in unread} == {told}
        call = "import an export that tells" if kind.provider == "deepseek" else "run the pipeline from"
        assert f"; set it up again and {call} 2026-11-15" in str(unread[0].standing.reason)
        assert house.words(Window(date(2026, 11, 15), TODAY)) == {"partial"}

    # of days after it nothing is expected
    house.clock.today = date(2026, 12, 1)
    after = Window(date(2026, 11, 22), date(2026, 11, 30))
    house.run("gcp", after)
    assert house.words(after) == {"complete"}
    # set up again they are asked for, and what was judged with it stays
    house.store(kind)
    assert house.words(after) == {"partial"}
    assert house.words() == {"complete"}
