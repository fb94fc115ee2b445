"""What DuckDB says, in the words of the fault tree: the caller learns what to do next, never a path or a stack."""

from pathlib import Path

import duckdb

from src.core.base.faults import Fault, Misconfigured, Missing, Rejected, Throttled, Unavailable
from src.core.engine.files.datasets import damaged, database_file, place_of
from src.core.engine.files.disk_space import FULL_WORDS, full_disk

SENTENCE = 300
RETRY_SECONDS = 1.0
BROKEN = (duckdb.FatalException, duckdb.InternalException)
# DuckDB has no class for what is wrong with its disk, only the system's own words inside one of these. Other classes quote values of rows.
OF_THE_DISK = (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException, duckdb.SerializationException, *BROKEN)
FULL = (*FULL_WORDS, "max_temp_directory_size")
BARRED = ("Permission denied", "Read-only file system", "Operation not permitted")
OF_THE_FILE = ("not a valid DuckDB database file", "Could not read enough bytes", "Is a directory")
HARMED = ("Corrupt database file", "Corrupt WAL file", "Failure while replaying WAL")
# Messages of these may hold paths of this machine, so they are answered in our own words.
OURS: tuple[tuple[type[duckdb.Error], type[Fault], str], ...] = (
    (
        duckdb.OutOfMemoryException,
        Unavailable,
        "the warehouse ran out of memory; raise DUCKDB_MEMORY_LIMIT, lower DUCKDB_THREADS, or ask for a smaller window",
    ),
    (duckdb.PermissionException, Rejected, "SQL may not reach files outside the dataset's own folder, nor load extensions"),
    (
        duckdb.IOException,
        Unavailable,
        "the warehouse's disk did not answer as it should; look at the system's log and the disk of EMBEDDED_DATA_DIR, then run this again",
    ),
    (duckdb.InterruptException, Unavailable, "the statement was interrupted; run it again"),
)
# Mistakes of the statement: whoever wrote it is helped by DuckDB's own sentence.
THEIRS = (
    duckdb.CatalogException,
    duckdb.BinderException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.InvalidInputException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.TypeMismatchException,
    duckdb.InvalidTypeException,
    duckdb.NotImplementedException,
    duckdb.DependencyException,
)


def fault_of(error: duckdb.Error, folder: Path) -> Fault:
    """Of what was met in the dataset whose folder this is."""
    return _of_the_disk(error, folder) or _of_the_statement(error)


def _of_the_statement(error: duckdb.Error) -> Fault:
    for kind, fault, words in OURS:
        if isinstance(error, kind):
            return fault(words)
    said = sentence(error)
    if isinstance(error, duckdb.TransactionException):
        return Throttled("another change of the same table came first; run this again", retry_after=RETRY_SECONDS)
    # unknown functions and types are of this class too, and are mistakes of the statement
    if isinstance(error, duckdb.CatalogException) and said.startswith(("Table ", "View ")):
        return Missing(said)
    if isinstance(error, duckdb.ConstraintException):
        return Rejected(f"a row does not fit its table: {said}")
    if isinstance(error, THEIRS):
        return Rejected(said)
    return Unavailable("the warehouse did not take the statement; run this again")


def is_damage(error: duckdb.Error, folder: Path) -> bool:
    if not _tells_of_the_disk(error):
        return False
    said = str(error)
    # a file that SQL reads from the dataset's folder may be cut short as well
    return any(words in said for words in HARMED) or (database_file(folder).name in said and any(words in said for words in OF_THE_FILE))


def sentence(error: duckdb.Error) -> str:
    """The first line without the statement's excerpt and without the class of the error."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return first.partition("Error: ")[2][:SENTENCE] or first[:SENTENCE]


def _of_the_disk(error: duckdb.Error, folder: Path) -> Fault | None:
    if not _tells_of_the_disk(error):
        return None
    said = str(error)
    if any(words in said for words in FULL):
        return full_disk()
    if any(words in said for words in BARRED):
        return Misconfigured(
            f"{place_of(folder)} in EMBEDDED_DATA_DIR, or its folder, may not be read and written by the service's user; give it that right"
        )
    return damaged(folder) if is_damage(error, folder) else None


def _tells_of_the_disk(error: duckdb.Error) -> bool:
    # a checksum that does not match comes as DuckDB's bare class
    return type(error) is duckdb.Error or isinstance(error, OF_THE_DISK)
