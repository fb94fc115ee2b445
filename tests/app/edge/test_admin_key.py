import os
import re
import subprocess
import sys

import pytest

from src.core.base.settings import ROOT, ROOT_KEY_MINIMUM


def printed() -> str:
    # -S keeps site-packages out: the script must run before anything is installed.
    script = ROOT / "scripts" / "generate_admin_key.py"
    ran = subprocess.run([sys.executable, "-S", script], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    return ran.stdout


@pytest.mark.process
def test_prints_a_key_production_accepts_and_how_to_set_it() -> None:
    text = printed()
    key = text.splitlines()[0]
    assert re.fullmatch(r"admin_[A-Za-z0-9]{32,}", key)
    assert len(key) >= ROOT_KEY_MINIMUM
    assert f"export CA_ROOT_API_KEY={key}\n" in text


@pytest.mark.process
def test_no_two_are_alike() -> None:
    assert printed() != printed()
