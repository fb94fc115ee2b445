"""Whether an organisation's plan has room for an entry of the queue."""

from sqlalchemy import ColumnElement, Table, and_, or_, select

from src.core.ledger.unit import Tables


def room(tables: Tables, entries: Table) -> ColumnElement[bool]:
    """True of one that waits for none, or is claimed only to be ended."""
    quota, plan = tables["org_usage_quotas"], tables["org_subscriptions"]
    both = quota.join(plan, plan.c.org_slug == quota.c.org_slug)
    own = select(quota.c.org_slug).select_from(both).where(quota.c.org_slug == entries.c.org_slug)
    taken, allowed = quota.c.concurrent_pipelines_running, plan.c.concurrent_run_limit
    return or_(
        entries.c.waits_for.is_(None),
        entries.c.cancel_requested_at.is_not(None),
        and_(entries.c.waits_for == "place", own.where(taken < allowed).exists()),
        # it is among those that are taken
        and_(entries.c.waits_for == "turn", own.where(taken <= allowed).exists()),
    )
