"""Whether an organisation's plan has room for an entry of the queue that waits for it."""

from sqlalchemy import ColumnElement, Table, and_, select

from src.core.ledger.unit import Tables


def room(tables: Tables, entries: Table) -> tuple[ColumnElement[bool], ...]:
    """One condition for each thing that an entry may wait for."""
    quota, plan = tables["org_usage_quotas"], tables["org_subscriptions"]
    both = quota.join(plan, plan.c.org_slug == quota.c.org_slug)
    own = select(quota.c.org_slug).select_from(both).where(quota.c.org_slug == entries.c.org_slug)
    taken, allowed = quota.c.concurrent_pipelines_running, plan.c.concurrent_run_limit
    return (
        and_(entries.c.waits_for == "place", own.where(taken < allowed).exists()),
        # it is among those that are taken
        and_(entries.c.waits_for == "turn", own.where(taken <= allowed).exists()),
    )
