"""The import arrows drawn in ARCHITECTURE.md hold, and a turned arrow is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_the_arrows_hold():
    answer = lint(ROOT)

    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("src/core/base/clock.py", "from src.core.ledger.store import Ledger"),
        ("src/core/ledger/plans.py", "from src.core.step.context import Services"),
        ("src/core/processors/setup/organizations/dryrun.py", "from src.core.pipeline.executor import AsyncPipelineExecutor"),
        ("src/core/processors/gcp/validation.py", "from src.core.processors.integrations.validate import CredentialProcessor"),
        ("src/core/pipeline/executor.py", "from src.app.wiring import Parts"),
        ("src/app/wiring.py", "from src.cli.demo import Demo"),
        ("src/core/step/context.py", "import duckdb"),
        ("src/core/engine/port.py", "from src.core.crypto.vault import Vault"),
        ("src/core/ledger/unit.py", "from src.core.engine.port import Row"),
        ("src/core/ledger/tables/orgs.py", "from src.core.ledger.sqlite.engine import SqliteUnit"),
        ("src/core/engine/dialect/edits.py", "from src.core.engine.duckdb.client import DuckDBWarehouse"),
        ("src/app/edge/body.py", "from src.app.answers.tables import form_of"),
        ("src/app/models/costs.py", "from src.app.answers.tables import form_of"),
        ("src/core/providers/link.py", "from src.core.google.access import grpc_channel"),
    ],
)
@pytest.mark.process
def test_a_turned_arrow_is_noticed(tmp_path, file, line):
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for source in (ROOT / "src").rglob("*.py"):
        copy = tmp_path / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(source.read_text())
    turned = tmp_path / file
    turned.write_text(f"{line}\n{turned.read_text()}")

    answer = lint(tmp_path)

    assert answer.returncode == 1
    assert "BROKEN" in answer.stdout
