"""House rules that a linter does not know."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

# Authentication mints tenants; the queue's claim will join it.
MINTS_TENANTS = {"src/app/dependencies/auth.py"}
# The HTTP edge and the step runner are the two named boundaries where anything may be caught.
CATCHES_ALL = {"src/app/problems.py", "src/core/pipeline/executor.py", "src/core/pipeline/step_runner.py", "src/app/middleware.py"}
# The demo hands its own environment on to the service it starts.
READS_ENVIRONMENT = {"src/core/base/settings.py", "src/cli/demo.py"}
# Lazy loading by name: processors by ps_type, and the chosen warehouse adapter.
LOADS_BY_NAME = {"src/core/pipeline/registry.py", "src/core/engine/__init__.py"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 50


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_tenants_are_minted_in_one_place(path):
    if shown(path) not in MINTS_TENANTS:
        assert "Tenant" not in {name.split(".")[-1] for name in calls(path)}


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_nothing_is_caught_broadly_outside_the_two_boundaries(path):
    if shown(path) in CATCHES_ALL:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("everything", "Exception", "BaseException"), f"line {node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_only_settings_read_the_environment(path):
    if shown(path) not in READS_ENVIRONMENT:
        assert "environ" not in path.read_text()
        assert "getenv" not in path.read_text()


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_imports_stand_at_the_top(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = [inner.lineno for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)]
            assert not inside, f"imports inside {node.name}"


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_modules_are_loaded_by_name_only_where_declared(path):
    if shown(path) not in LOADS_BY_NAME:
        assert "import_module" not in path.read_text()


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_files_and_functions_stay_readable(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or node.lineno) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_no_sql_is_built_from_values(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value for part in node.values if isinstance(part, ast.Constant)).lstrip().upper()
            if text.startswith(("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "MERGE ")):
                assert shown(path).startswith("src/core/engine/"), f"line {node.lineno}: only an adapter puts checked identifiers into SQL"
