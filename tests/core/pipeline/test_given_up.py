"""A thread cannot be stopped: it outlives its attempt, and has to ask whether it is still wanted before it commits."""

import asyncio
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from src.core.base.faults import Timeout
from src.core.base.threads import blocking
from src.core.pipeline.registry import Registry
from src.core.step.context import StepConfig, StepContext, StepResult
from tests.core.pipeline.parts import Stage, stage, until


@dataclass
class InAThread:
    """Blocks in a thread until it is let go, by the last one that is expected at the latest, then asks, then would commit."""

    expected: int = 99
    let_go: threading.Event = field(default_factory=threading.Event)
    inside: int = 0
    over: int = 0
    kept: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        await blocking(self._work, context)
        return {"status": "SUCCESS"}

    def _work(self, context: StepContext) -> None:
        self.inside += 1
        if self.inside == self.expected:
            self.let_go.set()
        assert self.let_go.wait(60)
        try:
            context.still_wanted()
            self.kept.append(context.step_id)
        except Timeout as fault:
            self.refused.append(fault.detail)
        finally:
            self.over += 1


@dataclass(frozen=True)
class OnlyOne(Registry):
    processor: InAThread = field(default_factory=InAThread)

    def resolve(self, ps_type: str) -> InAThread:
        return self.processor


def staged(folder: Path, processor: InAThread, options: str = "") -> Stage:
    play = stage(folder, f"- {{id: load_it, ps_type: sample.scripted{options}}}")
    return replace(play, catalog=replace(play.catalog, registry=OnlyOne(processor=processor)))


async def test_a_thread_that_outlives_its_time_is_told_that_it_was_given_up(tmp_path):
    work = InAThread()

    outcome = await staged(tmp_path, work, ", timeout: 2s").play()
    work.let_go.set()
    await until(lambda: work.over == 1)

    assert isinstance(outcome.fault, Timeout)
    assert work.kept == []
    assert "step load_it was given up" in work.refused[0]


async def test_of_two_attempts_only_the_one_that_is_waited_for_commits(tmp_path):
    work = InAThread(expected=2)

    outcome = await staged(tmp_path, work, ", timeout: 2s, retry: {attempts: 2, wait: 1ms}").play()
    await until(lambda: work.over == 2)

    assert outcome.status == "SUCCESS"
    assert (work.kept, len(work.refused)) == (["load_it"], 1)


async def test_a_thread_of_a_cancelled_run_is_told_too(tmp_path):
    work = InAThread()
    run = asyncio.create_task(staged(tmp_path, work).play())
    await until(lambda: work.inside == 1)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    work.let_go.set()
    await until(lambda: work.over == 1)

    assert (work.kept, len(work.refused)) == ([], 1)


async def test_a_thread_in_time_commits(tmp_path):
    work = InAThread()
    work.let_go.set()

    assert (await staged(tmp_path, work).play()).status == "SUCCESS"
    assert work.kept == ["load_it"]
