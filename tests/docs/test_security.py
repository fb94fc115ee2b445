"""The tests that SECURITY.md names for what is tried are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"^\|.*`.*test.*\|$", re.MULTILINE)
NAMED = re.compile(r"`([a-z_/]*test_[a-z0-9_]+\.py)?(?:::)?(test_[a-z0-9_]+)?`")


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_table_names_is_there() -> None:
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    rows = TABLE.findall((ROOT / "SECURITY.md").read_text())
    assert len(rows) > 20
    for row in rows:
        cell, known = row.rsplit("|", 2)[1], ""
        named = [match for match in NAMED.findall(cell) if any(match)]
        assert named, row
        assert cell.count("`") == 2 * len(named), f"something here names no test: {row}"
        for file, test in named:
            # a second test of a cell stands in the file of the first
            known = file or known
            # several files may have one name: a path says which
            path = ROOT / known if "/" in known else files.get(known)
            assert path is not None, f"{known} is not there: {row}"
            assert path.is_file(), f"{known} is not there: {row}"
            assert not test or test in functions(path), f"{test} is not in {known}"
