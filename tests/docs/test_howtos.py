"""What the pages add is made from their own text, in a copy of the tree, and their own tests are run there."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docs.page import Named, files_of

ROOT = Path(__file__).resolve().parents[2]
PROVIDER, MODEL_PROVIDER, PROCESSOR = (ROOT / f"docs/howto/add-a-{name}.md" for name in ("provider", "model-provider", "processor"))
COPIED = ("configs", "docs", "src", "tests")
RUFF = Path(sys.executable).with_name("ruff")
DOCUMENTED = tuple(
    f"tests/app/test_docs.py::test_every_{name}" for name in ("processor_in_use_is_documented", "key_of_a_config_is_documented")
)
KINDS = {
    "test": ("tests/*",),
    "sandbox": ("src/sandbox/*",),
    "price seed (CSV)": ("*.csv",),
    "expectations": ("configs/data_quality/*",),
    "schemas and SQL": ("*.json", "*.sql"),
    "books and documents (YAML)": ("*.yml",),
    "client, credential, processor": ("*.py",),
}
ROW = re.compile(r"^\| ([^|]+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """With what Python has compiled, which copies keep the time of."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("data_dirs", "goldens"))
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(tree: Path, *command: str | Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    done = subprocess.run(command, cwd=tree, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.process
def test_what_the_pages_make_is_loaded_closed_and_told(tree: Path):
    made = [*files_of(PROVIDER), *files_of(MODEL_PROVIDER), *files_of(PROCESSOR)]
    for one in made:
        one.write(tree)
    code = [one.path for one in made if one.path.endswith(".py") and one.text]
    tests = [path for path in code if path.startswith("tests/")]

    run(tree, RUFF, "check", "--no-cache", *code)
    run(tree, RUFF, "format", "--no-cache", "--check", *code)
    run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *DOCUMENTED)


def kind(one: Named) -> str:
    if not one.text:
        return "empty `__init__.py`"
    return next(name for name, forms in KINDS.items() if any(fnmatch(one.path, form) for form in forms))


@pytest.mark.parametrize(("page", "processors"), [(PROVIDER, 1), (MODEL_PROVIDER, 2)])
def test_the_page_tells_what_it_takes(page: Path, processors: int):
    made = [one for one in files_of(page) if not one.added and not one.copied]
    lines: Counter[str] = Counter()
    for one in made:
        lines[kind(one)] += one.lines

    files = Counter(kind(one) for one in made)
    assert {name: (int(number), int(count)) for name, number, count in ROW.findall(page.read_text())} == {
        name: (files[name], lines[name]) for name in files
    }
    assert [(one.path, one.lines) for one in files_of(page) if one.added] == [
        ("configs/system/providers.yml", 1),
        ("docs/reference/processors.md", processors),
    ]
