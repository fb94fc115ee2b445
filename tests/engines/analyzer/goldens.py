"""The questions whose answers GoogleSQL's own evaluator gave, and the table they are asked of."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "core" / "engine" / "goldens"
TABLE_NAME = re.compile(r"\b(FROM|JOIN) t\b")
TABLE = FOLDER / "table.json"


@dataclass(frozen=True, slots=True)
class Golden:
    """An answer is its columns' types and its rows, or an error. Here it may be refused, or differ for a reason that is named."""

    topic: str
    sql: str
    types: tuple[str, ...] = ()
    rows: tuple[Any, ...] = field(default=(), hash=False)
    error: str = ""
    refused: str = ""
    gap: str = ""

    @property
    def said(self) -> dict[str, Any]:
        """As the file has it."""
        answer = {"error": self.error} if self.error else {"types": list(self.types), "rows": list(self.rows)}
        here = {"refused": self.refused, "gap": self.gap}
        return {"sql": self.sql, **answer, **{name: reason for name, reason in here.items() if reason}}


def topics() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.json") if path != TABLE)


def read(path: Path) -> list[Golden]:
    return [
        Golden(
            topic=path.stem,
            sql=case["sql"],
            types=tuple(case.get("types", ())),
            rows=tuple(case.get("rows", ())),
            error=case.get("error", ""),
            refused=case.get("refused", ""),
            gap=case.get("gap", ""),
        )
        for case in json.loads(path.read_text())
    ]


def write(path: Path, goldens: list[Golden]) -> None:
    lines = ",\n".join(json.dumps(golden.said, ensure_ascii=False) for golden in goldens)
    path.write_text(f"[\n{lines}\n]\n")


@cache
def columns() -> dict[str, str]:
    declared: dict[str, str] = json.loads(TABLE.read_text())["columns"]
    return declared


@cache
def table_query() -> str:
    """The rows of the table `t`, as one query of typed literals."""
    rows = json.loads(TABLE.read_text())["rows"]
    selects = (
        ", ".join(f"CAST({literal} AS {kind}) AS {name}" for literal, (name, kind) in zip(row, columns().items(), strict=True))
        for row in rows
    )
    return " UNION ALL ".join(f"SELECT {select}" for select in selects)


def with_table(sql: str) -> str:
    """The question with its table in front of it, for an evaluator that has no tables."""
    if not TABLE_NAME.search(sql):
        return sql
    for start in ("WITH RECURSIVE ", "WITH "):
        if sql.startswith(start):
            return f"{start}t AS ({table_query()}), {sql.removeprefix(start)}"
    return f"WITH t AS ({table_query()}) {sql}"
