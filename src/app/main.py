"""`uvicorn src.app.main:app` serves this."""

from fastapi import FastAPI

from src.app.process.serving import hold
from src.app.process.starting import begin, refuse
from src.app.service import create_app
from src.core.base.faults import Fault


def start() -> FastAPI:
    try:
        parts = begin()
        hold(parts.settings)
        return create_app(parts.settings, parts)
    except Fault as fault:
        refuse(fault)


app = start()
