"""Lists of the organisation's things, paged by `after` and `limit`."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from starlette.datastructures import QueryParams

from src.sandbox.openai.keys import KEYS
from src.sandbox.openai.organizations import ARCHIVED, FIRST_DAY, MEMBERS, PROJECT_KEYS, Organization, OrgMember, seconds
from src.sandbox.openai.problems import OpenaiProblem, bad

USUAL, MOST = 20, 100
Thing = Mapping[str, Any]


def listed(things: Sequence[Thing], params: QueryParams) -> dict[str, Any]:
    text = params.get("limit", str(USUAL))
    limit = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= MOST:
        raise bad(f"Invalid 'limit': expected an integer between 1 and {MOST}, but got '{text[:40]}' instead.", "limit")
    after = params.get("after")
    ids = [one["id"] for one in things]
    if after is not None and after not in ids:
        raise bad(f"Invalid 'after': there is no '{after[:60]}'.", "after")
    first = 0 if after is None else ids.index(after) + 1
    page = things[first : first + limit]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return {"object": "list", "data": page, **ends, "has_more": first + limit < len(things)}


def projects(organization: Organization, today: date, *, archived: bool) -> list[Thing]:
    return [
        {
            "id": organization.named("proj", name),
            "object": "organization.project",
            "name": name,
            "created_at": seconds(FIRST_DAY),
            "archived_at": seconds(ARCHIVED[name]) if _archived(name, today) else None,
            "status": "archived" if _archived(name, today) else "active",
        }
        for name in organization.projects
        if archived or not _archived(name, today)
    ]


def project_keys(organization: Organization, project_id: str) -> list[Thing]:
    name = next((one for one in organization.projects if organization.named("proj", one) == project_id), None)
    if name is None:
        raise OpenaiProblem(404, f"No project found with id '{project_id[:60]}'.", code="not_found")
    return [
        {
            "id": organization.named("key", key.name),
            "object": "organization.project.api_key",
            "name": key.name,
            "redacted_value": f"sk-{'proj' if key.owner else 'svcacct'}-****{organization.named('key', key.name)[-4:]}",
            "created_at": seconds(FIRST_DAY),
            "last_used_at": None,
            "owner": _owner(organization, key.owner, key.name),
            "owner_project_access": "active",
        }
        for key in PROJECT_KEYS
        if key.project == name and key.listed
    ]


def users(organization: Organization) -> list[Thing]:
    return [
        {
            "id": organization.named("user", one.name),
            "object": "organization.user",
            "name": one.name,
            "email": one.email,
            "role": one.role,
            "added_at": seconds(FIRST_DAY),
        }
        for one in MEMBERS
    ]


def admin_keys(organization: Organization) -> list[Thing]:
    owner = {**_person(organization, MEMBERS[0]), "type": "user", "object": "organization.user"}
    return [
        {
            "id": organization.named("key", f"admin {one.name}"),
            "object": "organization.admin_api_key",
            "name": one.name,
            "redacted_value": "sk-admin-****",
            "created_at": seconds(FIRST_DAY),
            "expires_at": None,
            "last_used_at": None,
            "owner": owner,
        }
        for one in KEYS.values()
        if one.owner == organization and one.is_admin and one.mood != "revoked"
    ]


def _archived(project: str, today: date) -> bool:
    return ARCHIVED.get(project, date.max) <= today


def _owner(organization: Organization, owner: str | None, key: str) -> Thing:
    if owner is None:
        account = {"id": organization.named("svcacct", key), "name": key, "role": "member", "created_at": seconds(FIRST_DAY)}
        return {"type": "service_account", "service_account": account}
    person = next(one for one in MEMBERS if one.name == owner)
    return {"type": "user", "user": {**_person(organization, person), "email": person.email}}


def _person(organization: Organization, one: OrgMember) -> dict[str, Any]:
    return {"id": organization.named("user", one.name), "name": one.name, "role": one.role, "created_at": seconds(FIRST_DAY)}
