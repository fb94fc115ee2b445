"""A worker of its own: takes runs off the queue and serves no API."""

import asyncio
import signal
import threading

import uvicorn
from fastapi import FastAPI

from src.app.process.serving import end_after, hold, seconds_to_stop
from src.app.process.starting import begin, refuse
from src.app.service import create_worker
from src.core.base.faults import Fault, Misconfigured
from src.core.base.settings import Settings, get_settings, use_settings
from src.core.engine import EMBEDDED
from src.core.ledger.store import UNPOLLED


def work(host: str, port: int | None) -> None:
    """Until the process is told to stop. With a port, health and numbers are served there, for platforms that ask for one."""
    try:
        use_settings(_for_work(get_settings()))
        parts = begin()
        hold(parts.settings)
        app = create_worker(parts.settings, parts)
    except Fault as fault:
        refuse(fault)
    if port is None:
        asyncio.run(_until_told(app, seconds_to_stop(parts.settings)))
    else:
        uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, server_header=False)


def _for_work(settings: Settings) -> Settings:
    if settings.warehouse_engine == EMBEDDED:
        raise Misconfigured(
            "WAREHOUSE=duckdb belongs to one process, and the one that serves the API works on runs itself; "
            "a worker of its own needs WAREHOUSE=bigquery"
        )
    if settings.ledger_engine == UNPOLLED:
        raise Misconfigured(
            "a worker looks for runs again and again, and each look at a BigQuery ledger is a job; there the API works on runs when "
            "POST /api/v1/scheduler/process-queue is called, and a worker of its own needs LEDGER_URL=postgresql+psycopg://..."
        )
    return settings.model_copy(update={"worker_enabled": True})


async def _until_told(app: FastAPI, seconds: float) -> None:
    stopping = asyncio.Event()
    # without a port there is no server here that would hear of them
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with app.router.lifespan_context(app):
        await stopping.wait()
        threading.Thread(target=end_after, args=(seconds,), name="stop", daemon=True).start()
