from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

from sqlalchemy import insert

from src.core.base.settings import ROOT
from src.core.ledger.model import load_model
from src.core.ledger.plans import Plan
from src.core.ledger.tables import keys, orgs
from src.core.ledger.tables.runs import NewRun, StepLog

AT = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
TODAY = AT.date()
SCALE = Plan("SCALE", 100, 3000, 10)
CROWD = 100  # threads, where a statement takes a millisecond


def org(unit, slug, *, plan=SCALE, generation=1, created_at=AT, timezone="UTC"):
    return orgs.create(
        unit,
        orgs.NewOrg(
            org_slug=slug,
            company_name=f"{slug} Inc",
            admin_email=f"admin@{slug}.example",
            plan=plan,
            created_at=created_at,
            generation=generation,
            timezone=timezone,
            dataset_id=f"{slug}_dev",
        ),
    )


def key(unit, slug, key_id, *, created_at=AT):
    return keys.add(
        unit,
        key_id=key_id,
        org_slug=slug,
        key_hash=f"hash of {key_id}",
        fingerprint=f"mark of {key_id}",
        sealed_key=f"sealed {key_id}",
        created_at=created_at,
    )


def run(run_id, slug="acme", **changes: object):
    given = {
        "pipeline_logging_id": run_id,
        "org_slug": slug,
        "pipeline_id": "acme-gcp-cost",
        "document": "gcp/cost/billing",
        "provider": "gcp",
        "domain": "cost",
        "trigger_type": "api",
        "status": "QUEUED",
        "accepted_at": AT,
        "window_start": date(2026, 11, 1),
        "window_end": date(2026, 11, 19),
        "parameters": {"date": "2026-11-19"},
    }
    return NewRun(**{**given, **changes})


def step(step_log_id, run_id, **changes: object):
    given = {
        "step_log_id": step_log_id,
        "pipeline_logging_id": run_id,
        "org_slug": "acme",
        "step_id": "extract_billing",
        "ps_type": "gcp.bq_etl",
        "step_index": 0,
        "attempt": 1,
        "status": "SUCCESS",
        "started_at": AT,
        "ended_at": AT,
        "duration_ms": 12,
        "rows_processed": 3,
        "result": {"rows_processed": 3},
    }
    return StepLog(**{**given, **changes})


@cache
def schemas():
    return load_model(ROOT / "configs" / "setup" / "bootstrap").schemas


def row_of(table, slug):
    """A row with a value in every column, made from the schema file, so that a column added later is covered too."""
    by_type = {
        "STRING": f"something of {slug}",
        "INT64": 7,
        "BOOL": True,
        "DATE": TODAY,
        "TIMESTAMP": AT,
        "NUMERIC": Decimal("12345678901234567890.123456789"),
        "JSON": {"a": [1, "two", None]},
    }
    values = {field.name: by_type[field.type] for field in schemas()[table.name].fields}
    return {**values, "org_slug": slug} if "org_slug" in values else values


def put(unit, table, values):
    return unit.change(insert(table), values)
