"""What can be said of a source query by its words alone. What it names is BigQuery's to judge, when a run asks for its columns."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from src.core.step.placeholders import PIECES, given_names

BEGINNINGS = frozenset({"select", "with", "from"})
STAGED = "incoming"


def query_flaws(sql: str) -> Iterator[str]:
    words = [found[0].lower() for found in PIECES.finditer(sql) if found.lastgroup != "remark" and not found[0].isspace()]
    first = next((word for word in words if word != "("), "")
    if first not in BEGINNINGS:
        yield f"is one SELECT that BigQuery runs; this begins with {first[:40]!r}"
    # one at the end begins no other statement
    if ";" in words[:-1]:
        yield "is one SELECT that BigQuery runs; this has several statements"
    for name in sorted(given_names(sql)):
        yield f"nothing gives it @{name[:60]}; write {{name}} for a variable of the document"
    if _reads_staged(words):
        yield f"there is no table {STAGED!r} without `books`: the query runs at the source; name its tables, as `project.dataset.table`"


def _reads_staged(words: Sequence[str]) -> bool:
    followed = list(pairwise([*words, ""]))
    defined = any(pair == (STAGED, "as") for pair in followed)
    read = any(before in ("from", "join", ",") and word == STAGED for before, word in followed)
    of_a_dataset = any(pair == (STAGED, ".") for pair in followed)
    return read and not defined and not of_a_dataset
