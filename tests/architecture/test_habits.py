"""House rules that a linter does not know. Each test lists every place that breaks its rule."""

import ast
from collections import defaultdict
from collections.abc import Iterator
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
# the ledger on BigQuery inserts once by a text that no toolkit writes; like the engines it quotes names and binds values
ADAPTERS = ("src/core/engine/", "src/core/ledger/bigquery/statements.py")
# What is looked for by its name in each provider's package has the same name there.
FOUND_BY_NAME = {"Connection"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
LONGEST_PROCESSOR = 80
STATEMENTS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "MERGE ")
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


def test_no_sql_is_built_outside_the_adapters(sources):
    built = [
        f"{source.name}:{node.lineno}"
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.JoinedStr)
        and "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant)).lstrip().upper().startswith(STATEMENTS)
        and not source.name.startswith(ADAPTERS)
    ]

    assert not built
