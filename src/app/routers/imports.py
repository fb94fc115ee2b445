from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from src.app.dependencies.audited import audited
from src.app.dependencies.auth import KeyedRoute, access, caller_of, parts_of
from src.app.dependencies.tenants import living_tenant
from src.app.models.integrations import NAME
from src.app.models.pipelines import Day, RunRequest
from src.app.routers.pipelines import ANSWERS, IdempotencyKey, Slug, Wait, run_asked
from src.core.base.threads import blocking
from src.core.imports import files
from src.core.providers.directory import known_providers

router = APIRouter(prefix="/api/v1/imports", tags=["imports"], route_class=KeyedRoute)

TYPES = ("application/zip", "text/csv", "application/octet-stream")
FILE: dict[str, Any] = {"required": True, "content": {each: {"schema": {"type": "string", "format": "binary"}} for each in TYPES}}
Credential = Annotated[str, Query(pattern=NAME, description="Of the account that the file tells of")]
ExportedOn = Annotated[
    Day | None,
    Query(description="When it was exported, in UTC: days before it, as far as its name says, are known to their end, also without a row"),
]
FileName = Annotated[str | None, Query(min_length=1, max_length=200, description="What it is called: a month's file begins on the first")]
DECLARED: dict[str, Any] = {"openapi_extra": {**access("root_or_org")["openapi_extra"], "requestBody": FILE}}


@router.post("/{org_slug}/{provider}", status_code=202, responses=ANSWERS, summary="Import a file of a provider's console", **DECLARED)
async def import_file(
    request: Request,
    *,
    org_slug: Slug,
    provider: Annotated[str, Path(max_length=60, description="deepseek")],
    credential_name: Credential = "default",
    exported_on: ExportedOn = None,
    name: FileName = None,
    wait: Wait = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    tenant = await living_tenant(request, org_slug)
    parts, actor = parts_of(request), caller_of(request).actor
    served = known_providers(parts.settings.configs_dir).served(provider).name
    async with audited(parts, actor, "imports.accept", f"imports/{served}", tenant.org_slug, generation=tenant.generation):
        kind = files.kind_of(served)
        content = await request.body()
        file = files.named(tenant, served, credential_name, content=content, name=name, exported_on=exported_on)
        read = await blocking(files.read, kind, file, parts.clock.now().date())
        # one whose run is refused goes after a week, as one whose run has failed: whoever sends it again meets it
        await blocking(files.keep, parts, file)
    asked = RunRequest(start_date=read.window.start, end_date=read.window.end, import_id=file.import_id, credential_name=credential_name)
    return await run_asked(request, org_slug, parts.catalog.get(kind.pipeline), asked, wait=wait, idempotency_key=idempotency_key)
