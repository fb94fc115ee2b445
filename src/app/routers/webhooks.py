from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request

from src.app.answers.channels import tried, webhook_answer, webhook_told
from src.app.answers.recovered import opened_secret, webhook_made
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, caller_of, parts_of
from src.app.dependencies.channel_requests import editor_of, terms_of
from src.app.dependencies.once import OnceRoute, Repeat, once
from src.app.dependencies.tenants import living_tenant
from src.app.models.notifications import (
    ChannelTested,
    ReplayRequest,
    RotateSecretRequest,
    WebhookAnswer,
    WebhookChange,
    WebhookList,
    WebhookMade,
    WebhookRemoved,
    WebhookReplayed,
    WebhookRequest,
)
from src.core.base.threads import blocking
from src.core.outbox.channels import SYSTEMS, MadeChannel, existing, listed
from src.core.outbox.replays import Replayer

router = APIRouter(prefix="/api/v1/organizations", tags=["notifications"], route_class=OnceRoute)

Slug = Annotated[str, Path(max_length=200, description="The organisation")]
WebhookId = Annotated[str, Path(max_length=100, description="The webhook's `webhook_id`")]


@router.get("/{org_slug}/webhooks", summary="Which systems are told, by signed webhooks", **access("root_or_org", conditional=True))
async def list_webhooks(request: Request, org_slug: Slug) -> WebhookList:
    tenant = await living_tenant(request, org_slug)
    found = await blocking(parts_of(request).ledger.read, listed, tenant.org_slug, SYSTEMS)
    return WebhookList(org_slug=tenant.org_slug, webhooks=[webhook_answer(channel) for channel in found])


@router.get("/{org_slug}/webhooks/{webhook_id}", summary="Show one webhook", **access("root_or_org"))
async def get_webhook(request: Request, org_slug: Slug, webhook_id: WebhookId) -> WebhookAnswer:
    tenant = await living_tenant(request, org_slug)
    return webhook_answer(await blocking(parts_of(request).ledger.read, existing, tenant.org_slug, webhook_id, SYSTEMS))


@router.post("/{org_slug}/webhooks", status_code=201, summary="Have a system told; answers its secret, once", **access("root_or_org"))
@once(Repeat(webhook_made, "secret", opened_secret))
async def create_webhook(request: Request, org_slug: Slug, body: WebhookRequest) -> WebhookMade:
    editor = await editor_of(request, org_slug)
    async with audited(parts_of(request), editor.actor, "webhooks.create", f"organizations/{org_slug}/webhooks", org_slug):
        made = await editor.create("webhook", terms_of(body))
    return _with_secret(made)


@router.patch("/{org_slug}/webhooks/{webhook_id}", summary="Change or pause a webhook", **access("root_or_org"))
async def change_webhook(request: Request, org_slug: Slug, webhook_id: WebhookId, body: WebhookChange) -> WebhookAnswer:
    editor = await editor_of(request, org_slug)
    async with audited(parts_of(request), editor.actor, "webhooks.update", f"organizations/{org_slug}/webhooks/{webhook_id}", org_slug):
        changed = await editor.change(webhook_id, SYSTEMS, terms_of(body))
    return webhook_answer(changed)


@router.delete("/{org_slug}/webhooks/{webhook_id}", summary="Remove a webhook", **access("root_or_org"))
async def delete_webhook(request: Request, org_slug: Slug, webhook_id: WebhookId) -> WebhookRemoved:
    editor = await editor_of(request, org_slug)
    async with audited(parts_of(request), editor.actor, "webhooks.delete", f"organizations/{org_slug}/webhooks/{webhook_id}", org_slug):
        gone = await blocking(editor.remove, webhook_id, SYSTEMS)
    return WebhookRemoved(org_slug=gone.org_slug, webhook_id=gone.channel_id, state="deleted")


@router.post("/{org_slug}/webhooks/{webhook_id}/test", summary="Send a webhook a test, and hear what it says", **access("root_or_org"))
async def try_out_webhook(request: Request, org_slug: Slug, webhook_id: WebhookId) -> ChannelTested:
    return await tried(request, org_slug, webhook_id, SYSTEMS)


@router.post(
    "/{org_slug}/webhooks/{webhook_id}/rotate-secret",
    summary="Give a webhook a new secret; the old one signs too for a while",
    **access("root_or_org"),
)
@once(Repeat(webhook_made, "secret", opened_secret))
async def rotate_webhook_secret(
    request: Request, org_slug: Slug, webhook_id: WebhookId, body: RotateSecretRequest | None = None
) -> WebhookMade:
    grace = timedelta(hours=(body or RotateSecretRequest()).grace_hours)
    editor = await editor_of(request, org_slug)
    async with audited(parts_of(request), editor.actor, "webhooks.rotate", f"organizations/{org_slug}/webhooks/{webhook_id}", org_slug):
        rotated = await blocking(editor.rotate, webhook_id, grace)
    return _with_secret(rotated)


@router.post(
    "/{org_slug}/webhooks/{webhook_id}/replay",
    status_code=202,
    summary="Send a webhook again what it was sent since then, or certain events",
    **access("root_or_org"),
)
@once(Repeat())
async def replay_webhook(request: Request, org_slug: Slug, webhook_id: WebhookId, body: ReplayRequest) -> WebhookReplayed:
    parts, actor, tenant = parts_of(request), caller_of(request).actor, await living_tenant(request, org_slug)
    replayer = Replayer(parts, actor, tenant)
    async with audited(parts, actor, "webhooks.replay", f"organizations/{org_slug}/webhooks/{webhook_id}", org_slug):
        if body.since is not None:
            done = await blocking(replayer.since, webhook_id, body.since)
        else:
            done = await blocking(replayer.events, webhook_id, body.event_ids or [])
    return WebhookReplayed(org_slug=tenant.org_slug, webhook_id=webhook_id, replayed=done.number, next_since=done.next_since)


def _with_secret(made: MadeChannel) -> WebhookMade:
    return WebhookMade.model_validate({**webhook_told(made.channel), "secret": made.secret.reveal() if made.secret else ""})
