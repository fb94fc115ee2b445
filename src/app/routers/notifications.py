from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from src.app.answers.channels import notification_answer
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, caller_of, parts_of
from src.app.dependencies.once import OnceRoute, Repeat, once
from src.app.dependencies.tenants import living_tenant
from src.app.models.notifications import NotificationAnswer, NotificationPage
from src.core.base.events import EventType
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables import events, notifications
from src.core.ledger.tables.answers import NotedRequest
from src.core.ledger.tables.events import EventRow
from src.core.ledger.tables.notifications import NotificationFilter, NotificationRow, NotificationState
from src.core.outbox.replays import Replayer, existing_notification

router = APIRouter(prefix="/api/v1/organizations", tags=["notifications"], route_class=OnceRoute)


Slug = Annotated[str, Path(max_length=200, description="The organisation")]
NotificationId = Annotated[str, Path(max_length=100, description="The notification's `notification_id`")]


@router.get("/{org_slug}/notifications", summary="What was told, to whom, and what waits", **access("root_or_org", conditional=True))
async def list_notifications(
    request: Request,
    org_slug: Slug,
    *,
    state: Annotated[NotificationState | None, Query()] = None,
    type_: Annotated[EventType | None, Query(alias="type", description="Type of the event")] = None,
    channel: Annotated[str | None, Query(max_length=100, description="`channel_id` or `webhook_id`")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")] = None,
) -> NotificationPage:
    tenant = await living_tenant(request, org_slug)
    wanted = NotificationFilter(state=state, event_type=type_, channel_id=channel)
    # one more than is shown tells whether a page follows
    found, told = await blocking(parts_of(request).ledger.read, _page, tenant.org_slug, wanted, cursor, limit + 1)
    shown = found[:limit]
    return NotificationPage(
        org_slug=tenant.org_slug,
        notifications=[notification_answer(row, told) for row in shown],
        next_cursor=shown[-1].notification_id if len(found) > limit else None,
    )


@router.get("/{org_slug}/notifications/{notification_id}", summary="Show one notification", **access("root_or_org"))
async def get_notification(request: Request, org_slug: Slug, notification_id: NotificationId) -> NotificationAnswer:
    tenant = await living_tenant(request, org_slug)
    return await blocking(parts_of(request).ledger.read, _shown, tenant.org_slug, notification_id)


def _shown(unit: Unit, slug: str, notification_id: str) -> NotificationAnswer:
    row = existing_notification(unit, slug, notification_id)
    return notification_answer(row, events.several(unit, [row.event_id]))


async def _replayed_before(request: Request, noted: NotedRequest) -> NotificationAnswer:
    slug = noted.org_slug or ""
    return await blocking(parts_of(request).ledger.read, _shown, slug, noted.resource.rpartition("/")[2])


@router.post(
    "/{org_slug}/notifications/{notification_id}/replay",
    status_code=202,
    summary="Send a notification again, under the same id",
    **access("root_or_org"),
)
@once(Repeat(_replayed_before))
async def replay_notification(request: Request, org_slug: Slug, notification_id: NotificationId) -> NotificationAnswer:
    parts, actor, tenant = parts_of(request), caller_of(request).actor, await living_tenant(request, org_slug)
    resource = f"organizations/{org_slug}/notifications/{notification_id}"
    async with audited(parts, actor, "notifications.replay", resource, org_slug):
        await blocking(Replayer(parts, actor, tenant).one, notification_id)
    return await blocking(parts.ledger.read, _shown, tenant.org_slug, notification_id)


def _page(
    unit: Unit, slug: str, wanted: NotificationFilter, after: str | None, limit: int
) -> tuple[list[NotificationRow], dict[str, EventRow]]:
    found = notifications.page(unit, slug, wanted, after=after, limit=limit)
    return found, events.several(unit, sorted({row.event_id for row in found}))
