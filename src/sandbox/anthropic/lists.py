"""Lists of the organisation's things, paged by `after_id`, `before_id` and `limit`."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from starlette.datastructures import QueryParams

from src.sandbox.anthropic.asked import shown
from src.sandbox.anthropic.organizations import ARCHIVED, FIRST_DAY, MEMBERS, WORKSPACE_KEYS, ClaudeOrganization, midnight
from src.sandbox.anthropic.problems import bad

USUAL, MOST = 20, 1000
Thing = Mapping[str, Any]


def listed(things: Sequence[Thing], params: QueryParams) -> dict[str, Any]:
    text = params.get("limit", str(USUAL))
    limit = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= MOST:
        raise bad(f"limit: Input should be greater than or equal to 1 and less than or equal to {MOST}")
    ids = [one["id"] for one in things]
    after, before = params.get("after_id"), params.get("before_id")
    unknown = next((one for one in (after, before) if one is not None and one not in ids), None)
    if unknown is not None or (after and before):
        raise bad("after_id: Invalid cursor")
    end = ids.index(before) if before else len(ids)
    first = ids.index(after) + 1 if after else max(0, end - limit) if before else 0
    page = things[first : min(end, first + limit)]
    more = first > 0 if before else first + limit < end
    return {"data": page, "has_more": more, "first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}


def workspaces(organization: ClaudeOrganization, now: datetime, *, archived: bool) -> list[Thing]:
    """The default one is on no list."""
    return [
        {
            "id": organization.workspace_id(name),
            "type": "workspace",
            "name": name,
            "created_at": shown(midnight(FIRST_DAY)),
            "archived_at": shown(midnight(ARCHIVED[name])) if _archived(name, now.date()) else None,
            "display_color": "#6C5BB9",
            "compartment_id": organization.named("cmpt", name),
            "data_residency": {"workspace_geo": "us", "allowed_inference_geos": "unrestricted", "default_inference_geo": "global"},
            "external_key_id": None,
            "tags": {},
            "user_profile_id": None,
        }
        for name in organization.workspaces
        if archived or not _archived(name, now.date())
    ]


def api_keys(organization: ClaudeOrganization) -> list[Thing]:
    return [
        {
            "id": organization.named("apikey", key.name),
            "type": "api_key",
            "name": key.name,
            "partial_key_hint": f"sk-ant-api03-R2D...{organization.named('apikey', key.name)[-4:]}",
            "created_at": shown(midnight(FIRST_DAY)),
            "created_by": {"id": organization.named("user", MEMBERS[0].name), "type": "user"},
            "expires_at": None,
            "principal": None,
            "scope": {"type": "workspace", "workspace_id": organization.workspace_id(key.workspace) or organization.default_workspace_id},
            "workspace_id": organization.workspace_id(key.workspace),
            "status": "active",
        }
        for key in WORKSPACE_KEYS
        if key.listed and key.workspace in (None, *organization.workspaces) and not organization.idle
    ]


def users(organization: ClaudeOrganization) -> list[Thing]:
    return [
        {
            "id": organization.named("user", one.name),
            "type": "user",
            "name": one.name,
            "email": one.email,
            "role": one.role,
            "added_at": shown(midnight(FIRST_DAY)),
        }
        for one in MEMBERS
    ]


def _archived(workspace: str, today: date) -> bool:
    return ARCHIVED.get(workspace, date.max) <= today
