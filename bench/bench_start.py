"""Start to first answer, and the memory held then, beside the least that uvicorn and that FastAPI can serve."""

import argparse
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import compare

ROOT = Path(__file__).resolve().parents[1]
GOAL = "wall <= 8x, memory <= 3x, before the warehouse is first touched"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        ours_env = ["env", "ENVIRONMENT=development", "CA_ROOT_API_KEY=admin_for_a_bench", f"EMBEDDED_DATA_DIR={folder}", "LOG_LEVEL=error"]
        subprocess.run([*ours_env, sys.executable, "-c", BOOTSTRAP], cwd=ROOT, check=True)
        child = [sys.executable, "-m", "bench.start_child"]
        ours = [*ours_env, *child, "src.app.main:app", str(free_port()), "/health/ready"]
        compare("start beside a bare uvicorn", [*child, "bench.hello_asgi:app", str(free_port()), "/"], ours, pairs, GOAL)
        compare("start beside a bare FastAPI", [*child, "bench.hello_fastapi:app", str(free_port()), "/hello"], ours, pairs, GOAL)


BOOTSTRAP = """
from src.app.config import get_settings
from src.app.wiring import Parts
Parts(get_settings()).ledger.bootstrap()
"""

if __name__ == "__main__":
    main()
