"""How a process of the service begins: settings checked, logs set up, parts ready; or a refusal that says what to mend."""

import multiprocessing
import os
import signal
import sys
from typing import NoReturn

from src.app.logs import configure_logs
from src.app.wiring import Parts
from src.core.base.faults import Misconfigured
from src.core.base.settings import get_settings

OWNER_ONLY = 0o077  # whatever this process writes, DuckDB's log included, is its owner's alone
EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state


def begin() -> Parts:
    os.umask(OWNER_ONLY)
    settings = get_settings().checked()
    configure_logs(settings)
    parts = Parts(settings)
    parts.load()
    parts.claim_warehouse()
    parts.start_sandbox()
    return parts


def refuse(fault: Misconfigured) -> NoReturn:
    sys.stderr.write(f"{fault}\n")
    sys.stderr.flush()
    supervisor = multiprocessing.parent_process()
    if supervisor is not None and supervisor.pid and "--reload" not in sys.argv:
        os.kill(supervisor.pid, signal.SIGTERM)  # `uvicorn --workers` would start another like this one for ever
    raise SystemExit(EX_CONFIG) from None
