from typing import Annotated

from fastapi import APIRouter, Body, Request

from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, admin_of, door_of
from src.app.dependencies.once import OnceRoute, Repeat, once
from src.app.models.organizations import BootstrapAnswer, BootstrapRequest

router = APIRouter(prefix="/api/v1/admin", tags=["admin"], route_class=OnceRoute)


@router.post("/bootstrap", summary="Create the management tables, or add what they lack", **access("root"))
@once(Repeat("redo", rebuilds=True))
async def bootstrap(request: Request, body: Annotated[BootstrapRequest, Body(default_factory=BootstrapRequest)]) -> BootstrapAnswer:
    admin = admin_of(request)
    async with audited(admin.parts, admin.actor, "platform.bootstrap", "datasets/organizations"):
        outcome = await admin.parts.executor.run("setup/bootstrap", actor=admin.actor, inputs=body.model_dump(exclude_none=True))
        made = outcome.require().of("load_management_tables")
    # a forced one drops the table of keys: what is remembered of it must open nothing more
    door_of(request).keys.forget()
    return BootstrapAnswer.model_validate(made)
