"""Many small files of raw rows become one, while nobody loads: each file that a question needs is opened anew, and read at its own pace."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import duckdb

from src.core.base.faults import Fault
from src.core.engine.duckdb.instance import Instance
from src.core.engine.duckdb.store.damage import is_whole, lost_rows
from src.core.engine.duckdb.store.landing import FileLanding
from src.core.engine.duckdb.store.listing import (
    FILES,
    KeptFile,
    SlicedTable,
    add_files,
    all_files,
    files_of,
    readings_of,
    sliced_tables,
    take_files,
)
from src.core.engine.duckdb.store.views import make_views, rows_of
from src.core.engine.duckdb.types import quoted

# a slice that is replaced has the rest of its file written anew: about a tenth of a second for one that is full
FULL_ROWS, FULL_BYTES = 100_000, 8 * 1024 * 1024
SMALL_ROWS, SMALL_BYTES = FULL_ROWS // 4, FULL_BYTES // 4
FEWEST = 16
# days that a bill restates are loaded again before long
NEWEST = 8
FOLDED: Final = "folded"
HAS_MANY = f"""SELECT DISTINCT table_name FROM {FILES} WHERE row_count <= {SMALL_ROWS} AND bytes <= {SMALL_BYTES}
    GROUP BY table_name HAVING count(*) >= {FEWEST}"""
CAME_LAST = f"SELECT max(kept_at) FROM {FILES} WHERE table_name = $table AND file = ANY($files)"


def fold(instance: Instance) -> None:
    """As far as publications let it: what it was kept from is tried when the dataset is idle again."""
    if not instance.may_fold:
        return
    instance.may_fold = False
    # what cannot be done now, on a full disk say, leaves all as it is
    with suppress(Fault, OSError), instance.cursor() as cursor:
        for table in [table for (table,) in cursor.execute(HAS_MANY).fetchall()]:
            for files in packs(files_of(cursor, table)):
                if not _folded(instance, sliced_tables(cursor)[table], files):
                    instance.may_fold = True
                    return


def packs(files: Iterable[KeptFile]) -> Iterator[list[KeptFile]]:
    """Of one source and of days that lie together."""
    by_source: dict[frozenset[str], list[KeptFile]] = defaultdict(list)
    for one in files:
        by_source[one.sources].append(one)
    for sources, found in by_source.items():
        if len(sources) == 1:
            yield from _packs_of(sorted(found, key=lambda one: (one.days, one.used, one.file))[:-NEWEST])


def _packs_of(files: Sequence[KeptFile]) -> Iterator[list[KeptFile]]:
    pack: list[KeptFile] = []
    for one in files:
        if one.rows > SMALL_ROWS or one.bytes > SMALL_BYTES:
            continue
        if sum(held.rows for held in pack) + one.rows > FULL_ROWS or sum(held.bytes for held in pack) + one.bytes > FULL_BYTES:
            if len(pack) >= FEWEST:
                yield pack
            pack = []
        pack.append(one)
    if len(pack) >= FEWEST:
        yield pack


def _folded(instance: Instance, table: SlicedTable, files: Sequence[KeptFile]) -> bool:
    """Whether nothing kept it from that."""
    # one that has another byte would be a whole file with false rows from then on
    harmed = [one for one in files if not is_whole(instance.raw, one.file)]
    for one in harmed:
        instance.damage.met_file(instance.folder, instance.raw / one.file, lost_rows(instance.folder, table.name, one))
    if harmed:
        return True
    claimed, left = list[str](), list[str]()
    committed: bool | None = False

    def claim(file: str) -> None:
        instance.reclaim.claim(file)
        claimed.append(file)

    with instance.cursor() as cursor:

        def give_way() -> None:
            instance.may_fold = True
            cursor.interrupt()

        try:
            with instance.gate.preparing(give_way):
                rows = rows_of(instance.raw, table, files, readings_of(cursor, table.name))
                columns = ", ".join(quoted(name) for name in table.columns)
                kept = FileLanding(cursor, instance.raw, table, claim).write(f"SELECT {columns} FROM ({rows})")
            with instance.gate.alone() as alone:
                if alone and instance.schema_lock.acquire(blocking=False):
                    try:
                        committed = None
                        left = _swapped(instance, cursor, table, files, kept)
                        committed = bool(left)
                    finally:
                        instance.schema_lock.release()
        finally:
            if committed is None and not instance.broken:
                committed = False
            instance.reclaim.settle(claimed, left, committed=committed)
    return bool(committed)


def _swapped(
    instance: Instance, cursor: duckdb.DuckDBPyConnection, table: SlicedTable, files: Sequence[KeptFile], kept: Sequence[KeptFile]
) -> list[str]:
    """The files that no list names any more: none where the list, or the table, is no longer what it was, and all stays."""
    cursor.begin()
    listed = files_of(cursor, table.name)
    same_rows = sum(one.rows for one in kept) == sum(one.rows for one in files)
    if sliced_tables(cursor).get(table.name) != table or not set(files) <= set(listed) or not same_rows:
        cursor.rollback()
        return []
    [(at,)] = cursor.execute(CAME_LAST, {"table": table.name, "files": [one.file for one in files]}).fetchall()
    take_files(cursor, table.name, files)
    add_files(cursor, table.name, kept, FOLDED, at)
    make_views(cursor, instance.raw, table)
    left = sorted({one.file for one in files} - all_files(cursor))
    cursor.commit()
    return left
