"""How long the ledger waits for its turn is not asked here; a machine with other things to do takes ten times as long for a statement."""

from src.core.ledger import bigquery_jobs, postgresql, sqlite

SECONDS = 200.0
WAITS = (
    (sqlite, "TURN_SECONDS"),
    (sqlite, "BUSY_SECONDS"),
    (postgresql, "TURN_SECONDS"),
    (bigquery_jobs, "PATIENCE_SECONDS"),
    (bigquery_jobs, "CALL_SECONDS"),
)
