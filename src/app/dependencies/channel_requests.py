"""What a request says of a channel, as its editor takes it."""

from typing import Any, Final, cast

from fastapi import Request
from pydantic import BaseModel, SecretStr

from src.app.dependencies.auth import caller_of, parts_of
from src.app.dependencies.tenants import living_tenant
from src.core.base.secret import Secret
from src.core.notify.transports import check_url
from src.core.outbox.channels import ChannelEditor
from src.core.outbox.terms import ChannelTerms

# null says something of these: the usual ones, or none
MAY_LACK: Final = frozenset({"events", "quiet_hours", "digest_time"})


async def editor_of(request: Request, org_slug: str) -> ChannelEditor:
    parts = parts_of(request)

    async def check(url: str) -> None:
        await check_url(parts.settings, url)

    return ChannelEditor(parts, check, caller_of(request).actor, await living_tenant(request, org_slug))


def terms_of(body: BaseModel) -> ChannelTerms:
    said: dict[str, Any] = {}
    for name, value in body.model_dump(exclude_unset=True, exclude={"kind"}).items():
        if value is not None or name in MAY_LACK:
            said[name] = Secret(value.get_secret_value()) if isinstance(value, SecretStr) else value
    return cast("ChannelTerms", said)
