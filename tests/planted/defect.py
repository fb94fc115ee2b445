from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    POSTGRESQL = "PostgreSQL"
    EMULATOR = "BigQuery emulator"


POSTGRESQL, BIGQUERY = (Engine.POSTGRESQL,), (Engine.EMULATOR,)


@dataclass(frozen=True, slots=True)
class Defect:
    """`line` stands once in its file and becomes `wrong`; the tests are the quickest that see it, `only` is pytest's -k."""

    part: str
    harm: str
    """What it would do to a user."""
    file: str
    line: str
    wrong: str
    tests: tuple[str, ...]
    only: str = ""
    needs: tuple[Engine, ...] = ()
