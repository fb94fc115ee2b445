"""What PostgreSQL's errors mean to a caller, and what mends them."""

import re
from typing import TypeAlias

import psycopg
from sqlalchemy.exc import DBAPIError

from src.core.base.faults import Conflict, Fault, Misconfigured, Throttled, Unavailable
from src.core.ledger.unit import Undone


class Contended(Undone, Throttled):
    """Others were in the way; nothing of the unit is kept."""


class Dropped(Undone, Unavailable):
    """The connection broke, or is of no more use, before anything of the unit was kept."""


class Unforeseen(Exception):
    """An error that no caller can mend, without what it quotes of rows."""


Meaning: TypeAlias = tuple[type[Fault], str, float | None]

NOT_BOOTSTRAPPED = (
    "the management tables are not there, or older than this release; create them: POST /api/v1/admin/bootstrap. "
    "If they were there before, the ledger is lost: restore the database that LEDGER_URL names from its backup"
)
OTHERS_WRITE = "others are writing the same rows of the ledger; retry in a moment"
BROKE_OFF = "the connection to the ledger's PostgreSQL broke off; nothing of this was kept, retry in a moment"
CHANGED = "the ledger's tables were changed meanwhile; nothing of this was kept, retry in a moment"
OUTCOME_UNKNOWN = "the connection to the ledger's PostgreSQL broke off while it was saving: look whether it did before you ask again"
NOT_THERE = "the ledger's PostgreSQL does not answer: see that it runs and that LEDGER_URL names its host and port"
NOT_READY = "the ledger's PostgreSQL is starting or stopping; retry in a moment"
NO_ROOM = (
    "the ledger's PostgreSQL takes no more connections: lower LEDGER_CONNECTIONS or the number of processes, "
    "or raise its max_connections, or the CONNECTION LIMIT of the role or database where one is set"
)
NOT_LET_IN = "the ledger's PostgreSQL refuses this account: mend the user and the password in LEDGER_URL, or the server's pg_hba.conf"
NO_LOGIN = "the role that LEDGER_URL names may not log in: ALTER ROLE ... LOGIN, or name another"
NO_CONNECT = "the account in LEDGER_URL may not use the database it names: GRANT CONNECT ON DATABASE ... TO it"
CLOSED = "the database that LEDGER_URL names admits nobody: ALTER DATABASE ... ALLOW_CONNECTIONS true, or name another"
NO_TLS = "LEDGER_URL asks for TLS (sslmode), which the ledger's PostgreSQL does not offer: turn on its ssl, or lower the sslmode"
UNTRUSTED = (
    "the ledger's PostgreSQL and LEDGER_URL do not trust each other's certificates: mend sslmode, sslrootcert, sslcert and sslkey there"
)
BAD_OPTIONS = "LEDGER_URL asks for what the ledger's PostgreSQL or its driver does not know: mend the options after its question mark"
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

MEANINGS: dict[str, Meaning] = {
    "23505": (Conflict, TAKEN, None),
    "40001": (Contended, OTHERS_WRITE, 1),
    "40P01": (Contended, OTHERS_WRITE, 1),
    # not `Contended`: it has waited for all of lock_timeout, and again would be as long
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
    # what is prepared on one of the pooler's connections is unknown on the next, or there before it is prepared
    "26000": (Misconfigured, POOLED, None),
    "42P05": (Misconfigured, POOLED, None),
    "XX001": (Misconfigured, DAMAGED, None),
    "XX002": (Misconfigured, DAMAGED, None),
}
# libpq gives the server's refusal of a connection as words alone; what it quotes in them is left out
REFUSALS: dict[str, Meaning] = {
    "too many clients": MEANINGS["53300"],
    "remaining connection slots": MEANINGS["53300"],
    "too many connections": MEANINGS["53300"],
    "not permitted to log in": (Misconfigured, NO_LOGIN, None),
    "permission denied for database": (Misconfigured, NO_CONNECT, None),
    "not currently accepting connections": (Misconfigured, CLOSED, None),
    "does not support SSL": (Misconfigured, NO_TLS, None),
    "certificate": (Misconfigured, UNTRUSTED, None),
    "private key": (Misconfigured, UNTRUSTED, None),
    "no password supplied": MEANINGS["28P01"],
    "authentication failed": MEANINGS["28P01"],
    "pg_hba.conf": MEANINGS["28000"],
    'role "" does not exist': MEANINGS["28000"],
    'database "" does not exist': MEANINGS["3D000"],
    "Hot standby mode is disabled": MEANINGS["25006"],
    "server is in hot standby mode": MEANINGS["25006"],
    "session is read-only": MEANINGS["25006"],
    "starting up": MEANINGS["57P03"],
    "shutting down": MEANINGS["57P03"],
    "in recovery mode": MEANINGS["57P03"],
    "not yet accepting connections": MEANINGS["57P03"],
    "unrecognized configuration parameter": (Misconfigured, BAD_OPTIONS, None),
    "channel binding": (Misconfigured, BAD_OPTIONS, None),
    "invalid ": (Misconfigured, BAD_OPTIONS, None),
}
QUOTED = re.compile(r"""\"[^"\n]*"|'[^'\n]*'""")
STALE_PLAN = "cached plan must not change result type"
STANDBY = "during recovery"


def fault_of(wrong: Exception) -> Exception:
    """Of what a statement met. `Unforeseen` for what no caller can mend: a mistake in our own statements."""
    cause = wrong.orig if isinstance(wrong, DBAPIError) else wrong
    if not isinstance(cause, psycopg.Error):
        return wrong
    state = cause.sqlstate
    if state is None and not isinstance(cause, psycopg.OperationalError) and type(cause) is not psycopg.DatabaseError:
        return wrong  # the driver's own, before anything was sent
    if state is None or broke_off(cause):
        return Dropped(BROKE_OFF, retry_after=1)
    # the connection's prepared statements are of the table as it was; another connection prepares them anew
    if state == "0A000" and STALE_PLAN in str(cause):
        return Dropped(CHANGED, retry_after=1)
    # a standby calls some of what it may not do unsupported instead of read-only
    if state == "0A000" and STANDBY in str(cause):
        state = "25006"
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
    if cause.sqlstate:
        meaning = MEANINGS.get(cause.sqlstate)
    else:
        # a name in quotes may hold any of the words that are looked for
        told = QUOTED.sub('""', str(cause))
        meaning = next((meaning for words, meaning in REFUSALS.items() if words in told), None)
    return meaning[0](meaning[1], retry_after=meaning[2]) if meaning else Unavailable(NOT_THERE, retry_after=2)


def broke_off(cause: psycopg.Error) -> bool:
    """By the server's own hand (57P0x, an idle session's end 25P03) or on the way (08xxx)."""
    state = cause.sqlstate or ""
    return state in ("57P01", "57P02", "57P04", "57P05", "25P03") or state.startswith("08")
