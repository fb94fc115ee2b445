"""One run at a time of a pipeline for an organisation; and what a run's log does not keep."""

import asyncio

from src.core.base.identity import Tenant
from src.core.base.names import Environment, OrgSlug
from tests.core.pipeline.parts import ACME, HEAD, ROOT_ACTOR, stage

OTHER = Tenant(OrgSlug("other_org"), Environment.DEVELOPMENT)
STEPS = "- {id: load_it, ps_type: sample.scripted, config: {for: 0.01}}"


async def test_runs_of_one_organisation_take_turns_in_the_order_they_came(tmp_path):
    play = stage(tmp_path, STEPS)
    executor = play.executor

    await asyncio.gather(
        *(
            executor.run("sample", actor=ROOT_ACTOR, tenant=ACME, inputs={"script": play.script}, run_id=f"run-{number}")
            for number in range(5)
        )
    )

    assert [what for what, _ in play.script.events] == ["start", "end"] * 5
    assert [run.pipeline_logging_id for run, _ in play.held.started] == [f"run-{number}" for number in range(5)]
    assert len(executor._turns) == 0


async def test_organisations_do_not_wait_for_each_other(tmp_path):
    play = stage(tmp_path, STEPS)
    executor = play.executor

    await asyncio.gather(*(executor.run("sample", actor=ROOT_ACTOR, tenant=who, inputs={"script": play.script}) for who in (ACME, OTHER)))

    assert [what for what, _ in play.script.events] == ["start", "start", "end", "end"]


async def test_a_cancelled_run_gives_its_turn_on(tmp_path):
    play = stage(tmp_path, "- {id: load_it, ps_type: sample.scripted, config: {for: 300}}")
    executor = play.executor
    first = asyncio.create_task(executor.run("sample", actor=ROOT_ACTOR, tenant=ACME, inputs={"script": play.script}))
    second = asyncio.create_task(executor.run("sample", actor=ROOT_ACTOR, tenant=ACME, inputs={"script": play.script}))
    async with asyncio.timeout(60):
        while len(play.script.events) < 1:  # noqa: ASYNC110 - what is waited for is state
            await asyncio.sleep(0)
        first.cancel()
        while len(play.script.events) < 3:  # noqa: ASYNC110 - what is waited for is state
            await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)

    assert [what for what, _ in play.script.events] == ["start", "end", "start", "end"]


async def test_what_is_personal_reaches_the_step_and_not_the_log(tmp_path):
    head = HEAD + "  email: {type: string, personal: true}\n  nickname: {type: string, required: false, personal: true}\n"
    play = stage(tmp_path, "- {id: load_it, ps_type: sample.scripted}", head=head)

    await play.play(inputs={"email": "someone@example.com"})

    assert play.script.seen["load_it"].inputs["email"] == "someone@example.com"
    [(run, _)] = play.held.started
    assert (run.parameters["email"], run.parameters["nickname"]) == ("****", None)
