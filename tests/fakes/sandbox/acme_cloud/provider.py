from collections.abc import Mapping
from datetime import date
from pathlib import Path
from threading import Event

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from src.core.base.clock import Clock


class AcmeCloud:
    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = 1) -> None:
        self._folder, self._clock, self._today, self._rows = folder, clock, today, rows_per_hour
        self.prepared = False
        self.preparing_more = Event()

    @property
    def app(self) -> ASGIApp:
        return Starlette(routes=[Route("/usage", self._usage)])

    def endpoints(self, base: str) -> Mapping[str, str]:
        return {"acme_cloud.api": base}

    def prepare(self) -> None:
        self.prepared = True

    def prepare_more(self, stopping: Event) -> None:
        self.preparing_more.set()
        stopping.wait()

    async def _usage(self, request: Request) -> JSONResponse:
        return JSONResponse({"key": request.headers.get("x-api-key"), "rows": self._rows, "today": str(self._today)})
