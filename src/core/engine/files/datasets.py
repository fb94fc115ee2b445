"""The files of the embedded warehouse's datasets: where each lies, and what is said of one that is lost. Asked without the driver.

A dataset is made before its organisation stands in the ledger and erased before the organisation leaves it. So who acts for an
organisation and finds no file has not come too early: the file is lost.
"""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from src.core.base.faults import Fault, Misconfigured
from src.core.engine.files.folder import refused_folder

SUFFIX: Final = ".duckdb"
LOG: Final = ".wal"
RESTORE: Final = "Stop the service and restore that file from its backup, with raw/ beside it and the .wal of the same backup"

Stamp = tuple[int, int, int]


def database_file(folder: Path) -> Path:
    return folder / f"{folder.name}{SUFFIX}"


def log_file(folder: Path) -> Path:
    return folder / f"{folder.name}{SUFFIX}{LOG}"


def place_of(folder: Path) -> str:
    """As it lies in EMBEDDED_DATA_DIR: the rest of the path is the machine's and nobody else's concern."""
    return f"{folder.parent.name}/{folder.name}/{database_file(folder).name}"


def is_made(folder: Path) -> bool:
    try:
        return database_file(folder).exists()
    except OSError as refused:
        raise refused_folder(folder, refused) from refused


def lost(folder: Path) -> Fault:
    return Misconfigured(
        f"the dataset {folder.name} is lost: {place_of(folder)} is not in EMBEDDED_DATA_DIR. {RESTORE}; or let EMBEDDED_DATA_DIR and "
        "ENVIRONMENT name what it was made with. An organisation that was just off-boarded has none and needs none"
    )


def damaged(folder: Path) -> Fault:
    return Misconfigured(
        f"the dataset {folder.name} is damaged: {place_of(folder)} in EMBEDDED_DATA_DIR is no whole database of this service. {RESTORE}"
    )


def standing(home: Path) -> tuple[str, ...]:
    """The datasets that have a file, whole or not."""
    return tuple(sorted(file.parent.name for file in home.glob(f"*/*{SUFFIX}") if file == database_file(file.parent)))


def absent(home: Path, datasets: Iterable[str]) -> dict[str, Fault]:
    """Those that have no file, or one with nothing in it. A look at each, for one listing tells of folders alone."""
    return {dataset: fault for dataset in datasets if (fault := _absence(home / dataset))}


def stamp_of(folder: Path) -> Stamp | None:
    return _stamp(database_file(folder))


def _stamp(file: Path) -> Stamp | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _absence(folder: Path) -> Fault | None:
    try:
        facts = database_file(folder).stat()
    except (FileNotFoundError, NotADirectoryError):
        return lost(folder)
    except OSError:  # where this user may not look, the dataset's own callers are told what right lacks
        return None
    return None if stat.S_ISREG(facts.st_mode) and facts.st_size else damaged(folder)


class Damage:
    """Datasets that were met damaged. Each is remembered until its file is another one: a harmed block is met by who reads it alone.

    So are files of raw rows, until they are restored or nothing needs them any more.
    """

    def __init__(self) -> None:
        self._met: dict[Path, Stamp | None] = {}
        self._files: dict[tuple[Path, Path], tuple[Stamp | None, Fault]] = {}

    def met(self, folder: Path) -> None:
        self._met[folder] = stamp_of(folder)

    def met_file(self, folder: Path, file: Path, fault: Fault) -> None:
        self._files[folder, file] = _stamp(file), fault

    def forget_files(self, folder: Path, files: Iterable[Path]) -> None:
        for file in files:
            self._files.pop((folder, file), None)

    def closed(self, folder: Path) -> None:
        """Closing a database writes to its file once more."""
        if folder in self._met:
            self.met(folder)

    @property
    def faults(self) -> dict[str, Fault]:
        """By the name of the dataset."""
        for folder, stamp in list(self._met.items()):
            if stamp_of(folder) != stamp:
                self._met.pop(folder, None)
        for (folder, file), (stamp, _) in list(self._files.items()):
            if _stamp(file) != stamp or not folder.exists():
                self._files.pop((folder, file), None)
        of_files = {folder.name: fault for (folder, _), (_, fault) in sorted(self._files.items(), reverse=True)}
        return of_files | {folder.name: damaged(folder) for folder in sorted(self._met)}
