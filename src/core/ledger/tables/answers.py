"""Requests under an Idempotency-Key: who works on each, whether its work is done, and what it was answered.

They stand in org_audit_logs, apart from its trail, for a day. The row's `outcome` is PENDING until the work is done; then it is SUCCESS,
and `resource` and `details` are those of the audit row that the work wrote in the same unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Delete, Select, Update, bindparam, delete, select, update

from src.core.base.faults import Conflict
from src.core.base.identity import Actor, Undertaking
from src.core.ledger.unit import Tables, Unit

KEPT: Final = timedelta(hours=24)
NOBODY: Final = ""
ACTION: Final = "requests.once"


class AlreadyNoted(Exception):
    """A request under this key is there."""


@dataclass(frozen=True, slots=True)
class NotedRequest:
    noted_at: datetime
    key_fingerprint: str | None
    org_slug: str | None
    resource: str
    outcome: str
    details: dict[str, Any] | None
    request: str
    holder: str
    answer: str | None

    @property
    def done(self) -> bool:
        return self.outcome == "SUCCESS"


def begin(unit: Unit, actor: Actor, undertaking: Undertaking, *, org_slug: str | None, resource: str, at: datetime) -> None:
    """Raises AlreadyNoted where a request under the key is there."""
    unit.insert_surely(unit.tables["org_audit_logs"], _noted(actor, undertaking, org_slug, resource, at), AlreadyNoted())


def seen(unit: Unit, undertaking_id: str) -> NotedRequest | None:
    row = unit.point(_seen, {"id": undertaking_id})
    return NotedRequest(*row) if row else None


def take_over(
    unit: Unit,
    actor: Actor,
    undertaking: Undertaking,
    before: NotedRequest,
    *,
    org_slug: str | None,
    resource: str,
    at: datetime,
    done: bool = False,
) -> bool:
    """False when somebody else was first. Of work that is done its mark stays, and only its answer is given anew."""
    held = {"id": undertaking.undertaking_id, "before": before.holder, "since": before.noted_at}
    if done:
        return unit.change(_take_answer_over, {**held, "holder": undertaking.holder, "at": at}) == 1
    told = {f"new_{name}": value for name, value in _noted(actor, undertaking, org_slug, resource, at).items() if name in TAKEN_OVER}
    return unit.change(_take_over, {**held, **told}) == 1


def done(unit: Unit, actor: Actor, *, org_slug: str | None, resource: str, details: Mapping[str, Any] | None, at: datetime) -> None:
    """In the unit of the work: who was taken for dead and goes on does nothing any more."""
    undertaking = actor.undertaking
    if undertaking is None:
        return
    if undertaking.rebuilds:
        unit.insert_later(unit.tables["org_audit_logs"], _noted(actor, undertaking, org_slug, resource, at))
    told = {"new_org_slug": org_slug, "new_resource": resource, "new_details": dict(details or {})}
    gone = Conflict("another request under this Idempotency-Key has taken over the work; ask again, and hear what it came to")
    unit.change_surely(_done, {**_held(undertaking), **told}, gone)


def keep(unit: Unit, undertaking: Undertaking, answer: str, at: datetime) -> None:
    unit.change_later(_keep, {**_held(undertaking), "answer": answer, "at": at})


def let_go(unit: Unit, undertaking: Undertaking) -> None:
    """Nobody works on it any more, and what it came to is not known."""
    unit.change_later(_let_go, _held(undertaking))


def withdraw(unit: Unit, undertaking: Undertaking) -> None:
    """It was refused, and may be asked anew; not where its work was done before something refused the rest."""
    unit.change_later(_let_go, _held(undertaking))
    unit.change_later(_withdraw, {"id": undertaking.undertaking_id})


def forget(unit: Unit, org_slug: str) -> None:
    unit.change_later(_forget, {"slug": org_slug})


TAKEN_OVER: Final = (
    "occurred_at", "actor_kind", "actor_org_slug", "key_fingerprint", "org_slug", "resource", "outcome", "details",
    "request_digest", "held_by", "kept_answer",
)  # fmt: skip


def _noted(actor: Actor, undertaking: Undertaking, org_slug: str | None, resource: str, at: datetime) -> dict[str, Any]:
    return {
        "audit_id": undertaking.undertaking_id,
        "occurred_at": at,
        "actor_kind": actor.kind,
        "actor_org_slug": actor.org_slug,
        "key_fingerprint": actor.key_fingerprint,
        "action": ACTION,
        "org_slug": org_slug,
        "resource": resource,
        "outcome": "PENDING",
        "details": None,
        "request_digest": undertaking.request,
        "held_by": undertaking.holder,
        "kept_answer": None,
    }


def _held(undertaking: Undertaking) -> dict[str, Any]:
    return {"id": undertaking.undertaking_id, "holder": undertaking.holder}


def _seen(tables: Tables) -> Select[Any]:
    """Columns in the order of NotedRequest's fields."""
    entry = tables["org_audit_logs"].c
    return select(
        entry.occurred_at,
        entry.key_fingerprint,
        entry.org_slug,
        entry.resource,
        entry.outcome,
        entry.details,
        entry.request_digest,
        entry.held_by,
        entry.kept_answer,
    ).where(entry.audit_id == bindparam("id"))


def _take_over(tables: Tables) -> Update:
    entry = tables["org_audit_logs"].c
    return _of_another(tables).values({name: bindparam(f"new_{name}", type_=entry[name].type) for name in TAKEN_OVER})


def _take_answer_over(tables: Tables) -> Update:
    at = bindparam("at", type_=tables["org_audit_logs"].c.occurred_at.type)
    return _of_another(tables).values(held_by=bindparam("holder"), occurred_at=at)


def _of_another(tables: Tables) -> Update:
    table = tables["org_audit_logs"]
    since = bindparam("since", type_=table.c.occurred_at.type)
    return update(table).where(table.c.audit_id == bindparam("id"), table.c.held_by == bindparam("before"), table.c.occurred_at == since)


def _mine(tables: Tables) -> Update:
    table = tables["org_audit_logs"]
    return update(table).where(table.c.audit_id == bindparam("id"), table.c.held_by == bindparam("holder"))


def _done(tables: Tables) -> Update:
    told = {name: bindparam(f"new_{name}", type_=tables["org_audit_logs"].c[name].type) for name in ("org_slug", "resource", "details")}
    return _mine(tables).values(outcome="SUCCESS", **told)


def _keep(tables: Tables) -> Update:
    at = bindparam("at", type_=tables["org_audit_logs"].c.occurred_at.type)
    return _mine(tables).values(kept_answer=bindparam("answer"), occurred_at=at)


def _let_go(tables: Tables) -> Update:
    return _mine(tables).values(held_by=NOBODY)


def _withdraw(tables: Tables) -> Delete:
    table = tables["org_audit_logs"]
    return delete(table).where(table.c.audit_id == bindparam("id"), table.c.held_by == NOBODY, table.c.outcome == "PENDING")


def _forget(tables: Tables) -> Delete:
    table = tables["org_audit_logs"]
    return delete(table).where(table.c.org_slug == bindparam("slug"), table.c.request_digest.is_not(None))
