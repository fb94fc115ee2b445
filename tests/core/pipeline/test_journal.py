import asyncio
import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr
from structlog.testing import capture_logs

from src.core.base.faults import Conflict, Misconfigured, Rejected, Unavailable
from src.core.base.identity import Actor
from src.core.base.names import Environment
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.ledger.store import Ledger, open_ledger
from src.core.ledger.tables import runs
from src.core.ledger.tables.runs import NewRun, StepLog
from src.core.pipeline.journal import HeldJournal, LedgerJournal, RunEnd, until_written
from tests.core.pipeline.parts import HEAD, Bench, HandClock, Stage, stage, statuses, until

STEPS = """
- {id: extract_one, ps_type: sample.scripted, config: {rows: 4, answers: {tables: [a, b]}}}
- {id: load_two, ps_type: sample.scripted, depends_on: [extract_one], config: {rows: 2}}
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(Settings(_env_file=None, environment=Environment.DEVELOPMENT, embedded_data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def in_ledger(folder: Path, ledger: Ledger, steps: str = STEPS, head: str = HEAD) -> Stage:
    return stage(folder, steps, head, journal=LedgerJournal(ledger), services=Bench(opened_ledger=ledger))


async def test_runs_and_steps_are_rows_of_the_ledger(tmp_path, ledger):
    ledger.bootstrap()
    play = in_ledger(tmp_path, ledger)

    outcome = await play.play()

    run = ledger.read(runs.get, outcome.run_id)
    assert run is not None
    assert (run.status, run.rows_processed, run.attempt, run.document) == ("SUCCESS", 6, 1, "sample")
    assert run.result == {"steps": {"extract_one": "SUCCESS", "load_two": "SUCCESS"}}
    steps = ledger.read(runs.steps, outcome.run_id)
    assert [(step.step_id, step.status, step.rows_processed) for step in steps] == [
        ("extract_one", "SUCCESS", 4),
        ("load_two", "SUCCESS", 2),
    ]
    assert steps[0].result is not None
    assert steps[0].result["tables"] == ["a", "b"]


class SetBack(HandClock):
    """Each time it is asked somebody has set it back by an hour, and two seconds have passed."""

    hours = 0

    def now(self) -> datetime:
        self.hours += 1
        return super().now() - timedelta(hours=self.hours)

    def monotonic(self) -> float:
        self.at += 2.0
        return self.at


async def test_what_a_run_took_is_told_by_a_clock_that_nobody_sets(tmp_path, ledger):
    ledger.bootstrap()
    services = Bench(opened_ledger=ledger, clock=SetBack())
    outcome = await stage(tmp_path, STEPS, journal=LedgerJournal(ledger), services=services).play()
    run = ledger.read(runs.get, outcome.run_id)
    assert run is not None
    assert run.duration_ms >= sum(step.duration_ms for step in ledger.read(runs.steps, outcome.run_id)) > 0


async def test_a_journal_that_cannot_be_written_fails_the_run_before_any_step(tmp_path, ledger):
    play = in_ledger(tmp_path, ledger)

    outcome = await play.play()

    assert isinstance(outcome.fault, Misconfigured)
    assert "bootstrap" in outcome.fault.detail
    assert statuses(outcome) == {"extract_one": "SKIPPED", "load_two": "SKIPPED"}
    assert play.script.events == []


async def test_a_run_is_carried_out_once(tmp_path, ledger):
    ledger.bootstrap()
    play = in_ledger(tmp_path, ledger)
    await play.play(run_id="the-one")

    again = await play.play(run_id="the-one")

    assert isinstance(again.fault, Conflict)
    assert play.script.order == ["extract_one", "load_two"]
    run = ledger.read(runs.get, "the-one")
    assert run is not None
    assert run.status == "SUCCESS"


async def test_a_deferred_journal_is_written_when_the_run_has_made_its_tables(tmp_path, ledger):
    play = in_ledger(tmp_path, ledger, head=HEAD + "journal: deferred\n")
    executor_run = asyncio.create_task(play.play())
    ledger.bootstrap()

    outcome = await executor_run

    run = ledger.read(runs.get, outcome.run_id)
    assert run is not None
    assert run.status == "SUCCESS"
    assert len(ledger.read(runs.steps, outcome.run_id)) == 2


async def test_a_deferred_journal_without_tables_is_dropped_with_a_word(tmp_path, ledger):
    play = in_ledger(tmp_path, ledger, head=HEAD + "journal: deferred\n")

    with capture_logs() as logs:
        outcome = await play.play()

    assert outcome.status == "SUCCESS"
    dropped = [event for event in logs if event["event"] == "journal.dropped"]
    assert dropped[0]["log_level"] == "warning"
    assert "org_meta_pipeline_runs" in dropped[0]["missing"]


class BrokenAt(HeldJournal):
    """Fails at one kind of write, as a ledger does whose disk is full."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at

    async def step_finished(self, step: StepLog) -> None:
        if self.at == f"step {step.step_id}":
            raise Unavailable("the disk is full")
        await super().step_finished(step)

    async def run_started(self, run: NewRun, at: object) -> None:
        if self.at == "start":
            raise Unavailable("the disk is full")

    async def run_finished(self, end: RunEnd) -> None:
        if self.at == "end":
            raise Unavailable("the disk is full")
        await super().run_finished(end)


@pytest.mark.parametrize("at", ["start", "step extract_one"])
async def test_a_step_whose_forerunner_is_not_on_record_is_not_begun(tmp_path, at):
    play = stage(tmp_path, STEPS, journal=BrokenAt(at))

    outcome = await play.play()

    assert outcome.status == "FAILED"
    assert isinstance(outcome.fault, Unavailable)
    assert "load_two" not in play.script.order


@pytest.mark.parametrize("at", ["step load_two", "end"])
async def test_a_journal_that_is_lost_once_all_is_done_does_not_undo_the_run(tmp_path, at):
    play = stage(tmp_path, STEPS, journal=BrokenAt(at))

    with capture_logs() as logs:
        outcome = await play.play()

    assert outcome.status == "SUCCESS"
    assert outcome.require().of("load_two")["rows_processed"] == 2
    assert [event["code"] for event in logs if event["event"] == "journal.lost"] == ["unavailable"]


async def test_a_failure_is_told_although_its_end_cannot_be_written(tmp_path):
    steps = "- {id: extract_one, ps_type: sample.scripted, config: {raises: Rejected, says: no such bucket}}"
    outcome = await stage(tmp_path, steps, journal=BrokenAt("end")).play()

    assert isinstance(outcome.fault, Rejected)


async def test_a_run_whose_row_is_gone_meanwhile_keeps_its_outcome(tmp_path, ledger):
    ledger.bootstrap()
    play = in_ledger(tmp_path, ledger, "- {id: load_slow, ps_type: sample.scripted, config: {for: 0.05, rows: 3}}")
    run = asyncio.create_task(play.play())
    await until(lambda: "load_slow" in play.script.order)
    ledger.bootstrap(force=True)

    with capture_logs() as logs:
        outcome = await run

    assert outcome.status == "SUCCESS"
    assert outcome.of("load_slow")["rows_processed"] == 3
    assert [event["code"] for event in logs if event["event"] == "journal.lost"] == ["conflict"]


@pytest.mark.parametrize("at", ["step extract_one", "end"])
async def test_a_deferred_journal_that_is_lost_does_not_undo_the_run(tmp_path, at):
    play = stage(tmp_path, STEPS, head=HEAD + "journal: deferred\n", journal=BrokenAt(at))

    with capture_logs() as logs:
        outcome = await play.play()

    assert outcome.status == "SUCCESS"
    assert [event["code"] for event in logs if event["event"] == "journal.lost"] == ["unavailable"]


async def test_a_write_under_way_is_finished_although_its_run_is_cancelled():
    begun, go = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def write() -> None:
        begun.set()
        await go.wait()
        done.append("written")

    waiting = asyncio.create_task(until_written(write()))
    await begun.wait()
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0)
    assert not waiting.done()
    go.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done == ["written"]


async def test_a_run_cancelled_while_it_is_being_opened_is_closed(tmp_path):
    class Slow(HeldJournal):
        async def run_started(self, run: NewRun, at: object) -> None:
            self.started.append((run, run.accepted_at))
            await asyncio.sleep(0.01)

    play = stage(tmp_path, STEPS, journal=Slow())
    run = asyncio.create_task(play.play())
    await until(lambda: bool(play.held.started))

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert [end.status for end in play.held.ended] == ["CANCELLED"]
    assert play.script.events == []


CANARY = "sk-canary-0451-0451"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIcanary5309canary5309\n-----END PRIVATE KEY-----"
LEAKY = f"""
- id: decrypt_it
  ps_type: sample.scripted
  config: {{secret: "{CANARY}", answers: {{api_key: plain-canary-77, nested: [{{Password: plain-canary-78}}]}}}}
- id: load_loud
  ps_type: sample.scripted
  depends_on: [decrypt_it]
  config: {{raises: Unavailable, says: "the provider refused {CANARY} just now"}}
- id: load_louder
  ps_type: sample.scripted
  depends_on: [decrypt_it]
  config: {{raises: KeyError, says: "{CANARY}"}}
- id: load_told
  ps_type: sample.scripted
  depends_on: [decrypt_it]
  config: {{answers: {{status: FAILED, message: "refused MIIcanary5309canary5309 and given-canary-1234"}}}}
"""


async def test_a_planted_secret_is_found_nowhere(tmp_path, ledger, capsys):
    ledger.bootstrap()
    head = HEAD + "  credential: {type: string}\n  pem: {type: string}\n"
    play = in_ledger(tmp_path, ledger, LEAKY, head)
    with capture_logs() as logs:
        outcome = await play.play(inputs={"credential": Secret("given-canary-1234"), "pem": SecretStr(PEM)})

    rows = sqlite_text(tmp_path / "data")
    told = json.dumps([logs, rows, str(outcome.fault), [str(step.fault) for step in outcome.steps]], default=repr)
    assert "canary" not in told
    assert "canary" not in "".join(capsys.readouterr())
    assert outcome.of("decrypt_it")["handed_over"].reveal() == CANARY
    assert "the provider refused **** just now" in told
    assert any(event["event"] == "step.crashed" for event in logs)


def sqlite_text(folder: Path) -> list[str]:
    [path] = folder.glob("*.db")
    with sqlite3.connect(path) as connection:
        text = [
            repr(row) for table in ("org_meta_pipeline_runs", "org_meta_step_logs") for row in connection.execute(f"SELECT * FROM {table}")
        ]
    connection.close()
    return text


LIVING = "acme_corp_api_Ab12Cd34Ef56Gh78"


async def test_a_key_given_as_something_else_is_found_nowhere(tmp_path, ledger):
    ledger.bootstrap()
    steps = f"""
    - {{id: load_it, ps_type: sample.scripted, config: {{raises: Rejected, says: "there is no {LIVING}"}}}}
    """
    play = in_ledger(tmp_path, ledger, steps, HEAD + "  slug: {type: string}\n")
    actor = Actor(kind="root", user_id=LIVING, request_id=LIVING)

    with capture_logs() as logs:
        outcome = await play.executor.run("sample", actor=actor, inputs={"script": play.script, "slug": f"x/{LIVING}"})

    told = json.dumps([logs, sqlite_text(tmp_path / "data"), str(outcome.fault)], default=repr)
    assert LIVING not in told
    assert "x/****" in told


async def test_every_event_of_a_run_carries_its_id_and_organisation(tmp_path):
    play = stage(tmp_path, STEPS)

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        outcome = await play.play()

    assert [event["event"] for event in logs] == [
        "run.started",
        *("step.started", "step.finished") * 2,
        "run.finished",
    ]
    assert {event["run_id"] for event in logs} == {outcome.run_id}
    assert all("org" in event for event in logs)
    finished = next(event for event in logs if event["event"] == "step.finished")
    assert (finished["step"], finished["ps_type"], finished["rows"]) == ("extract_one", "sample.scripted", 4)
    assert isinstance(finished["ms"], int)
