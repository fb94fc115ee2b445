"""How long the ledger waits for its turn is not asked here; a machine with other things to do takes ten times as long for a statement."""

from src.core.ledger.bigquery import jobs as bigquery_jobs
from src.core.ledger.postgresql import engine as postgresql
from src.core.ledger.sqlite import engine as sqlite

SECONDS = 200.0
WAITS = (
    (sqlite, "TURN_SECONDS"),
    (sqlite, "BUSY_SECONDS"),
    (postgresql, "TURN_SECONDS"),
    (bigquery_jobs, "PATIENCE_SECONDS"),
    (bigquery_jobs, "CALL_SECONDS"),
)
