"""House rules that a linter does not know. Each test lists every place that breaks its rule."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Authentication mints tenants, and the queue's claim.
MINTS_TENANTS = {"src/app/dependencies/auth.py", "src/core/scheduler/claims.py"}
# The HTTP edge and the step runner are the two named boundaries where anything may be caught.
CATCHES_ALL = {
    "src/app/edge/middleware.py",
    "src/core/pipeline/step_runner.py",
    # what nobody foresaw of one event or message must not keep everybody else's
    *(f"src/core/outbox/{name}.py" for name in ("delivery", "fanout", "sweep")),
}
# The demo hands its own environment on to the service it starts.
READS_ENVIRONMENT = {"src/core/base/settings.py", "src/cli/demo.py"}
# Loading by name: processors by ps_type, providers, those of the sandbox, the chosen warehouse adapter, and what writes its Parquet files;
# and the protocol, whose base a release of uvicorn may not have.
LOADS_BY_NAME = {
    "src/app/process/serving.py",
    "src/core/providers/packages.py",
    "src/core/crypto/vault.py",
    "src/core/pipeline/registry.py",
    "src/core/engine/__init__.py",
    "src/sandbox/gcp/provider.py",
    "src/sandbox/gcp/queries.py",
    "src/sandbox/gcp/file_cache.py",
    "src/sandbox/gcp/storage.py",
    "src/sandbox/discovery.py",
    "src/core/ledger/store.py",
}
ADAPTERS = (
    "src/core/engine/",
    # the ledger on BigQuery inserts once by a text that no toolkit writes; like the engines it quotes names and binds values
    "src/core/ledger/bigquery/statements.py",
    # what asks whether an engine is there, and what its driver wants said before and after
    *(f"src/core/ledger/{engine}/engine.py" for engine in ("bigquery", "postgresql", "sqlite")),
    # the toolkit writes tables and no views
    "src/core/ledger/bootstrap.py",
    "src/core/ledger/bigquery/structure.py",
    # which queries the sandbox's BigQuery takes, and what its own DuckDB answers them from
    "src/sandbox/gcp/queries.py",
)
# What is looked for by its name in each provider's package has the same name there.
FOUND_BY_NAME = {"Connection"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
LONGEST_PROCESSOR = 80
SQL = re.compile(
    r"\s*(--.*\n\s*)*\(*\s*"
    r"(SELECT\b.+?\bFROM\b|SELECT\s+1\b|INSERT\s+INTO\b|UPDATE\s.+?\bSET\b|DELETE\s+FROM\b|MERGE\s+(INTO\s+)?\S+\s+(AS\s+\w+\s+)?USING\b|TRUNCATE\s+TABLE\b"
    r"|WITH\s+\w+\s+AS\s*\(|(CREATE|DROP|ALTER)\s+(OR\s+REPLACE\s+)?(TEMP\s+)?(TABLE|VIEW|INDEX|SCHEMA|MACRO|FUNCTION)\b)",
    re.IGNORECASE | re.DOTALL,
)
ANY = ("everything", "Exception", "BaseException")


class Source:
    def __init__(self, path: Path) -> None:
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text()
        self.nodes = list(ast.walk(ast.parse(self.text)))

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [Source(path) for path in sorted((ROOT / "src").rglob("*.py"))]


def test_tenants_are_minted_in_one_place(sources):
    minting = {
        source.name
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Tenant"
    }

    assert minting == MINTS_TENANTS


def test_nothing_is_caught_broadly_outside_the_boundaries(sources):
    broad = {
        source.name
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.ExceptHandler)
        and (ast.unparse(node.type) if node.type else "everything") in ANY
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)  # cleans up and lets it pass
    }

    assert broad == CATCHES_ALL


def test_only_settings_read_the_environment(sources):
    reading = {source.name for source in sources if "environ[" in source.text or "os.environ" in source.text or "getenv" in source.text}

    assert reading <= READS_ENVIRONMENT


def test_imports_stand_at_the_top(sources):
    inside = [
        f"{source.name}:{inner.lineno}"
        for source in sources
        for function in source.functions()
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]

    assert not inside


def test_modules_are_loaded_by_name_only_where_declared(sources):
    assert {source.name for source in sources if "import_module" in source.text} == LOADS_BY_NAME


def test_files_and_functions_stay_readable(sources):
    long_files = [source.name for source in sources if source.text.count("\n") > LONGEST_FILE]
    long_functions = [
        f"{source.name}:{function.name}"
        for source in sources
        for function in source.functions()
        if (function.end_lineno or function.lineno) - function.lineno >= LONGEST_FUNCTION
    ]

    assert not long_files
    assert not long_functions


def test_a_processor_is_a_thin_leaf(sources):
    long = [one.name for one in sources if "/processors/" in one.name and one.text.count("\n") > LONGEST_PROCESSOR]

    assert not long


def test_a_class_name_stands_once(sources):
    where = defaultdict(set)
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.ClassDef) and node.name not in FOUND_BY_NAME:
                where[node.name].add(source.name)

    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def texts(tree: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Every text with its line, of an f-string what stands between the braces; docstrings are none."""
    nodes = list(tree)
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and id(node) not in docstrings | parts:
            if isinstance(node.value, bytes):
                yield node.lineno, node.value.decode(errors="replace")
            elif isinstance(node.value, str):
                yield node.lineno, node.value


def test_no_sql_stands_outside_the_adapters(sources):
    standing = [
        f"{source.name}:{line}"
        for source in sources
        if not source.name.startswith(ADAPTERS)
        for line, text in texts(source.nodes)
        if SQL.match(text)
    ]

    assert not standing


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('"SELECT run_id, amount FROM onboarding_validation_test"', True),
        ('f"select {columns} from {table}"', True),
        ('"-- why\\n(SELECT 1)"', True),
        ('b"DELETE FROM runs"', True),
        ('"WITH days AS (SELECT day FROM runs) SELECT day FROM days"', True),
        ('"Delete what is left of it"', False),
        ('"""SELECT day FROM runs is what it asks."""', False),
    ],
)
def test_sql_is_seen_in_plain_texts_and_f_strings_and_not_in_prose(code, found):
    # as an argument, or else, last, as a docstring
    tree = ast.walk(ast.parse(code if code.startswith('"""') else f"ask({code})"))
    assert any(SQL.match(text) for _, text in texts(tree)) is found
