"""What SQLite's errors mean to a caller, and what mends them."""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError

from src.core.base.faults import Conflict, Fault, Misconfigured, Throttled, Unavailable

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
PRIMARY = 0xFF  # an extended code carries its primary one in the low byte
TAKEN = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
# SQLite has one code for all that is wrong with a statement; only its words tell more
NOT_THERE = ("no such table", "no such column", "has no column", "no such view")

NOT_BOOTSTRAPPED = (
    "the management tables are not there, or older than this release; create them: POST /api/v1/admin/bootstrap. "
    "If they were there before, the ledger is lost: restore {file} from its backup"
)
NOT_WRITABLE = "the ledger cannot be written: give the service's account write access to EMBEDDED_DATA_DIR and the files in it"
NOT_OPEN = "the ledger cannot be opened: EMBEDDED_DATA_DIR (or the path in LEDGER_URL) must be a folder the service may write to"
IN_THE_WAY = "the ledger cannot be opened: a folder stands in the place of {file}; move it away, and restore the file from its backup"
DISK_FULL = "the disk of the ledger is full: free some space; nothing was lost"
DAMAGED = (
    "the ledger is damaged: {file} is no whole ledger; stop the service, restore that file from its backup (without the -wal and -shm "
    "beside it, unless they are of the same backup), or name another in LEDGER_URL"
)
GONE = (
    "the ledger is lost: {file} was taken away, or another put in its place, while the service runs, so that nothing more can be kept; "
    "stop the service, restore that file from its backup, and start it"
)

DISK_SILENT = "the disk of the ledger did not answer; look at the system's log, then retry"
OTHERS_WRITE = "another process is writing to the ledger; retry in a moment"

MEANINGS: dict[int, tuple[type[Fault], str, float | None]] = {
    sqlite3.SQLITE_BUSY: (Throttled, OTHERS_WRITE, 1),
    sqlite3.SQLITE_LOCKED: (Throttled, OTHERS_WRITE, 1),
    sqlite3.SQLITE_FULL: (Unavailable, DISK_FULL, None),
    sqlite3.SQLITE_IOERR: (Unavailable, DISK_SILENT, None),
    sqlite3.SQLITE_READONLY: (Misconfigured, NOT_WRITABLE, None),
    sqlite3.SQLITE_PERM: (Misconfigured, NOT_WRITABLE, None),
    sqlite3.SQLITE_CANTOPEN: (Misconfigured, NOT_OPEN, None),
    **dict.fromkeys(DAMAGE, (Misconfigured, DAMAGED, None)),
}


def fault_of(wrong: Exception, file: str) -> Fault | None:
    """None for what no caller can mend: a mistake in our own statements. The file is named as its folder has it."""
    cause = wrong.orig if isinstance(wrong, DBAPIError) else wrong
    if not isinstance(cause, sqlite3.Error):
        return None
    code = _code(cause)
    # by the extended code: a value that lacks breaks a constraint too, and is a mistake of ours
    if code in TAKEN:
        return Conflict("it is there already")
    if code & PRIMARY == sqlite3.SQLITE_ERROR and any(sign in str(cause) for sign in NOT_THERE):
        return Misconfigured(NOT_BOOTSTRAPPED.format(file=file))
    meaning = MEANINGS.get(code & PRIMARY)
    return meaning[0](meaning[1].format(file=file), retry_after=meaning[2]) if meaning else None


def is_damage(wrong: Exception) -> bool:
    return _primary(wrong) in DAMAGE


def is_of_the_disk(wrong: Exception) -> bool:
    """A disk without room for the index of its log is no more to SQLite than one that does not answer."""
    return _primary(wrong) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def is_busy(wrong: sqlite3.Error) -> bool:
    return _code(wrong) & PRIMARY in BUSY


def _primary(wrong: Exception) -> int:
    cause = wrong.orig if isinstance(wrong, DBAPIError) else wrong
    return _code(cause) & PRIMARY if isinstance(cause, sqlite3.Error) else sqlite3.SQLITE_OK


def _code(wrong: sqlite3.Error) -> int:
    # errors of the Python layer itself carry no code
    return getattr(wrong, "sqlite_errorcode", sqlite3.SQLITE_OK)


def os_fault(wrong: OSError) -> Fault:
    if wrong.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable(DISK_FULL)
    return Misconfigured(NOT_OPEN)
