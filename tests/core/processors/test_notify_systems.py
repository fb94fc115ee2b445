"""A message that a step sends: delivered at once or later, once, and to the one channel that it names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from src.core.base.faults import Misconfigured, Rejected, Unavailable
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.ledger.tables import events, runs
from src.core.notify.transports import Transports
from src.core.outbox.courier import Courier
from src.core.pipeline.registry import Registry
from src.core.step.context import StepContext, StepPlace, StepResult
from src.sandbox.receivers.arrivals import Manner
from src.sandbox.server import Sandbox
from tests.contract.ledger.samples import run
from tests.core.outbox.parts import START, Outbox
from tests.sandbox.conftest import HeldClock

EMAIL, SLACK = "notify_systems.email_notification", "notify_systems.slack_notification"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("receivers") / "sandbox", HeldClock(), prefix="tests.fakes.sandbox")
    made.start()
    yield made
    made.stop()


@dataclass
class Steps:
    outbox: Outbox
    sandbox: Sandbox
    tenant: Tenant | None = field(default_factory=lambda: Tenant(OrgSlug("acme"), Environment.DEVELOPMENT))

    async def send(self, run_id: str, ps_type: str = EMAIL, **config: Any) -> StepResult:
        parts = self.outbox.parts
        context = StepContext(run_id, "notify_finance", Actor("system"), parts, structlog.get_logger(), self.tenant)
        return await Registry().resolve(ps_type).execute(config, context)

    def running(self, run_id: str) -> str:
        new = run(run_id, "acme", pipeline_id="acme-gcp-cost", status="RUNNING", accepted_at=START)
        with self.outbox.parts.ledger.writing() as unit:
            assert runs.accept(unit, new)
        return run_id

    def arrived(self, address: str) -> list[Any]:
        return [one for one in self.sandbox.receivers.arrivals.all() if address in one.to]

    def behave(self, address: str, does: Any) -> None:
        self.sandbox.receivers.arrivals.behave("mail", address, Manner(does))

    async def drain(self) -> None:
        transports = Transports(self.outbox.parts.settings, self.outbox.clock)
        await Courier(self.outbox.parts, transports, lambda _: [], poll_seconds=0.01).drain(1.0)
        transports.close()


@pytest.fixture
def steps(tmp_path: Path, sandbox: Sandbox) -> Iterator[Steps]:
    outbox = Outbox.open(tmp_path)
    outbox.parts.settings = sandbox.stand_in(outbox.parts.settings)
    yield Steps(outbox, sandbox)
    outbox.parts.close()


async def test_it_is_delivered_at_once_and_to_nobody_else(steps):
    steps.outbox.channel("finance", recipients=("anna@acme.example",))
    steps.outbox.channel("all", recipients=("all@acme.example",))
    run_id = steps.running("r-sent")

    result = await steps.send(run_id, channel="finance")

    assert (result["status"], result["notification_sent"]) == ("SUCCESS", True)
    (mail,) = steps.arrived("anna@acme.example")
    assert mail.subject == "acme Inc: acme-gcp-cost has come to notify_finance for 1 November 2026 to 19 November 2026"
    assert mail.message_id == f"<{result['notification_id']}@convergence.example>"
    assert "The steps before it succeeded. The run goes on." in mail.plain
    await steps.drain()
    assert steps.arrived("all@acme.example") == []
    assert steps.outbox.parts.ledger.read(events.streak, "acme", "acme-gcp-cost", START) == (0, None)


async def test_a_step_that_is_tried_again_sends_nothing_twice(steps):
    steps.outbox.channel("finance", recipients=("twice@acme.example",))
    run_id = steps.running("r-twice")

    first, second = [await steps.send(run_id, channel="finance") for _ in range(2)]

    assert first == second
    assert len(steps.arrived("twice@acme.example")) == 1


async def test_what_is_not_delivered_yet_fails_no_step_and_comes_after_the_run(steps):
    steps.outbox.channel("finance", recipients=("busy@acme.example",))
    steps.behave("busy@acme.example", "later")

    result = await steps.send(steps.running("r-later"), channel="finance")

    assert (result["status"], result["notification_sent"]) == ("SUCCESS", False)
    assert "451 4.7.1 greylisted" in result["waiting"]
    steps.behave("busy@acme.example", "well")
    steps.outbox.clock.pass_(minutes=1)
    await steps.drain()
    (mail,) = steps.arrived("busy@acme.example")
    assert mail.message_id == f"<{result['notification_id']}@convergence.example>"


async def test_what_others_have_waiting_for_the_channel_is_left_to_the_courier(steps):
    steps.outbox.channel("finance", recipients=("own@acme.example",))
    steps.outbox.end("FAILED")
    steps.outbox.fan_out()

    result = await steps.send(steps.running("r-own"), channel="finance", required=True)

    (mail,) = steps.arrived("own@acme.example")
    assert mail.message_id == f"<{result['notification_id']}@convergence.example>"
    assert steps.outbox.states("finance").count(("run.failed", "WAITING")) == 1


async def test_one_that_is_required_fails_its_step(steps):
    steps.outbox.channel("finance", recipients=("needed@acme.example",))
    steps.behave("needed@acme.example", "later")

    with pytest.raises(Unavailable, match=r"step notify_finance: the message to finance is not delivered: .*451"):
        await steps.send(steps.running("r-needed"), channel="finance", required=True)


async def test_quiet_hours_are_kept(steps):
    steps.outbox.channel("finance", recipients=("asleep@acme.example",), quiet_start="08:00", quiet_end="18:00")

    result = await steps.send(steps.running("r-quiet"), channel="finance")

    assert result["waiting"] == "it is sent from 2026-11-20T18:00:00+00:00 on"
    assert steps.arrived("asleep@acme.example") == []


@pytest.mark.parametrize(("ps_type", "name"), [(EMAIL, "nobody"), (SLACK, "finance")])
async def test_a_channel_that_is_not_there_is_told_with_the_mend(steps, ps_type, name):
    steps.outbox.channel("finance", recipients=("anna@acme.example",))

    with pytest.raises(Rejected, match="make it by POST /api/v1/organizations/acme/channels"):
        await steps.send(steps.running("r-none"), ps_type, channel=name)


async def test_the_platform_has_no_channels(steps):
    steps.tenant = None
    place = StepPlace("notify_x", "platform", {})

    with pytest.raises(Misconfigured, match="a channel belongs to an organisation"):
        await steps.send("r-platform", channel="finance")
    for ps_type in (EMAIL, SLACK):
        assert [flaw.message for flaw in Registry().resolve(ps_type).check({}, place)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("ps_type", "name"), [(EMAIL, "EmailNotificationEngine"), (SLACK, "SlackNotificationEngine")])
def test_it_is_built_without_arguments_and_knows_its_folder(ps_type, name):
    engine: Any = Registry().resolve(ps_type)

    assert type(engine).__name__ == name
    assert engine.settings
    assert engine.logger
    assert (engine.template_dir / "config.yml").is_file()
    assert (engine.template_dir / "templates").is_dir()
