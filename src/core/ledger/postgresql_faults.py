"""What PostgreSQL's errors mean to a caller, and what mends them."""

import psycopg
from sqlalchemy.exc import DBAPIError

from src.core.base.faults import Conflict, Fault, Misconfigured, Throttled, Unavailable
from src.core.ledger.unit import Undone


class Contended(Undone, Throttled):
    """Others were in the way; nothing of the unit is kept."""


class Dropped(Undone, Unavailable):
    """The connection broke before anything of the unit was kept."""


class Unforeseen(Exception):
    """An error that no caller can mend, without what it quotes of rows."""


NOT_BOOTSTRAPPED = "the management tables are not there, or older than this release; create them: POST /api/v1/admin/bootstrap"
OTHERS_WRITE = "others are writing the same rows of the ledger; retry in a moment"
BROKE_OFF = "the connection to the ledger's PostgreSQL broke off; nothing of this was kept, retry in a moment"
OUTCOME_UNKNOWN = "the connection to the ledger's PostgreSQL broke off while it was saving: look whether it did before you ask again"
NOT_THERE = "the ledger's PostgreSQL does not answer: see that it runs and that LEDGER_URL names its host and port"
NOT_READY = "the ledger's PostgreSQL is starting or stopping; retry in a moment"
NO_ROOM = (
    "the ledger's PostgreSQL takes no more connections: lower LEDGER_CONNECTIONS or the number of processes, or raise its max_connections"
)
NOT_LET_IN = "the ledger's PostgreSQL refuses this account: mend the user and the password in LEDGER_URL, or the server's pg_hba.conf"
NO_DATABASE = "the database that LEDGER_URL names is not there: create it (CREATE DATABASE ...) or name another"
READ_ONLY = "LEDGER_URL names a PostgreSQL that only reads, a replica perhaps: name its primary"
NO_RIGHTS = "the account in LEDGER_URL lacks rights: GRANT USAGE, CREATE ON SCHEMA public TO it, and let it own the management tables"
DISK_FULL = "the disk of the ledger's PostgreSQL is full: free some space; nothing was lost"
OUT_OF_MEMORY = "the ledger's PostgreSQL is out of memory; retry in a moment"
TOO_LONG = "a statement of the ledger took longer than it may; look at what burdens its PostgreSQL, then retry"
DAMAGED = "the ledger's PostgreSQL reports damaged data: look at its log, restore it from a backup"
POOLED = "LEDGER_URL leads to a pooler that changes connections between statements: let it pool by session, or name the server itself"
CUT_SHORT = "an error inside the unit was caught there, and PostgreSQL undid the unit"

TAKEN = "it is there already"

MEANINGS: dict[str, tuple[type[Fault], str, float | None]] = {
    "23505": (Conflict, TAKEN, None),
    "40001": (Contended, OTHERS_WRITE, 1),
    "40P01": (Contended, OTHERS_WRITE, 1),
    "55P03": (Throttled, OTHERS_WRITE, 1),
    "57014": (Unavailable, TOO_LONG, None),
    "57P03": (Unavailable, NOT_READY, 1),
    "53300": (Throttled, NO_ROOM, 2),
    "53100": (Unavailable, DISK_FULL, None),
    "53200": (Unavailable, OUT_OF_MEMORY, 1),
    "42P01": (Misconfigured, NOT_BOOTSTRAPPED, None),
    "42703": (Misconfigured, NOT_BOOTSTRAPPED, None),
    "3F000": (Misconfigured, NO_RIGHTS, None),
    "42501": (Misconfigured, NO_RIGHTS, None),
    "25006": (Misconfigured, READ_ONLY, None),
    "28000": (Misconfigured, NOT_LET_IN, None),
    "28P01": (Misconfigured, NOT_LET_IN, None),
    "3D000": (Misconfigured, NO_DATABASE, None),
    "26000": (Misconfigured, POOLED, None),
    "42P05": (Misconfigured, POOLED, None),
    "XX001": (Misconfigured, DAMAGED, None),
    "XX002": (Misconfigured, DAMAGED, None),
}
# libpq gives the server's refusal of a connection as words alone
REFUSALS = {
    "too many clients": "53300",
    "remaining connection slots": "53300",
    "too many connections": "53300",
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "authentication failed": "28000",
    "role ": "28000",
    "starting up": "57P03",
    "shutting down": "57P03",
    "recovery": "57P03",
}
STALE_PLAN = "cached plan must not change result type"


def fault_of(wrong: Exception) -> Exception:
    """Of what a statement met. `Unforeseen` for what no caller can mend: a mistake in our own statements."""
    cause = wrong.orig if isinstance(wrong, DBAPIError) else wrong
    if not isinstance(cause, psycopg.Error):
        return wrong
    state = cause.sqlstate
    if state is None and not isinstance(cause, psycopg.OperationalError) and type(cause) is not psycopg.DatabaseError:
        return wrong  # the driver's own, before anything was sent
    if state is None or broke_off(cause) or (state == "0A000" and STALE_PLAN in str(cause)):
        return Dropped(BROKE_OFF, retry_after=1)
    meaning = MEANINGS.get(state)
    if meaning is not None:
        return meaning[0](meaning[1], retry_after=meaning[2])
    # the rest of the message, and the driver's own, quote rows
    return Unforeseen(f"PostgreSQL answered {state}: {cause.diag.message_primary}")


def refusal_of(wrong: Exception) -> Exception:
    """Of what opening a connection met."""
    cause = wrong.orig if isinstance(wrong, DBAPIError) else wrong
    if not isinstance(cause, psycopg.Error):
        return wrong
    told = str(cause)
    state = cause.sqlstate or next((state for words, state in REFUSALS.items() if words in told), None)
    if state is None and "database" in told and "does not exist" in told:
        state = "3D000"
    meaning = MEANINGS.get(state or "")
    return meaning[0](meaning[1], retry_after=meaning[2]) if meaning else Unavailable(NOT_THERE, retry_after=2)


def broke_off(cause: psycopg.Error) -> bool:
    """By the server's own hand (57P0x, an idle session's end 25P03) or on the way (08xxx)."""
    state = cause.sqlstate or ""
    return state in ("57P01", "57P02", "57P04", "57P05", "25P03") or state.startswith("08")
