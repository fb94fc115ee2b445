"""What a publication read, slice by slice and object by object. Written into its manifest, it is what the raw table is held against."""

from collections.abc import Iterable, Sequence
from typing import Any

from src.core.providers.slices import EMPTY, Came, Slice
from src.core.step.books.questions import Reload
from src.core.step.books.rules import Raw
from src.core.step.source.in_flight import BroughtFiles
from src.core.step.source.load_parts import Work


def objects_read(raw: Raw, source: str, slices: Sequence[Slice], content: object, rows: int) -> list[dict[str, Any]]:
    """By slice; `rows` is what all of them gave."""
    came = content.came if isinstance(content, BroughtFiles) else ()
    told = []
    for one in slices:
        own = [_object(file) for file in came if file.slice == one.key]
        counted = [file["rows"] for file in own]
        listed = one.rows if one.rows is not None or len(slices) > 1 else rows
        known = sum(counted) if counted and None not in counted else listed
        # read where it lies, there is no file of it
        told.append(_entry(raw, source, one, known, own or [_listed(one)]))
    return told


def objects_gone(reloads: Iterable[Reload]) -> list[dict[str, Any]]:
    return [_entry(one.raw, one.source, each, 0, []) for one in reloads for each in one.slices if each.version == EMPTY]


def objects_left(work: Work) -> list[dict[str, Any]]:
    """What is left of slices of which another source of that name tells some rows again."""
    left = []
    for reload in (one for one in work.loading.reloads if one.old):
        rows = work.asking.loaded(reload.raw, reload.source, reload.old)
        left += [_entry(reload.raw, reload.source, one, rows[one.key].rows if one.key in rows else 0, []) for one in reload.old]
    return left


def _entry(raw: Raw, source: str, one: Slice, rows: int | None, objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"table": raw.table, "source": source, "slice": one.key, "version": one.version, "rows": rows, "objects": objects}


def _object(file: Came) -> dict[str, Any]:
    return {"name": file.name, "etag": file.etag, "bytes": file.size, "sha256": file.sha256, "rows": file.rows}


def _listed(one: Slice) -> dict[str, Any]:
    return {"name": one.key, "etag": one.version, "bytes": one.bytes, "sha256": None, "rows": one.rows}
