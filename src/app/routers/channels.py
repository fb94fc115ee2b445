from typing import Annotated

from fastapi import APIRouter, Path, Request

from src.app.answers.channels import channel_answer, tried
from src.app.answers.recovered import channel_made
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, parts_of
from src.app.dependencies.channel_requests import editor_of, terms_of
from src.app.dependencies.once import OnceRoute, Repeat, once
from src.app.dependencies.tenants import living_tenant
from src.app.models.notifications import ChannelAnswer, ChannelChange, ChannelList, ChannelRemoved, ChannelRequest, ChannelTested
from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.ledger.tables import orgs
from src.core.ledger.tables.channels import Channel
from src.core.outbox.channels import PEOPLE, existing, listed

router = APIRouter(prefix="/api/v1/organizations", tags=["notifications"], route_class=OnceRoute)

Slug = Annotated[str, Path(max_length=200, description="The organisation")]
ChannelId = Annotated[str, Path(max_length=100, description="The channel's `channel_id`")]


@router.get("/{org_slug}/channels", summary="Where people are told: e-mail and Slack", **access("root_or_org", conditional=True))
async def list_channels(request: Request, org_slug: Slug) -> ChannelList:
    tenant = await living_tenant(request, org_slug)
    found = await blocking(parts_of(request).ledger.read, listed, tenant.org_slug, PEOPLE)
    zone = await _zone(request, tenant)
    return ChannelList(org_slug=tenant.org_slug, channels=[channel_answer(channel, zone) for channel in found])


@router.get("/{org_slug}/channels/{channel_id}", summary="Show one channel", **access("root_or_org"))
async def get_channel(request: Request, org_slug: Slug, channel_id: ChannelId) -> ChannelAnswer:
    tenant = await living_tenant(request, org_slug)
    found = await blocking(parts_of(request).ledger.read, existing, tenant.org_slug, channel_id, PEOPLE)
    return await _shown(request, tenant, found)


@router.post("/{org_slug}/channels", status_code=201, summary="Have people told, by e-mail or in Slack", **access("root_or_org"))
@once(Repeat(channel_made))
async def create_channel(request: Request, org_slug: Slug, body: ChannelRequest) -> ChannelAnswer:
    editor = await editor_of(request, org_slug)
    async with audited(parts_of(request), editor.actor, "channels.create", f"organizations/{org_slug}/channels", org_slug):
        made = await editor.create(body.kind, terms_of(body))
    return await _shown(request, editor.tenant, made.channel)


@router.patch("/{org_slug}/channels/{channel_id}", summary="Change or pause a channel", **access("root_or_org"))
async def change_channel(request: Request, org_slug: Slug, channel_id: ChannelId, body: ChannelChange) -> ChannelAnswer:
    editor = await editor_of(request, org_slug)
    async with audited(parts_of(request), editor.actor, "channels.update", f"organizations/{org_slug}/channels/{channel_id}", org_slug):
        changed = await editor.change(channel_id, PEOPLE, terms_of(body))
    return await _shown(request, editor.tenant, changed)


@router.delete("/{org_slug}/channels/{channel_id}", summary="Remove a channel", **access("root_or_org"))
async def delete_channel(request: Request, org_slug: Slug, channel_id: ChannelId) -> ChannelRemoved:
    editor = await editor_of(request, org_slug)
    async with audited(parts_of(request), editor.actor, "channels.delete", f"organizations/{org_slug}/channels/{channel_id}", org_slug):
        gone = await blocking(editor.remove, channel_id, PEOPLE)
    return ChannelRemoved(org_slug=gone.org_slug, channel_id=gone.channel_id, state="deleted")


@router.post("/{org_slug}/channels/{channel_id}/test", summary="Send a channel a test, and hear what it says", **access("root_or_org"))
async def try_out_channel(request: Request, org_slug: Slug, channel_id: ChannelId) -> ChannelTested:
    return await tried(request, org_slug, channel_id, PEOPLE)


async def _shown(request: Request, tenant: Tenant, channel: Channel) -> ChannelAnswer:
    return channel_answer(channel, await _zone(request, tenant))


async def _zone(request: Request, tenant: Tenant) -> str:
    holder = await parts_of(request).glance(orgs.holder, tenant.org_slug)
    # it may have been erased in this very moment
    return "UTC" if holder is None else holder.timezone
