"""What a publication is given to load, whatever the engine."""

from collections.abc import Iterable
from pathlib import Path

from src.core.base.faults import Missing, Rejected
from src.core.base.names import did_you_mean


def match_columns(given: Iterable[str], columns: Iterable[str]) -> dict[str, str]:
    """By name whatever its case, never by position: from each name in the source to the table's spelling of it."""
    spelling = {name.lower(): name for name in columns}
    found: dict[str, str] = {}
    for name in given:
        if name.lower() not in spelling:
            raise Rejected(f"the rows have a column {name[:80]!r} that the table has not{did_you_mean(name, spelling.values())}")
        if spelling[name.lower()] in found.values():
            raise Rejected(f"the rows have the column {name[:80]!r} twice")
        found[name] = spelling[name.lower()]
    return found


def inside(io: Path, path: Path) -> Path:
    # resolved, for a link in the folder may lead out of it
    real = (io / path).resolve()
    if not real.is_relative_to(io.resolve()):
        raise Rejected(f"{path.name[:80]!r} lies outside the dataset's io folder")
    if any(sign in real.name for sign in "*?["):
        raise Rejected(f"{path.name[:80]!r} is a pattern; name each file")
    if not real.is_file():
        raise Missing(f"there is no file {path.name[:80]!r} in the dataset's io folder")
    return real
