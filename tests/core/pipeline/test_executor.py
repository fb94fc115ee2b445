import asyncio
from datetime import date

import pytest

from src.core.base.faults import Misconfigured, Missing, NotYours, Rejected, StepFailed, Throttled, Timeout, Unavailable
from src.core.base.window import Window
from tests.core.pipeline.parts import ACME, HEAD, stage, statuses, until

ORG_HEAD = """
pipeline: acme-loads
scope: organisation
provider: gcp
domain: cost
inputs:
  script: {type: object, required: false}
  amount: {type: integer, default: 3}
"""


async def test_steps_run_after_what_they_depend_on_and_side_by_side_where_free(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: load_last, ps_type: sample.scripted, depends_on: [extract_left, extract_right], config: {rows: 5}}
        - {id: extract_left, ps_type: sample.scripted, config: {for: 0.01, rows: 2}}
        - {id: extract_right, ps_type: sample.scripted, config: {for: 0.01}}
        """,
    )

    outcome = await play.play()

    assert outcome.status == "SUCCESS"
    assert {step for _, step in play.script.events[:2]} == {"extract_left", "extract_right"}
    assert [what for what, _ in play.script.events[:2]] == ["start", "start"]
    assert play.script.events[-2:] == [("start", "load_last"), ("end", "load_last")]
    assert [(row.step_id, row.step_index, row.status, row.rows_processed) for row in play.held.steps][-1] == ("load_last", 1, "SUCCESS", 5)
    assert play.held.ended[0].rows_processed == 7
    assert outcome.require() is outcome


async def test_a_step_sees_the_results_of_all_steps_above_it_and_of_no_other(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: extract_one, ps_type: sample.scripted, config: {answers: {found: 1}}}
        - {id: transform_two, ps_type: sample.scripted, depends_on: [extract_one]}
        - {id: load_three, ps_type: sample.scripted, depends_on: [transform_two]}
        - {id: extract_aside, ps_type: sample.scripted}
        """,
    )

    outcome = await play.play()

    assert set(play.script.seen["load_three"].results) == {"extract_one", "transform_two"}
    assert play.script.seen["load_three"].results["extract_one"]["found"] == 1
    assert outcome.of("extract_one")["found"] == 1
    with pytest.raises(Misconfigured, match="no step 'load_four'"):
        outcome.of("load_four")


async def test_a_failure_skips_what_depends_on_it_and_runs_what_waits_for_it(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: extract_bad, ps_type: sample.scripted, config: {raises: Rejected, says: no such bucket}}
        - {id: load_it, ps_type: sample.scripted, depends_on: [extract_bad]}
        - {id: validate_it, ps_type: sample.scripted, depends_on: [load_it], when: on_success}
        - {id: notify_failed, ps_type: sample.scripted, depends_on: [validate_it], when: on_failure}
        - {id: notify_ended, ps_type: sample.scripted, depends_on: [load_it], when: on_completion}
        - {id: transform_tidy, ps_type: sample.scripted, depends_on: [load_it], when: always}
        - {id: extract_other, ps_type: sample.scripted}
        - {id: notify_other_failed, ps_type: sample.scripted, depends_on: [extract_other], when: on_failure}
        - {id: notify_of_the_notice, ps_type: sample.scripted, depends_on: [notify_other_failed], when: on_completion}
        - {id: transform_anyway, ps_type: sample.scripted, depends_on: [notify_other_failed], when: always}
        """,
    )

    outcome = await play.play()

    assert outcome.status == "FAILED"
    assert isinstance(outcome.fault, Rejected)
    assert statuses(outcome) == {
        "extract_bad": "FAILED",
        "load_it": "SKIPPED",
        "validate_it": "SKIPPED",
        "notify_failed": "SUCCESS",
        "notify_ended": "SUCCESS",
        "transform_tidy": "SUCCESS",
        "extract_other": "SUCCESS",
        "notify_other_failed": "SKIPPED",
        "notify_of_the_notice": "SKIPPED",
        "transform_anyway": "SUCCESS",
    }
    assert play.script.seen["notify_failed"].results["extract_bad"]["error_code"] == "rejected"
    assert "no such bucket" in play.script.seen["notify_failed"].results["extract_bad"]["error_message"]
    assert {row.step_id: row.status for row in play.held.steps} == statuses(outcome)
    assert play.held.ended[0].status == "FAILED"
    assert play.held.ended[0].error_code == "rejected"
    with pytest.raises(Rejected, match="no such bucket"):
        outcome.require()


async def test_only_faults_that_may_be_retried_are_and_the_wait_grows(tmp_path):
    play = stage(
        tmp_path,
        """
        - id: extract_shaky
          ps_type: sample.scripted
          retry: {attempts: 6, wait: 2s, max_wait: 5s}
          config: {raises: Unavailable, times: 4}
        """,
    )

    outcome = await play.play()

    assert outcome.status == "SUCCESS"
    assert play.services.clock.at == 2 + 4 + 5 + 5
    assert [(row.attempt, row.status) for row in play.held.steps] == [*((n, "FAILED") for n in range(1, 5)), (5, "SUCCESS")]
    assert len({row.step_log_id for row in play.held.steps}) == 5
    assert outcome.steps[0].attempts == 5


async def test_the_other_side_says_how_long_to_wait(tmp_path):
    play = stage(
        tmp_path,
        """
        - id: extract_shaky
          ps_type: sample.scripted
          retry: {attempts: 2, wait: 1s, max_wait: 2s}
          config: {raises: Throttled, times: 1, retry_after: 40}
        """,
    )

    assert (await play.play()).status == "SUCCESS"
    assert play.services.clock.at == 40


async def test_attempts_end_and_a_rejection_is_not_tried_again(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: extract_throttled, ps_type: sample.scripted, retry: {attempts: 3, wait: 1s}, config: {raises: Throttled}}
        - {id: extract_rejected, ps_type: sample.scripted, retry: {attempts: 3, wait: 1s}, config: {raises: Rejected}}
        """,
    )

    await play.play()

    assert play.script.attempts == {"extract_throttled": 3, "extract_rejected": 1}


async def test_a_wait_that_outlasts_the_pipeline_is_not_begun(tmp_path):
    play = stage(
        tmp_path,
        "- {id: extract_shaky, ps_type: sample.scripted, retry: {attempts: 3}, config: {raises: Throttled, retry_after: 601}}",
    )

    outcome = await play.play()

    assert isinstance(outcome.fault, Throttled)
    assert play.services.clock.at == 0
    assert outcome.steps[0].attempts == 1


async def test_a_step_is_bounded_by_its_timeout_and_may_be_tried_again(tmp_path):
    play = stage(
        tmp_path,
        "- {id: extract_stuck, ps_type: sample.scripted, timeout: 20ms, retry: {attempts: 2, wait: 1s}, config: {forever: true}}",
    )

    outcome = await play.play()

    assert isinstance(outcome.fault, Timeout)
    assert "extract_stuck took longer than 0.02 s" in outcome.fault.detail
    assert play.script.events == [("start", "extract_stuck"), ("end", "extract_stuck")] * 2


async def test_the_run_is_bounded_and_what_tells_of_it_still_runs(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: extract_stuck, ps_type: sample.scripted, config: {forever: true}}
        - {id: load_it, ps_type: sample.scripted, depends_on: [extract_stuck]}
        - {id: notify_failed, ps_type: sample.scripted, depends_on: [load_it], when: on_failure}
        """,
        head=HEAD + "timeout: 20ms\n",
    )

    outcome = await play.play()

    assert isinstance(outcome.fault, Timeout)
    assert "the pipeline ran out of its time at step extract_stuck" in outcome.fault.detail
    assert statuses(outcome) == {"extract_stuck": "FAILED", "load_it": "SKIPPED", "notify_failed": "SUCCESS"}


async def test_no_step_begins_after_the_runs_time(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: extract_slow, ps_type: sample.scripted, retry: {attempts: 2, wait: 5s}, config: {raises: Unavailable, times: 1}}
        - {id: load_late, ps_type: sample.scripted, depends_on: [extract_slow]}
        - {id: notify_ended, ps_type: sample.scripted, depends_on: [load_late], when: always}
        """,
        head=HEAD + "timeout: 10s\n",
    )
    play.services.clock.at = 100.0
    original = play.services.clock.sleep

    async def oversleep(seconds: float) -> None:
        await original(seconds * 4)

    play.services.clock.sleep = oversleep  # type: ignore[method-assign]  # a machine that was suspended

    outcome = await play.play()

    assert isinstance(outcome.fault, Timeout)
    assert play.script.order == ["extract_slow", "notify_ended"]


@pytest.mark.parametrize("crash", ["KeyError", "OSError", "TimeoutError", "CancelledError", "MixedGroup"])
async def test_whatever_a_processor_raises_fails_its_step_with_its_type_only(tmp_path, crash):
    play = stage(
        tmp_path,
        f"""
        - {{id: extract_bad, ps_type: sample.scripted, retry: {{attempts: 3}}, config: {{raises: {crash}, says: canary-5309}}}}
        - {{id: load_it, ps_type: sample.scripted, depends_on: [extract_bad]}}
        """,
    )

    outcome = await play.play()

    assert isinstance(outcome.fault, StepFailed)
    assert statuses(outcome) == {"extract_bad": "FAILED", "load_it": "SKIPPED"}
    assert "canary-5309" not in str(outcome.fault)
    assert "canary-5309" not in repr(play.held)
    assert outcome.steps[0].attempts == 1
    assert ("ExceptionGroup" if crash == "MixedGroup" else crash) in outcome.fault.detail


async def test_faults_raised_side_by_side_are_the_first_of_them(tmp_path):
    play = stage(tmp_path, "- {id: extract_both, ps_type: sample.scripted, config: {raises: Group}}")

    assert isinstance((await play.play()).fault, Throttled)


@pytest.mark.parametrize(("kind", "said"), [("silent", "answered list"), ("statusless", "answered dict")])
async def test_a_processor_must_answer_a_mapping_with_a_status(tmp_path, kind, said):
    play = stage(tmp_path, f"- {{id: extract_odd, ps_type: sample.{kind}}}")

    outcome = await play.play()

    assert isinstance(outcome.fault, Misconfigured)
    assert said in outcome.fault.detail


async def test_any_other_status_than_success_is_a_failure_and_its_answer_is_kept(tmp_path):
    play = stage(
        tmp_path,
        "- {id: validate_it, ps_type: sample.scripted, config: {answers: {status: PARTIAL, message: two days lack, checks: [1, 2]}}}",
    )

    outcome = await play.play()

    assert outcome.status == "FAILED"
    assert outcome.fault is not None
    assert outcome.fault.detail == "step validate_it answered PARTIAL: two days lack"
    assert outcome.of("validate_it")["checks"] == [1, 2]


async def test_a_cancelled_run_says_so_in_its_journal_and_the_cancellation_goes_on(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: extract_done, ps_type: sample.scripted}
        - {id: extract_stuck, ps_type: sample.scripted, depends_on: [extract_done], config: {forever: true}}
        - {id: load_it, ps_type: sample.scripted, depends_on: [extract_stuck]}
        - {id: notify_ended, ps_type: sample.scripted, depends_on: [load_it], when: always}
        """,
    )
    run = asyncio.create_task(play.play())
    await until(lambda: ("start", "extract_stuck") in play.script.events)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert run.cancelled()
    assert {row.step_id: row.status for row in play.held.steps} == {"extract_done": "SUCCESS", "extract_stuck": "CANCELLED"}
    assert [end.status for end in play.held.ended] == ["CANCELLED"]
    assert play.script.order == ["extract_done", "extract_stuck"]


async def test_a_run_cancelled_between_attempts_keeps_the_failed_one(tmp_path):
    play = stage(tmp_path, "- {id: extract_shaky, ps_type: sample.scripted, retry: {attempts: 3}, config: {raises: Unavailable}}")

    asleep = asyncio.Event()

    async def sleep_on(seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    play.services.clock.sleep = sleep_on  # type: ignore[method-assign]  # the wait in which the cancellation comes
    run = asyncio.create_task(play.play())
    await until(lambda: len(play.held.steps) == 1 and asleep.is_set())

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert [(row.attempt, row.status) for row in play.held.steps] == [(1, "FAILED"), (2, "CANCELLED")]


async def test_an_organisations_run_is_recorded_under_its_own_pipeline_id(tmp_path):
    play = stage(tmp_path, "- {id: load_it, ps_type: sample.scripted}", head=ORG_HEAD)
    window = Window(date(2026, 10, 1), date(2026, 10, 31))

    outcome = await play.play(tenant=ACME, window=window, trigger="schedule", run_id="given-id")

    [(run, at)] = play.held.started
    assert outcome.run_id == run.pipeline_logging_id == "given-id"
    assert (run.org_slug, run.pipeline_id, run.document) == ("acme_corp", "acme-corp-gcp-cost", "sample")
    assert (run.window_start, run.window_end, run.trigger_type) == (window.start, window.end, "schedule")
    assert (run.user_id, run.request_id, run.parameters["amount"]) == ("user-7", "req-9", 3)
    assert at == play.services.clock.now()
    assert play.script.seen["load_it"].tenant == ACME


async def test_what_cannot_begin_is_raised_and_leaves_no_run(tmp_path):
    play = stage(tmp_path, "- {id: load_it, ps_type: sample.scripted}", head=ORG_HEAD)

    with pytest.raises(Missing, match="did you mean 'sample'"):
        await play.play("simple")
    with pytest.raises(Rejected, match="runs for an organisation"):
        await play.play()
    with pytest.raises(Rejected, match="amount must be a whole number"):
        await play.play(tenant=ACME, inputs={"amount": "3"})

    assert play.held.started == []


async def test_a_run_for_one_organisation_does_not_take_anothers_slug(tmp_path):
    head = HEAD + "  org_slug: {type: string}\n"
    play = stage(tmp_path, "- {id: load_it, ps_type: sample.scripted, config: {at: '{org_slug}'}}", head=head)

    with pytest.raises(NotYours):
        await play.play(tenant=ACME, inputs={"org_slug": "globex"})

    assert (await play.play(inputs={"org_slug": "globex"})).status == "SUCCESS"
    assert play.script.configs[-1] == {"at": "globex"}


async def test_a_window_that_a_config_needs_is_asked_for_before_anything_begins(tmp_path):
    play = stage(
        tmp_path,
        """
        - {id: extract_first, ps_type: sample.scripted}
        - {id: extract_it, ps_type: sample.scripted, depends_on: [extract_first], config: {query: "SELECT {start_date}"}}
        """,
    )

    with pytest.raises(Rejected, match="start_date is needed"):
        await play.play()
    assert play.script.order == []

    outcome = await play.play(window=Window.day(date(2026, 11, 1)))
    assert outcome.of("extract_it")["sql"] == "SELECT @start_date"
    assert outcome.of("extract_it")["params"] == {"start_date": date(2026, 11, 1)}


async def test_each_step_gets_its_own_copy_of_its_config(tmp_path):
    play = stage(
        tmp_path,
        "- {id: load_it, ps_type: sample.scripted, retry: {attempts: 2}, config: {raises: Unavailable, times: 1, days: [1]}}",
    )
    await play.play()
    play.script.configs[0]["days"].append(2)

    await play.play()

    assert play.script.configs[-1]["days"] == [1]


async def test_an_unavailable_other_side_is_named_as_such(tmp_path):
    play = stage(tmp_path, "- {id: load_it, ps_type: sample.ending, config: {raises: Unavailable}}")

    assert isinstance((await play.play()).fault, Unavailable)
