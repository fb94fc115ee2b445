"""A publication that spans steps: one brings, another publishes, and a run that is taken over in between brings nothing twice."""

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from src.core.base.faults import Misconfigured
from src.core.step.source.config import SourceStep
from src.core.step.source.fetching import clear_leftovers
from tests.core.step.source.acme import READ, Acme, Delivered, configured, used
from tests.core.step.source.killed import RUN
from tests.fakes.billing import Billing, History, billing

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 12)
STAGE = SourceStep.model_validate({**READ, "stage": True})
PUBLISH = {"books": "acme/cost", "staged_by": ["extract_usage"]}


class Unasked(Delivered):
    def slices(self, *_: object):
        raise AssertionError("it was staged, and need not be asked again")


@pytest.fixture
def acme(bare: Billing) -> Acme:
    bare.clock.today = LAST
    return Acme(bare, configured(bare, "{period: {closing_day: 10}}"))


@pytest.fixture
def export() -> Delivered:
    made = Delivered()
    made.deliver("2026-11", "one", used(date(2026, 11, 10)), used(date(2026, 11, 11), 50))
    return made


def publish(acme: Acme, run_id: str):
    return acme.engine.run(PUBLISH, acme.context(FIRST, LAST, "load_usage", run_id))


def test_what_one_step_brought_another_publishes_also_after_a_take_over(acme: Acme, export: Delivered):
    first = acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", "run-1"), [export])
    assert first == {"status": "SUCCESS", "destination_table": "acme_usage_raw", "slices_staged": 1}
    assert "x_cost_daily" not in acme.here.parts.warehouse.tables(acme.here.tenant) or acme.said() == {}

    again = acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", "run-1"), [Unasked()])
    # no credential is opened either, of which nothing would be learned
    run = acme.engine.run({**READ, "stage": True}, acme.context(FIRST, LAST, "extract_usage", "run-1"))
    result = publish(acme, "run-1")
    assert again == run == first
    assert (result["rows_processed"], result["tables"]) == (2, {"acme_usage_raw": 2, "acme_cost_daily": 2})
    assert acme.said()["11-11"] == ("0.50", "provisional")
    assert publish(acme, "run-1")["manifest_id"] == result["manifest_id"]

    assert [*acme.here.parts.warehouse.io_folder(acme.here.tenant).iterdir()] == []  # what was published is not kept
    acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", "run-1"), [export])
    clear_leftovers(acme.here.parts.warehouse.io_folder(acme.here.tenant), "run-1")
    assert [*acme.here.parts.warehouse.io_folder(acme.here.tenant).iterdir()] == []


@pytest.mark.process
def test_a_run_whose_process_was_killed_between_the_two_asks_nothing_again(tmp_path: Path):
    done = subprocess.run([sys.executable, "-m", "tests.core.step.source.killed", str(tmp_path / "killed")], check=False)
    assert done.returncode == -signal.SIGKILL
    with billing(tmp_path / "after", LAST, history=History(tmp_path / "killed" / "data", asked=1000), sandbox=False) as here:
        acme = Acme(here, here.parts.settings.data_dir / "configs")
        assert here.ask("SELECT * FROM acme_usage_raw") == []

        acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", RUN), [Unasked()])
        assert publish(acme, RUN)["tables"] == {"acme_usage_raw": 2, "acme_cost_daily": 2}
        assert acme.said()["11-11"] == ("0.50", "provisional")


def test_a_look_is_of_the_day_on_which_it_was_staged(bare: Billing):
    """A day that was asked for before it had settled is not settled by being published after it."""
    acme = Acme(bare, configured(bare, "{used: {restates: 3}}"))
    tenth, run = date(2026, 11, 10), "run-midnight"
    bare.clock.today = date(2026, 11, 13)
    with acme.told([used(tenth)]) as source:
        acme.engine.stage(STAGE, acme.context(tenth, tenth, "extract_usage", run), [source])
    bare.clock.today = date(2026, 11, 14)
    acme.engine.run(PUBLISH, acme.context(tenth, tenth, "load_usage", run))

    assert acme.said()["11-10"] == ("1.00", "stale")


def test_two_steps_that_stage_one_source_are_not_published(acme: Acme, export: Delivered):
    for name in ("extract_usage", "extract_again"):
        acme.engine.stage(STAGE, acme.context(FIRST, LAST, name, "run-1"), [export])
    with pytest.raises(Misconfigured, match="two sources called usage"):
        acme.engine.run({**PUBLISH, "staged_by": ["extract_usage", "extract_again"]}, acme.context(FIRST, LAST, "load_usage", "run-1"))


def test_another_run_finds_nothing_of_it(acme: Acme, export: Delivered):
    acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", "run-1"), [export])
    with pytest.raises(Misconfigured, match="staged_by names 'extract_usage'"):
        publish(acme, "run-2")


def test_what_was_broken_off_is_not_staged(acme: Acme, export: Delivered):
    class Broken(Delivered):
        def fetch(self, *_: object):
            raise OSError("the connection was cut")

    broken = Broken(export.months)
    with pytest.raises(OSError, match="cut"):
        acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", "run-1"), [broken])
    with pytest.raises(Misconfigured):
        publish(acme, "run-1")
    assert acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", "run-1"), [export])["slices_staged"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"books": "acme/cost"},
        {**READ, "staged_by": ["extract_usage"]},
        {**PUBLISH, "stage": True},
        {**PUBLISH, "source_query": "SELECT 1"},
        {**PUBLISH, "late_days": 3},
    ],
)
def test_a_step_reads_or_publishes_what_was_read(acme: Acme, wrong):
    with pytest.raises(Misconfigured, match="is wrong"):
        acme.engine.run(wrong, acme.context(FIRST, LAST))
