"""Runs that failed: days that they were to bring say so, with the call that helps."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta

from src.core.base.window import Window
from src.core.costs.daily import read_daily
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.reader import CostReader
from src.core.costs.run_sight import run_sight_of
from src.core.costs.sight import bringing, sight_of
from src.core.costs.summary import read_summary
from src.core.ledger.tables import runs
from tests.contract.ledger.samples import run
from tests.core.costs.bills import CONFIGS, reader
from tests.core.gcp.handmade import Hand, load, row
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import Billing

CALL = re.compile(r"the last run failed on .*?: POST /api/v1/pipelines/run/acme_corp/gcp/cost/billing (\{.*?\})")
WHY = "Google refused the key: it was deleted."


def ended(here: Billing, number: int, status: runs.LastStatus, window: Window, document: str = "gcp/cost/billing") -> None:
    """A run of these days, as a worker leaves it in the ledger."""
    given = {
        "document": document,
        "provider": "gcp",
        "window_start": window.start,
        "window_end": window.end,
        "parameters": {"credential_name": "second"},
    }
    made = run(f"01RUN{number:04}", "acme_corp", org_generation=None, idempotency_key=None, active_key=None, **given)
    message = WHY if status == "FAILED" else None
    here.parts.ledger.write(runs.accept, made)
    here.parts.ledger.write(runs.finish, made.pipeline_logging_id, status=status, at=here.clock.now(), error_message=message)


def asked(here: Billing) -> CostReader:
    ledger, plain = here.parts.ledger, reader(here.parts.warehouse, here.tenant, here.clock.now())
    return replace(plain, sight=ledger.read(sight_of, "acme_corp", CONFIGS), runs=ledger.read(run_sight_of, "acme_corp", CONFIGS))


def told(here: Billing, first: date, last: date) -> dict[int, tuple[str, str]]:
    found = read_daily(asked(here), CostQuestion(Window(first, last), Filters(), ()), 100)
    return {line.usage_date.day: (line.standing.status, line.standing.reason or "") for line in found.lines}


def test_days_that_a_failed_run_was_to_bring_say_how_it_failed_until_one_brings_them(bare: Billing):
    source = Hand("costs", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))])
    load(bare, day(1, 10), day(10), source, late_days=0)
    # repricing brings no days
    ended(bare, 1, "FAILED", Window(day(1), day(10)), "gcp/reprice")
    bare.clock.today = day(21)
    ended(bare, 2, "FAILED", Window(day(9), day(12)))

    before = told(bare, day(8), day(12))
    assert (CALL.search(before[8][1]), before[9][0], before[12][0]) == (None, "partial", "missing")
    assert "; the last run failed on 2026-11-21 at 12:00 UTC: Google refused the key: it was deleted; run the pipeline from" in before[9][1]
    assert before[12][1].startswith("gcp: nothing was loaded for this day; the last run failed on 2026-11-21")
    month = read_summary(asked(bare), CostQuestion(Window(day(1), day(30)), Filters(), ()), 10).invoices[-1]
    assert CALL.search(month.completeness_reason or "")

    call = CALL.search(before[12][1])
    assert call is not None
    body = json.loads(call[1])
    assert body == {"start_date": "2026-11-09", "end_date": "2026-11-12", "credential_name": "second"}
    load(bare, date.fromisoformat(body["start_date"]), date.fromisoformat(body["end_date"]), source)
    ended(bare, 3, "SUCCESS", Window(day(9), day(12)))
    after = told(bare, day(8), day(12))
    assert {word for word, _ in after.values()} == {"provisional"}
    assert not [reason for _, reason in after.values() if "failed" in reason]


def test_of_a_whole_day_it_is_not_told_that_a_later_run_over_it_failed(bare: Billing):
    source = Hand("costs", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))])
    load(bare, day(1, 10), day(19), source)
    ended(bare, 1, "FAILED", Window(day(1, 10), day(31, 10)))

    assert set(told(bare, day(5, 10), day(7, 10)).values()) == {("complete", "")}


def test_days_that_nobody_looked_at_for_48_hours_name_the_call_that_helps(bare: Billing):
    source = Hand("costs", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))])
    load(bare, day(1, 10), day(19), source)
    bare.clock.today += timedelta(3)
    [(word, reason)] = told(bare, day(12), day(12)).values()

    assert word == "stale"
    again = '{"start_date": "2026-11-12", "end_date": "2026-11-12"}'
    assert reason.endswith(f"run the pipeline from 2026-11-12 to 2026-11-12: POST /api/v1/pipelines/run/acme_corp/gcp/cost/billing {again}")
    load(bare, day(12), day(12), source)
    assert told(bare, day(12), day(12))[12][0] == "provisional"


def test_every_provider_says_what_brings_its_days(bare: Billing):
    assert {*bringing(CONFIGS).values()} == {"gcp", "openai", "anthropic", "deepseek"}
    assert [bare.parts.catalog.get(name).document.provider for name in bringing(CONFIGS)] == [*bringing(CONFIGS).values()]
