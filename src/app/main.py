"""`uvicorn src.app.main:app` serves this."""

import sys

from fastapi import FastAPI

from src.app.logs import configure_logs
from src.app.service import create_app
from src.core.base.faults import Misconfigured
from src.core.base.settings import get_settings

EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state


def start() -> FastAPI:
    try:
        settings = get_settings().checked()
        configure_logs(settings)
        return create_app(settings)
    except Misconfigured as fault:
        sys.stderr.write(f"{fault}\n")
        raise SystemExit(EX_CONFIG) from None


app = start()
