"""A message that a step of a run sends by itself, to one channel: tried at once, and after the run by the courier."""

from dataclasses import dataclass
from typing import Any

from src.core.base.events import ChannelKind, Event, stable_id
from src.core.base.faults import Misconfigured, Rejected, Unavailable
from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables import channels, events, notifications, orgs, runs
from src.core.ledger.tables.notifications import Ready
from src.core.notify.step_config import NotifyStep
from src.core.notify.transports import Transports
from src.core.outbox.delivery import Delivery, OutboxTally
from src.core.outbox.fanout import notification
from src.core.outbox.moments import not_before
from src.core.outbox.told import of_run
from src.core.step.context import StepContext, StepResult

DELIVERED = "SENT"


async def send_now(context: StepContext, kind: ChannelKind, step: NotifyStep) -> StepResult:
    """A step that is tried again, or whose worker died, sends the same message: whoever got it can tell."""
    if context.tenant is None:
        raise Misconfigured(f"step {context.step_id}: a channel belongs to an organisation; set `scope: organisation`")
    message = _StepMessage(context, context.tenant, kind, step.channel)
    services = context.services
    key, channel_id = await blocking(services.ledger.write, message.note)
    transports = Transports(services.settings, services.clock)
    try:
        # not what others have waiting for the channel: that is the courier's, and would keep the run
        await Delivery(services, transports, OutboxTally()).run(Ready(context.tenant.org_slug, channel_id, gathered=False), only=key)
    finally:
        transports.close()
    row = await blocking(services.ledger.read, notifications.get, context.tenant.org_slug, key)
    if row is not None and row.state == DELIVERED:
        return {"status": "SUCCESS", "notification_sent": True, "notification_id": key}
    waiting = "the channel was removed" if row is None else row.last_error or f"it is sent from {row.available_at.isoformat()} on"
    if step.required:
        raise Unavailable(f"step {context.step_id}: the message to {step.channel} is not delivered: {waiting}")
    context.log.warning("notification.waits", channel=step.channel, why=waiting)
    return {"status": "SUCCESS", "notification_sent": False, "notification_id": key, "waiting": waiting}


@dataclass(frozen=True, slots=True)
class _StepMessage:
    context: StepContext
    tenant: Tenant
    kind: ChannelKind
    channel_name: str

    def note(self, unit: Unit) -> tuple[str, str]:
        """The ids of the notification and of its channel."""
        slug, at = self.tenant.org_slug, self.context.services.clock.now()
        channel = channels.named(unit, slug, self.channel_name)
        if channel is None or channel.kind != self.kind or not channel.is_active:
            raise Rejected(
                f"step {self.context.step_id}: the organisation has no active {self.kind} channel {self.channel_name!r}; make it by "
                f"POST /api/v1/organizations/{slug}/channels, or name another one in the step's config"
            )
        org = orgs.get(unit, slug)
        event = Event(
            event_id=stable_id("step", self.context.run_id, self.context.step_id),
            type="run.reached",
            org_slug=slug,
            occurred_at=at,
            data={**self._data(unit), "company_name": org and org.company_name, "timezone": org and org.timezone},
        )
        events.record_for_one(unit, event)
        row = notification(event, channel, "WAITING", not_before(channel, org.timezone if org else "UTC", at), at)
        notifications.add_all(unit, [row], event.event_id)
        return row.notification_id, channel.channel_id

    def _data(self, unit: Unit) -> dict[str, Any]:
        run = runs.of_org(unit, self.tenant.org_slug, self.context.run_id)
        data: dict[str, Any] = {"pipeline_logging_id": self.context.run_id, "step_id": self.context.step_id}
        return data if run is None else {**data, "pipeline_id": run.pipeline_id, **of_run(unit, run, {"ended_at": None})}
