"""What DuckDB says, in the words of the fault tree: the caller learns what to do next, never a path or a stack."""

import duckdb

from src.core.base.faults import Fault, Missing, Rejected, Throttled, Unavailable

SENTENCE = 300
RETRY_SECONDS = 1.0
BROKEN = (duckdb.FatalException, duckdb.InternalException)
# Messages of these may hold paths of this machine, so they are answered in our own words.
OURS: tuple[tuple[type[duckdb.Error], type[Fault], str], ...] = (
    (
        duckdb.OutOfMemoryException,
        Unavailable,
        "the warehouse ran out of memory; raise DUCKDB_MEMORY_LIMIT, lower DUCKDB_THREADS, or ask for a smaller window",
    ),
    (duckdb.PermissionException, Rejected, "SQL may not reach files outside the dataset's own folder, nor load extensions"),
    (duckdb.IOException, Unavailable, "the warehouse could not read or write its disk; look at the free space of EMBEDDED_DATA_DIR"),
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


def fault_of(error: duckdb.Error) -> Fault:
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


def sentence(error: duckdb.Error) -> str:
    """The first line without the statement's excerpt and without the class of the error."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return first.partition("Error: ")[2][:SENTENCE] or first[:SENTENCE]
