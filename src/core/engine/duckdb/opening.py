"""A dataset's file is opened, or made: locked down before anybody is given a cursor of it."""

import os
from pathlib import Path

import duckdb

from src.core.base.faults import Fault
from src.core.base.settings import Settings
from src.core.engine.duckdb.instance import FENCES, HOUSEKEEPING_TABLES, IO, OWNER_FILE, SPILL, Instance
from src.core.engine.duckdb.store.damage import gone_files
from src.core.engine.duckdb.store.listing import RAW, all_files
from src.core.engine.duckdb.store.reclaim import swept
from src.core.engine.duckdb.store.views import follow_folder
from src.core.engine.files.datasets import Damage, damaged, database_file, lost

# the oldest DuckDB that opens such a file; left to itself the driver writes for its own version and later ones
STORAGE = "v1.5.0"
OWNER_ONLY = 0o700
DRAFT = ".new"
MADE_HERE = f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{FENCES}'"
# A commit that checkpoints leaves out the log, and is read by others before it is on disk: killed just then, what was read is gone again.
# So no commit checkpoints; it is done by itself, when the log has grown.
NEVER_BY_ITSELF = "1TB"


def open_instance(folder: Path, settings: Settings, damage: Damage, *, create: bool) -> Instance:
    if not create and not database_file(folder).exists():
        # it went between somebody's look and this opening, and must not come back empty
        raise lost(folder)
    for part in (folder, folder / IO, folder / RAW, folder / SPILL):
        part.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        # a folder that was there has kept the mode it was made with
        part.chmod(OWNER_ONLY)
    file = database_file(folder)
    if not file.exists():
        _create(file)
    root = _connect(file)
    try:
        if not root.execute(MADE_HERE).fetchall():
            # an empty database in the place of a dataset would be read as one that has no costs
            damage.met(folder)
            raise damaged(folder)
        # not when it is opened: DuckDB takes allowed_directories only of a database that has started
        for name, value in _locked_down(folder, settings):
            root.execute(f"SET GLOBAL {name} = $value", {"value": value})
        # at every opening: a file that an earlier release made lacks what has been added since
        _keep_house(root)
        gone = swept(folder / RAW, all_files(root))
        for file_of_rows, fault in gone_files(root, folder, gone):
            damage.met_file(folder, folder / RAW / file_of_rows, fault)
        follow_folder(root, folder / RAW, gone)
        file.chmod(OWNER_FILE)
    except (duckdb.Error, OSError, Fault):
        root.close()
        raise
    return Instance(folder=folder, root=root, damage=damage, inode=file.stat().st_ino)


def _create(file: Path) -> None:
    """Under a draft's name first: DuckDB makes a file by several writes, and one that has only some of them never opens."""
    draft = file.with_name(file.name + DRAFT)
    for left in file.parent.glob(f"{draft.name}*"):  # with what DuckDB keeps beside it, such as its log
        left.unlink()
    root = _connect(draft)
    try:
        _keep_house(root)
        root.execute("CHECKPOINT")
    finally:
        root.close()
    draft.chmod(OWNER_FILE)
    _to_disk(draft)
    draft.replace(file)
    # the new name is the folder's, which the disk writes apart from the file
    _to_disk(file.parent)


def _connect(file: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(file, config={"storage_compatibility_version": STORAGE})


def _keep_house(root: duckdb.DuckDBPyConnection) -> None:
    root.begin()
    for statement in HOUSEKEEPING_TABLES:
        root.execute(statement)
    root.commit()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked_down(folder: Path, settings: Settings) -> tuple[tuple[str, object], ...]:
    """In this order: what needs access first, then access goes, then the lock. The spill folder is allowed by DuckDB itself."""
    return (
        ("allowed_directories", [f"{folder / IO}/", f"{folder / RAW}/"]),
        # else a name that is no table would be looked for among Python's variables
        ("python_enable_replacements", False),
        ("memory_limit", settings.duckdb_memory_limit),
        ("threads", settings.duckdb_threads),
        ("temp_directory", str(folder / SPILL)),
        # rows have no order but what a query asks for, and to keep one takes memory
        ("preserve_insertion_order", False),
        ("checkpoint_threshold", NEVER_BY_ITSELF),
        # a moment falls on the day it has in BigQuery, which is in UTC, wherever this machine stands
        ("TimeZone", "UTC"),
        ("autoinstall_known_extensions", False),
        ("autoload_known_extensions", False),
        ("enable_external_access", False),
        ("lock_configuration", True),
    )
