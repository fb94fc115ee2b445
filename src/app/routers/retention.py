from dataclasses import asdict

from fastapi import APIRouter, Request

from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, admin_of
from src.app.dependencies.once import REDO, OnceRoute, once
from src.app.models.scheduler import DailyResetAnswer
from src.core.base.threads import blocking
from src.core.scheduler import retention

router = APIRouter(prefix="/api/v1/scheduler", tags=["scheduler"], route_class=OnceRoute)


@router.post("/reset-daily-quotas", summary="Begin ended days anew, and remove rows that are old enough", **access("root"))
@once(REDO)
async def reset_daily_quotas(request: Request) -> DailyResetAnswer:
    admin = admin_of(request)
    async with audited(admin.parts, admin.actor, "scheduler.reset", "scheduler/daily-quotas"):
        done = await blocking(retention.reset_daily, admin.parts, admin.actor)
    return DailyResetAnswer.model_validate(asdict(done))
