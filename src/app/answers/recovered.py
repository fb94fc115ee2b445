"""Answers told anew: by what the audit row of the work says, and by what stands. Secrets are opened from where they are kept sealed."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from src.app.answers.channels import channel_answer, webhook_told
from src.app.answers.records import key_answer
from src.app.answers.runs import run_answer
from src.app.answers.schedules import schedule_answer
from src.app.dependencies.auth import parts_of
from src.app.dependencies.tenants import living_tenant
from src.app.models.notifications import ChannelAnswer, WebhookMade
from src.app.models.organizations import OnboardAnswer, RotateAnswer
from src.app.models.pipelines import RunAnswer
from src.app.models.schedules import ScheduleAnswer
from src.core.base.faults import Conflict, Missing
from src.core.base.names import OrgSlug
from src.core.base.secret import Secret
from src.core.base.threads import blocking
from src.core.ledger.tables import keys, orgs, runs
from src.core.ledger.tables.answers import NotedRequest
from src.core.outbox.channels import PEOPLE, SYSTEMS, existing, signing_secret
from src.core.schedules import editing
from src.core.step import api_keys


async def onboarded(request: Request, noted: NotedRequest) -> OnboardAnswer:
    details, slug = noted.details or {}, noted.org_slug or ""
    told = {"status": "SUCCESS", "org_slug": slug, "subscription_plan": details["plan"]}
    same = ("api_key_fingerprint", "dataset_id", "dataset_created", "tables_created", "views_created", "pipeline_logging_id")
    key = await _key_by_fingerprint(request, slug, details["api_key_fingerprint"])
    return OnboardAnswer.model_validate({**told, **{name: details[name] for name in same}, "api_key": key})


async def rotated(request: Request, noted: NotedRequest) -> RotateAnswer:
    slug, fingerprint, parts = noted.org_slug or "", noted.resource.rpartition("/")[2], parts_of(request)
    replaced = set((noted.details or {})["replaced"])
    living = await blocking(parts.ledger.read, keys.list_for, slug)
    now = parts.clock.now()
    return RotateAnswer(
        org_slug=slug,
        api_key=await _key_by_fingerprint(request, slug, fingerprint),
        api_key_fingerprint=fingerprint,
        replaced=[key_answer(record, now) for record in living if record.fingerprint in replaced],
    )


async def opened_key(request: Request, answer: Mapping[str, Any], digest: str) -> Secret | None:
    """The API key of this SHA-256; None where it opens nothing any more."""
    parts = parts_of(request)
    record = await parts.glance(keys.find, digest)
    if record is None or not record.usable(parts.clock.now()) or record.org_slug != answer["org_slug"]:
        return None
    return await blocking(api_keys.opened, parts, record)


async def webhook_made(request: Request, noted: NotedRequest) -> WebhookMade:
    parts, slug = parts_of(request), noted.org_slug or ""
    channel = await blocking(parts.ledger.read, existing, slug, noted.resource.rpartition("/")[2], SYSTEMS)
    secret = await blocking(signing_secret, parts, channel)
    if secret is None:
        raise Missing(f"the webhook {channel.channel_id} has no secret; give it one: POST .../{channel.channel_id}/rotate-secret")
    return WebhookMade.model_validate({**webhook_told(channel), "secret": secret.reveal()})


async def opened_secret(request: Request, answer: Mapping[str, Any], digest: str) -> Secret | None:
    """The webhook's secret of this SHA-256, if it signs still."""
    parts = parts_of(request)
    try:
        channel = await blocking(parts.ledger.read, existing, answer["org_slug"], answer["webhook_id"], SYSTEMS)
    except Missing:
        return None
    return await blocking(signing_secret, parts, channel, digest)


async def channel_made(request: Request, noted: NotedRequest) -> ChannelAnswer:
    parts, slug = parts_of(request), noted.org_slug or ""
    channel = await blocking(parts.ledger.read, existing, slug, noted.resource.rpartition("/")[2], PEOPLE)
    holder = await parts.glance(orgs.holder, slug)
    return channel_answer(channel, "UTC" if holder is None else holder.timezone)


async def schedule_made(request: Request, noted: NotedRequest) -> ScheduleAnswer:
    parts, tenant = parts_of(request), await living_tenant(request, noted.org_slug or "")
    found = await blocking(editing.shown, parts, tenant, noted.resource.rpartition("/")[2])
    return schedule_answer(found.schedule, parts.clock.now(), found.waiting)


async def requeued(request: Request, noted: NotedRequest) -> RunAnswer:
    run = await parts_of(request).glance(runs.get, noted.resource.rpartition("/")[2])
    if run is None:
        raise Missing(f"{noted.resource} was put back, and is gone by now")
    return run_answer(run, run.org_slug or "")


async def _key_by_fingerprint(request: Request, slug: str, fingerprint: str) -> str:
    parts = parts_of(request)
    now = parts.clock.now()
    for record in await blocking(parts.ledger.read, api_keys.listing, OrgSlug(slug)):
        if record.fingerprint == fingerprint and record.usable(now):
            return (await blocking(api_keys.opened, parts, record)).reveal()
    raise Conflict(f"the key {fingerprint} of {slug} is not valid any more; make another: POST /api/v1/organizations/{slug}/keys/rotate")
