"""A table of raw rows held against the manifests of what was loaded into it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from src.core.base.documents import read_document
from src.core.base.faults import Conflict, Missing, Rejected
from src.core.base.names import did_you_mean, identifier
from src.core.costs.reader import CostReader
from src.core.engine.port import StoredFile
from src.core.step.books.document import BooksDocument, RawFacts

ProofState = Literal["damaged", "missing", "other", "unproven", "proven"]
STATES: Final[tuple[ProofState, ...]] = get_args(ProofState)
"""The worst first."""
MANIFESTS: Final = "x_load_manifests"
OBJECTS: Final = "objects"
ROUNDS: Final = 3  # how often it is asked again because a load was published meanwhile
TABLE_SAYS: Final[Mapping[ProofState, str]] = {
    "damaged": "a file of it has other bytes than when it was kept: stop the service and restore that file from a backup",
    "missing": "rows that were loaded are not there: restore a file that is gone from a backup, and load other slices again",
    "other": "of some slices more rows stand than were loaded: load them again with reload: true",
    "unproven": "some rows were loaded by a release that kept no objects; a run with reload: true over their days proves them",
    "proven": "what stands is what the manifests name",
}
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NamedSlice:
    """What the newest manifest that names it says of a slice."""

    rows: int | None
    objects: tuple[Mapping[str, Any], ...]
    manifest_id: str
    run_id: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class ProvenSlice:
    source: str
    slice: str
    state: ProofState
    says: str
    stands: int
    named: NamedSlice | None


@dataclass(frozen=True, slots=True)
class TableProof:
    state: ProofState
    says: str
    slices: tuple[ProvenSlice, ...]
    """The worst first."""
    files: tuple[StoredFile, ...] | None
    """None where the warehouse keeps rows in no files of ours."""
    named_hashes: frozenset[str] = frozenset()
    counts: Mapping[ProofState, int] = field(default_factory=dict)


def prove_table(reader: CostReader, table: str) -> TableProof:
    provider, facts = _raw_facts(reader, table)
    keeps = reader.warehouse.traits.keeps_files
    for _ in range(ROUNDS):
        before = _mark(reader)
        named = _named(reader, provider, table)
        files = reader.warehouse.stored_files(reader.tenant, table)
        stands = _stands(reader, table, facts, files)
        if _mark(reader) == before:
            return _proof(named, stands, files, in_files=keeps)
    raise Conflict(f"{table} was written to each time that it was read; ask again when its loads are over")


def _raw_facts(reader: CostReader, table: str) -> tuple[str, RawFacts]:
    reader.has()
    documents = [read_document(path, BooksDocument) for path in sorted(reader.configs.glob("**/books.yml"))]
    known = {name: (one.provider, facts) for one in documents for name, facts in one.raw.items()}
    if table in known:
        reader.warehouse.columns(reader.tenant, table)
        return known[table]
    if reader.has(table):
        raise Rejected(
            f"{table} is no table of raw rows, and is made anew of those; what can be held against manifests: {', '.join(known)}"
        )
    raise Missing(f"there is no table {table[:80]!r} of raw rows{did_you_mean(table, known)}")


def _mark(reader: CostReader) -> object:
    return reader.warehouse.query(reader.tenant, reader.statement("proof_mark")).to_pylist() if reader.has(MANIFESTS) else None


def _named(reader: CostReader, provider: str, table: str) -> dict[Key, NamedSlice]:
    found: dict[Key, NamedSlice] = {}
    # a dataset of an earlier release
    if not reader.has(MANIFESTS) or OBJECTS not in reader.warehouse.columns(reader.tenant, MANIFESTS):
        return found
    for batch in reader.warehouse.stream(reader.tenant, reader.statement("proof_manifests"), {"provider": provider}):
        for row in batch.to_pylist():
            for one in json.loads(row[OBJECTS]) if isinstance(row[OBJECTS], str) else row[OBJECTS]:
                if one["table"] == table:
                    told = NamedSlice(
                        one["rows"], tuple(one["objects"]), row["manifest_id"], row["pipeline_logging_id"], row["published_at"]
                    )
                    # what was read later stands in the place of what was read before
                    found.setdefault((one["source"], one["slice"]), told)
    return found


def _stands(reader: CostReader, table: str, facts: RawFacts, files: tuple[StoredFile, ...]) -> dict[Key, int]:
    if any(one.state != "whole" for one in files):
        # no question of all rows is answered while a file is lost; the list says what the others hold
        held = Counter[Key]()
        for source, key, rows in (part for one in files if one.state == "whole" for part in one.slices):
            held[source, key] += rows
        return dict(held)
    statement = reader.statement("proof_rows").replace("asked_table", f"`{identifier(table)}`")
    statement = statement.replace("asked_source", f"`{identifier(facts.source)}`").replace("asked_slice", f"`{identifier(facts.slice)}`")
    rows = reader.warehouse.query(reader.tenant, statement).to_pylist()
    return {(row["source"], row["slice_key"]): row["row_count"] for row in rows}


def _proof(named: Mapping[Key, NamedSlice], stands: Mapping[Key, int], files: tuple[StoredFile, ...], *, in_files: bool) -> TableProof:
    lost: dict[Key, StoredFile] = {}
    for one in files:
        if one.state != "whole":
            lost |= {(source, key): one for source, key, _ in one.slices}
    keys = named.keys() | stands.keys() | lost.keys()
    slices = [_slice(key, named.get(key), stands.get(key, 0), lost.get(key)) for key in keys]
    # of a slice that holds nothing and is to hold nothing there is nothing to say
    shown = sorted(
        (one for one in slices if one.stands or one.named is None or one.named.rows != 0 or one.state != "proven"),
        key=lambda one: (STATES.index(one.state), one.source, one.slice),
    )
    state: ProofState = shown[0].state if shown else "proven"
    hashes = frozenset(one["sha256"] for told in named.values() for one in told.objects if one["sha256"])
    says = TABLE_SAYS[state] if shown else "it holds nothing, and no manifest names anything of it"
    order = {"damaged": 0, "missing": 1, "whole": 2}
    ordered = tuple(sorted(files, key=lambda one: (order[one.state], one.name)))
    return TableProof(state, says, tuple(shown), ordered if in_files else None, hashes, Counter(one.state for one in shown))


def _slice(key: Key, named: NamedSlice | None, stands: int, lost: StoredFile | None) -> ProvenSlice:
    state, says = _of_file(lost) if lost else _of_rows(named, stands)
    return ProvenSlice(*key, state, says, stands, named)


def _of_file(lost: StoredFile) -> tuple[ProofState, str]:
    if lost.state == "damaged":
        return "damaged", f"the file {lost.name} has other bytes than when it was kept"
    return "missing", f"the file {lost.name} is gone"


def _of_rows(named: NamedSlice | None, stands: int) -> tuple[ProofState, str]:
    if named is None:
        return "unproven", f"{_rows(stands)}, and no manifest names the slice: the release that loaded it kept no objects"
    if named.rows is None:
        return "unproven", f"{_rows(stands)}, and its manifest does not say how many were read of this slice alone"
    if stands < named.rows:
        return "missing", f"{_rows(stands)} of {named.rows} that were loaded"
    if stands > named.rows:
        return "other", f"{_rows(stands)} where {named.rows} were loaded"
    return "proven", f"{_rows(stands)}, as many as were loaded"


def _rows(count: int) -> str:
    return "1 row stands" if count == 1 else f"{count} rows stand"
