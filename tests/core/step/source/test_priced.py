"""Books that price use: by the book as it stands, to the last digit, proven, doubted, made anew when they are due, and priced again."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from src.core.base.faults import BooksNotClosed, Fault, Misconfigured, Throttled
from src.core.base.schema import TableSchema
from src.core.base.window import Window
from src.core.costs.daily import read_daily
from src.core.costs.question import CostQuestion
from src.core.costs.reader import CostReader
from src.core.step.source import load
from tests.core.costs.bills import HOUSE as ONBOARDING
from tests.core.costs.bills import cost, mark, publish
from tests.core.step.source.acme import Leaf, used
from tests.core.step.source.priced import BOOKS, PricedAcme, priced, rate
from tests.fakes.billing import Billing, billing

TENTH, ELEVENTH = date(2026, 11, 10), date(2026, 11, 11)
WINDOW = (TENTH, ELEVENTH)
DEAR = Decimal("123456789012345678.123456789")
MONTH = (date(2026, 11, 1), ELEVENTH)


@pytest.fixture
def acme(bare: Billing) -> PricedAcme:
    bare.clock.today = date(2026, 11, 12)
    return PricedAcme(bare, priced(bare))


@pytest.fixture
def on_bigquery(tmp_path: Path, bigquery_emulator: Any) -> Iterator[PricedAcme]:
    settings = {"warehouse": "bigquery", "bigquery_job_seconds": 300.0, **bigquery_emulator.named}
    with billing(tmp_path, date(2026, 11, 12), sandbox=False, **settings) as here:
        here.parts.warehouse.ensure_dataset(here.tenant)
        try:
            yield PricedAcme(here, priced(here))
        finally:
            here.parts.warehouse.drop_dataset(here.tenant)


def test_use_is_priced_and_priced_again(acme: PricedAcme):
    tell_a_life(acme)


def test_bigquery_prices_the_same(on_bigquery: PricedAcme):
    tell_a_life(on_bigquery)


def billed_by_another(acme: PricedAcme) -> None:
    """A bill in NUMERIC, beside which the costs of this provider have more decimals."""
    warehouse, tenant = acme.here.parts.warehouse, acme.here.tenant
    own = (ONBOARDING / f"{name}.json" for name in ("x_cost_daily", "x_load_manifests"))
    for path in (acme.configs / "gcp/cost/schemas/gcp_cost_daily.json", *own):
        warehouse.ensure_table(tenant, TableSchema.load(path))
    publish(warehouse, tenant, gcp_cost_daily=[cost(TENTH, str(DEAR))], x_cost_daily=[mark(TENTH, billed_cost=DEAR)])


def tell_a_life(acme: PricedAcme) -> None:
    """A third of a cent a token, a model that nobody prices, a rate that is corrected, and a day that settles."""
    billed_by_another(acme)
    acme.lay(rate("m", "3"))
    first = acme.tell(*MONTH, used(TENTH), used(ELEVENTH, 50), used(ELEVENTH, 5, "n"))
    assert (first["tables"], first["figures"]) == ({"acme_usage_raw": 3, "acme_priced_daily": 3, "acme_bill_daily": 2}, {"computed": 2})
    assert [(one["model"], one["reason"]) for one in first["unpriced"]] == [("n", "model unknown: the price book has none of this name")]
    assert acme.here.ask("SELECT SUM(net_cost) AS cost FROM acme_bill_daily")[0]["cost"] == Decimal("64.285714285714285714")
    assert acme.days() == {"11-10": ("42.857142857", "provisional", "computed"), "11-11": ("21.428571429", "unpriced", "computed")}
    [month] = acme.here.ask("SELECT net_cost, completeness, completeness_reason, figure FROM x_cost_monthly")
    assert (month["completeness"], month["completeness_reason"]) == ("unpriced", "2026-11-11: no price for n")
    assert (month["net_cost"], month["figure"]) == (Decimal("64.285714286"), "computed")  # of the rows, not of days rounded before

    asked = CostReader(acme.here.parts.warehouse, acme.configs, acme.here.tenant, acme.here.clock.now())
    found = read_daily(asked, CostQuestion(Window(*WINDOW), groups=("provider",)), 10)
    assert [(one.keys["provider"], one.figure, one.amounts.net_cost) for one in found.lines] == [
        ("acme", "computed", Decimal("42.857142857")),
        ("gcp", "billed", DEAR),
        ("acme", "computed", Decimal("21.428571429")),
        ("gcp", None, None),
    ]
    assert [(one.figure, one.amounts.net_cost) for one in found.totals] == [("mixed", DEAR + Decimal("64.285714286"))]

    acme.correct("m", "14")
    acme.lay(rate("n", "7"))
    again = acme.reprice(*WINDOW)
    assert (again["rows_processed"], again["days_changed"], again["unpriced"]) == (0, 2, [])
    assert acme.days() == {"11-10": ("200", "provisional", "computed"), "11-11": ("105", "provisional", "computed")}
    history = acme.here.ask("SELECT period, net_before, net_after, reason FROM x_cost_history WHERE grain = 'day' ORDER BY period")
    assert [(one["period"], one["reason"].partition(" ")[2]) for one in history] == [
        ("2026-11-10", "as the price book tells it now"),
        ("2026-11-11", "as the price book tells it now"),
    ]
    assert acme.here.ask("SELECT COUNT(*) AS n FROM acme_bill_daily_before") == [{"n": 2}]
    manifests = acme.here.ask("SELECT source, document, rows_read, window_start, days_changed FROM x_load_manifests ORDER BY published_at")
    assert [(one["document"], one["source"], one["rows_read"]) for one in manifests] == [
        ("acme/cost/usage", "usage", 3),
        ("acme/cost/reprice", "acme_model_pricing", 0),
    ]
    assert acme.reprice(*WINDOW)["days_changed"] == 0

    acme.here.clock.today = date(2026, 11, 13)
    settled = acme.tell(*MONTH, used(TENTH), used(ELEVENTH, 50), used(ELEVENTH, 5, "n"))
    assert (settled["rows_processed"], settled["days_touched"], settled["days_changed"]) == (0, 1, 1)
    assert acme.days() == {"11-10": ("200", "complete", "reported"), "11-11": ("105", "provisional", "computed")}
    assert acme.here.ask("SELECT figure, completeness FROM x_cost_monthly") == [{"figure": "mixed", "completeness": "partial"}]
    # a second time nothing is due
    assert acme.tell(*MONTH, used(TENTH), used(ELEVENTH, 50), used(ELEVENTH, 5, "n"))["days_touched"] == 0


def test_without_a_book_usage_is_loaded_and_what_makes_the_book_is_told(acme: PricedAcme):
    told = acme.tell(*WINDOW, used(TENTH))
    assert told["tables"] == {"acme_usage_raw": 1, "acme_priced_daily": 1, "acme_bill_daily": 0}
    [one] = told["unpriced"]
    assert "no price book" in one["reason"]
    assert "/api/v1/integrations/acme_corp/acme/setup" in one["reason"]
    assert acme.days()["11-10"] == (None, "unpriced", None)

    acme.lay(rate("m", "3"))
    assert acme.reprice(*WINDOW)["days_changed"] == 1
    assert acme.days()["11-10"] == ("42.857142857", "provisional", "computed")


def test_a_day_that_was_not_asked_for_is_not_told_by_pricing_anew(acme: PricedAcme):
    acme.lay(rate("m", "3"))
    acme.tell(*WINDOW, used(TENTH))
    before = acme.here.ask("SELECT * FROM x_cost_daily ORDER BY usage_date")
    again = acme.reprice(date(2026, 10, 1), date(2026, 11, 12))
    assert (again["days_touched"], again["days_changed"], again["restated"]) == (1, 0, 0)
    assert acme.here.ask("SELECT * FROM x_cost_daily ORDER BY usage_date") == before


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        ("1 AS ours, SUM(quantity) AS theirs FROM {acme_priced_daily}", "tokens: is 1, and what it is held against is 100"),
        ("1 AS ours, CAST(NULL AS INT64) AS theirs FROM {acme_priced_daily}", "is not known"),
        ("CAST(NULL AS INT64) AS ours, CAST(NULL AS INT64) AS theirs FROM {acme_priced_daily}", "is not known"),
        ("1 AS ours, 1 AS theirs FROM {acme_priced_daily} WHERE model_told = 'else'", "compares nothing with nothing"),
    ],
)
def test_what_is_not_proven_is_not_published(bare: Billing, proof: str, said: str):
    bare.clock.today = date(2026, 11, 12)
    acme = PricedAcme(bare, priced(bare, proof=f"SELECT 'tokens' AS what, {proof}"))
    acme.lay(rate("m", "3"))
    with pytest.raises(BooksNotClosed, match=said):
        acme.tell(*WINDOW, used(TENTH))
    assert acme.days() == {}
    assert acme.here.ask("SELECT * FROM acme_usage_raw") == []


def test_a_doubt_that_is_none_of_ours_is_not_told(bare: Billing):
    bare.clock.today = date(2026, 11, 12)
    acme = PricedAcme(bare, priced(bare, doubts="SELECT usage_date, 'cheap' AS completeness, 'x' AS reason FROM {acme_bill_daily}"))
    acme.lay(rate("m", "3"))
    with pytest.raises(Misconfigured, match="'cheap' of 2026-11-10"):
        acme.tell(*WINDOW, used(TENTH))


def test_days_that_nobody_can_read_again_are_not_whole_for_that(acme: PricedAcme, monkeypatch):
    """The credential is gone, and the days were last looked at when they could change yet."""
    acme.lay(rate("m", "3"))
    acme.tell(*WINDOW, used(TENTH))
    monkeypatch.setattr(Leaf, "counting", lambda *_: frozenset())
    acme.here.clock.today = date(2026, 12, 12)
    acme.correct("m", "14")
    acme.reprice(*WINDOW)
    assert acme.days()["11-10"] == ("200", "stale", "computed")


def meddled(acme: PricedAcme, monkeypatch: pytest.MonkeyPatch, meddle: Any) -> None:
    """Something is done elsewhere when this publication has priced its days and writes its manifest."""
    manifest = load.manifest  # type: ignore[attr-defined]
    first = iter([meddle])

    def told(*args: Any) -> Any:
        next(first, lambda: None)()
        return manifest(*args)

    monkeypatch.setattr(load, "manifest", told)


def test_a_rate_that_is_laid_while_days_are_priced_keeps_them_from_being_told_by_the_old_one(acme: PricedAcme, monkeypatch):
    rate_laid_meanwhile(acme, monkeypatch)


@pytest.mark.proof
def test_bigquery_tells_no_day_by_a_rate_that_was_corrected_meanwhile(on_bigquery: PricedAcme, monkeypatch):
    rate_laid_meanwhile(on_bigquery, monkeypatch)


def rate_laid_meanwhile(acme: PricedAcme, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst of it: the book is corrected and days are priced anew while a load, which read the book before, is about to end."""
    acme.lay(rate("m", "3"))
    acme.tell(*WINDOW, used(TENTH))
    meddled(acme, monkeypatch, lambda: acme.correct("m", "14"))
    with pytest.raises(Throttled):
        acme.tell(*WINDOW, used(TENTH), used(ELEVENTH, 50))
    assert acme.days()["11-10"][0] == "42.857142857"
    acme.reprice(*WINDOW)
    acme.tell(*WINDOW, used(TENTH), used(ELEVENTH, 50))
    assert [acme.days()[day][0] for day in ("11-10", "11-11")] == ["200", "100"]


def test_of_a_load_and_a_pricing_at_once_one_begins_anew(acme: PricedAcme, monkeypatch):
    acme.lay(rate("m", "3"))
    acme.tell(*WINDOW, used(TENTH))
    acme.correct("m", "14")
    met: list[Fault] = []

    def price_anew() -> None:
        try:
            acme.reprice(*WINDOW)
        except Fault as fault:
            met.append(fault)

    meddled(acme, monkeypatch, price_anew)
    acme.tell(*WINDOW, used(TENTH, 200), used(ELEVENTH, 50))
    assert [acme.days()[day][0] for day in ("11-10", "11-11")] == ["400", "100"]
    assert [type(fault) for fault in met] == [Throttled]
    assert acme.reprice(*WINDOW)["days_changed"] == 0


def test_pricing_anew_needs_no_credential_and_is_done_once(acme: PricedAcme):
    acme.lay(rate("m", "3"))
    acme.tell(*WINDOW, used(TENTH))
    acme.correct("m", "14")
    assert acme.engine.opens({"books": "acme/cost", "reprice": True}) is None
    context = acme.repricing(*WINDOW)
    first = acme.engine.run({"books": "acme/cost", "reprice": True}, context)
    # taken over after its commit, before it could say so
    acme.correct("m", "21")
    assert acme.engine.run({"books": "acme/cost", "reprice": True}, context)["manifest_id"] == first["manifest_id"]
    assert acme.days()["11-10"][0] == "200"


@pytest.mark.parametrize(
    ("was", "now", "at", "said"),
    [
        ("figure: figure", "figure: figur", "figure", "did you mean 'figure'?"),
        ("figure: figure", "figure: model", "figure", "acme_bill_daily.model must be a STRING that is REQUIRED"),
        ("proofs: [proof.sql]", "proofs: []", "raw", "no table of raw rows `counts`"),
        ("cost: acme_bill_daily", "cost: acme_bill_daily\nrivals: source", "rivals", "goes with neither `prices` nor `proofs`"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(bare: Billing, was: str, now: str, at: str, said: str):
    configs = priced(bare)
    text = BOOKS.replace(was, now)
    (configs / "acme/cost/books.yml").write_text(text)
    with pytest.raises(Misconfigured) as wrong:
        PricedAcme(bare, configs).engine  # noqa: B018 - it is read then
    [flaw] = wrong.value.flaws
    assert (flaw.field, said in flaw.message, flaw.file, flaw.line is not None) == (at, True, str(configs / "acme/cost/books.yml"), True)


@pytest.mark.parametrize(
    ("question", "text", "said"),
    [
        ("bill", "SELECT 1 FROM\n{acme_bill_daily}", "line 2"),
        ("doubts", "SELECT 1 FROM {meters}", "stands for nothing here"),
        ("meters", "SELECT 1 FROM {acme_usage}", "did you mean 'acme_usage_raw'?"),
    ],
)
def test_a_name_in_braces_that_stands_for_nothing_is_told_with_its_line(bare: Billing, question: str, text: str, said: str):
    configs = priced(bare, **{question: text})
    with pytest.raises(Misconfigured) as wrong:
        PricedAcme(bare, configs).engine  # noqa: B018 - it is read then
    [flaw] = wrong.value.flaws
    assert said in f"{flaw.message}; line {flaw.line}"
    assert flaw.file == str(configs / f"acme/cost/books/{question}.sql")
