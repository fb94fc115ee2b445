"""How a process of the service begins: settings checked, logs set up, parts ready; or a refusal that says what to mend."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import structlog

from src.app.process.logs import configure_logs
from src.app.wiring import Parts
from src.core.base.faults import Fault
from src.core.base.settings import get_settings
from src.core.step.losses import told

log = structlog.get_logger("app")

OWNER_ONLY = 0o077  # whatever this process writes, DuckDB's log included, is its owner's alone
LOST_NAMED = 100
EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state


def begin() -> Parts:
    # before all else: a file keeps the rights it was made with
    os.umask(OWNER_ONLY)
    settings = get_settings().checked()
    configure_logs(settings)
    parts = Parts(settings)
    parts.load()
    # before the sandbox: a second process that is refused here has started nothing yet
    parts.claim_warehouse()
    parts.start_sandbox()
    outages = {name: look(check) for name, check in {"ledger": parts.ledger.check, "vault": parts.vault.check}.items()}
    for name, outage in outages.items():
        if outage is not None:
            log.warning("start.unavailable", part=name, message=outage.detail)
    if not any(outages.values()):
        tell_losses(parts)
    return parts


def tell_losses(parts: Parts) -> None:
    """What is lost refuses no start: whoever has lost nothing is served."""
    lost = parts.losses()
    if lost:
        log.warning("start.lost", lost=list(lost)[:LOST_NAMED], count=len(lost), message=told(lost).detail)


def look(check: Callable[[], None]) -> Fault | None:
    """An outage of what lies elsewhere passes, and readiness tells of it; what must be mended refuses the start."""
    try:
        check()
    except Fault as fault:
        if not fault.retry:
            raise
        return fault
    return None


def refuse(fault: Fault) -> NoReturn:
    sys.stderr.write(f"{fault}\n")
    sys.stderr.flush()
    supervisor = multiprocessing.parent_process()
    # the supervisor of --reload waits for the next change of a file, and must live to see this mended
    if supervisor is not None and supervisor.pid and "--reload" not in sys.argv:
        os.kill(supervisor.pid, signal.SIGTERM)  # `uvicorn --workers` would start another like this one for ever
    raise SystemExit(EX_CONFIG) from None
