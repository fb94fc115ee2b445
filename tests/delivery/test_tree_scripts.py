"""The scripts that print the tree in figures and move parts of it, on trees made here."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run(script: str, *arguments: str | Path, cwd: Path) -> str:
    return subprocess.run([sys.executable, SCRIPTS / script, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.process
def test_the_graph_counts_rooms_arrows_floors_and_what_leads_back(tmp_path):
    write(
        tmp_path,
        {
            "src/top.py": "from src.low import one, two\n",
            "src/low/one.py": "from src.low import two\n\n\nclass Twice: ...\n",
            "src/low/two.py": "from src.low.three import Thing\n\n\nclass Twice: ...\n",
            "src/low/three.py": "import src.low.two\n\n\nclass Thing: ...\n",
        },
    )

    printed = run("package_graph.py", tmp_path, "--rooms", "src/low", "--names", cwd=tmp_path)

    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.startswith("src")}
    assert rows["src/low"] == ["3", "3", "3", "2"]
    assert rows["src"] == ["2", "1", "2", "0"]
    assert "-> two" in printed
    assert "standing more than once 1" in printed
    assert "Twice: src.low.one, src.low.two" in printed


@pytest.mark.process
def test_a_module_is_moved_with_all_that_names_it(tmp_path):
    write(
        tmp_path,
        {
            "src/a_jobs.py": "SIZE = 1\n",
            "src/a_jobs_more.py": "",
            "src/user.py": "from src import a_jobs, other\n"
            "from src.a_jobs import SIZE\n\nLOADED = 'src.a_jobs'\nprint(a_jobs.SIZE, SIZE, other)\n",
            "src/other.py": "import src.a_jobs_more\n",
            "docs/page.md": "See `src/a_jobs.py`, not `src/a_jobs_more.py`.\n",
            "moves.txt": "src/a_jobs.py src/a/jobs.py\n",
        },
    )
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "src", "docs"], cwd=tmp_path, check=True)

    run("move_modules.py", "moves.txt", cwd=tmp_path)

    assert (tmp_path / "src/a/jobs.py").read_text() == "SIZE = 1\n"
    assert (tmp_path / "src/user.py").read_text() == (
        "from src import other\nfrom src.a import jobs as a_jobs\nfrom src.a.jobs import SIZE\n\n"
        "LOADED = 'src.a.jobs'\nprint(a_jobs.SIZE, SIZE, other)\n"
    )
    assert (tmp_path / "src/other.py").read_text() == "import src.a_jobs_more\n"
    assert (tmp_path / "docs/page.md").read_text() == "See `src/a/jobs.py`, not `src/a_jobs_more.py`.\n"
