from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BeforeValidator

from src.app.answers.tables import MEDIA_TYPES, file_answer, form_of, next_link, rows_as
from src.app.dependencies.auth import KeyedRoute, access, parts_of
from src.app.dependencies.days import MonthQuery, month_days, one_way
from src.app.dependencies.tenants import living_tenant
from src.app.models.audit import ACTIONS, AuditActor, AuditEntryAnswer, AuditOutcome, AuditPage
from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean, slug_flaw
from src.core.base.threads import blocking
from src.core.engine.port import ColumnKind
from src.core.ledger.columns import json_text
from src.core.ledger.tables import audit
from src.core.ledger.tables.audit import AuditEntry, AuditFilter

router = APIRouter(prefix="/api/v1", tags=["audit"], route_class=KeyedRoute)

PLATFORM: Final = "platform"
COLUMNS: Final[dict[str, ColumnKind]] = {name: "moment" if name == "occurred_at" else "text" for name in AuditEntryAnswer.model_fields}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": AuditPage, "content": {MEDIA_TYPES["csv"]: {"schema": {"type": "string"}}}}
}


def _moment(told: str) -> datetime | date:
    """A day where no time is told."""
    with suppress(ValueError):
        return date.fromisoformat(told)
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(told)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    raise ValueError(
        "is neither a day, YYYY-MM-DD, nor a moment with its offset, like 2026-11-20T09:30:00Z (a + in an address is written %2B)"
    )


# before the types of their own would read a bare number as seconds since 1970
Moment = Annotated[datetime | date, BeforeValidator(_moment)]
Slug = Annotated[str, Path(max_length=200, description="The organisation")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="`next_cursor` of the page before")]
AuditForm = Literal["json", "csv"]
AskedForm = Annotated[AuditForm | None, Query(alias="format", description="Before what Accept says")]


def asked_filter(
    request: Request,
    *,
    first: Annotated[Moment | None, Query(alias="from", description="First moment, with its offset, or day in UTC")] = None,
    to: Annotated[Moment | None, Query(description="Moment to end before, with its offset, or last day in UTC")] = None,
    start_date: Annotated[Moment | None, Query(description="The same as `from`")] = None,
    end_date: Annotated[Moment | None, Query(description="The same as `to`")] = None,
    month: MonthQuery = None,
    actor: Annotated[AuditActor | None, Query(description="With what authority")] = None,
    user_id: Annotated[str | None, Query(max_length=128, description="Acting person, as X-User-ID named them")] = None,
    key_fingerprint: Annotated[str | None, Query(max_length=64)] = None,
    action: Annotated[
        str | None, Query(max_length=100, pattern=r"^[a-z_]+(\.[a-z_]+)?$", description="noun.verb, or a noun for all of it: keys")
    ] = None,
    outcome: AuditOutcome | None = None,
) -> AuditFilter:
    if action is not None:
        _require_action(action)
    whole = month_days(request, month)
    since = one_way({"from": first, "start_date": start_date, "month": whole and whole.first})
    until = one_way({"to": to, "end_date": end_date, "month": whole and whole.last})
    if since is not None and until is not None and until != since:
        _require_order(since, until)
    return AuditFilter(
        actor_kind=actor,
        user_id=user_id,
        key_fingerprint=key_fingerprint,
        action=action,
        outcome=outcome,
        since=None if since is None else _first(since),
        before=None if until is None else _end(until),
        holders_own=True,
    )


Wanted = Annotated[AuditFilter, Depends(asked_filter)]


@router.get(
    "/admin/audit", summary="Who did what, of all organisations, newest first", responses=RESPONSES, **access("root", conditional=True)
)
async def list_audit(
    request: Request,
    wanted: Wanted,
    *,
    org_slug: Annotated[str | None, Query(max_length=200, description="Done to this one, also to those that had its slug before")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    asked: AskedForm = None,
) -> Response:
    return await _page(request, org_slug, replace(wanted, holders_own=False), limit=limit, cursor=cursor, asked=asked)


@router.get(
    "/organizations/{org_slug}/audit",
    summary="Who did what to an organisation, newest first",
    responses=RESPONSES,
    **access("root_or_org", conditional=True),
)
async def list_own_audit(
    request: Request, org_slug: Slug, wanted: Wanted, *, limit: Limit = 100, cursor: Cursor = None, asked: AskedForm = None
) -> Response:
    tenant = await living_tenant(request, org_slug)
    return await _page(request, tenant.org_slug, wanted, limit=limit, cursor=cursor, asked=asked)


async def _page(
    request: Request, org_slug: str | None, wanted: AuditFilter, *, limit: int, cursor: str | None, asked: AuditForm | None
) -> Response:
    form = form_of(request, ("json", "csv"), asked)
    # one more than is shown tells whether a page follows
    found = await blocking(parts_of(request).ledger.read, audit.page, org_slug, cursor, limit + 1, wanted)
    shown = found[:limit]
    following = shown[-1].audit_id if len(found) > limit else None
    if form == "json":
        page = AuditPage(entries=[AuditEntryAnswer.model_validate(asdict(entry)) for entry in shown], next_cursor=following)
        return Response(page.model_dump_json(), media_type=MEDIA_TYPES["json"], headers={"Vary": "Accept"})
    links = {"Link": next_link(request, following)} if following else None
    # what is no slug may stand in the trail, and not in the name of a file
    whose = PLATFORM if org_slug is None or slug_flaw(org_slug) else org_slug
    return await file_answer(
        request, whose, "csv", "audit", lambda: rows_as("csv", COLUMNS, [_row(entry) for entry in shown]), headers=links
    )


def _require_action(said: str) -> None:
    nouns = dict.fromkeys(action.partition(".")[0] for action in ACTIONS)
    if said not in ACTIONS and said not in nouns:
        noun = said.partition(".")[0]
        mend = did_you_mean(said, [*ACTIONS, *nouns])
        there = ", ".join([action for action in ACTIONS if action.startswith(f"{noun}.")] or nouns)
        raise Rejected(f"there is no action {said!r}{mend or f'; there is {there}'}", flaws=[Flaw("is not known here", "action")])


def _require_order(since: datetime | date, until: datetime | date) -> None:
    end = _end(until)
    if end is not None and end <= _first(since):
        raise Rejected(f"from {since} lies after to {until}; turn them round", flaws=[Flaw("lies after `to`", "from")])


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {**asdict(entry), "details": None if entry.details is None else json_text(entry.details)}


def _first(told: datetime | date) -> datetime:
    return told if isinstance(told, datetime) else datetime.combine(told, time(), UTC)


def _end(told: datetime | date) -> datetime | None:
    if isinstance(told, datetime):
        return told
    # no day follows the last one that Python knows
    return None if told == date.max else _first(told + timedelta(days=1))
