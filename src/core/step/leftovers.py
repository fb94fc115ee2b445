import shutil
from pathlib import Path

from src.core.step.extract import PREFIX


def clear_leftovers(io: Path, run_id: str) -> None:
    """Of a run that is over: what an attempt brought, and was killed before it could take it away."""
    for left in io.glob(f"{PREFIX}*{run_id}*"):
        shutil.rmtree(left, ignore_errors=True)
