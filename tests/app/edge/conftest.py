"""A small real service with every part of the edge, reached through its ASGI interface."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import httpx2
import pytest
import structlog
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from src.app.answers import docs_pages
from src.app.dependencies.auth import Door
from src.app.dependencies.limits import Limiter
from src.app.edge import middleware, problems
from src.app.process.logs import configure_logs
from src.app.routers import health
from src.app.wiring import Parts
from src.core.base import faults
from src.core.base.identity import Actor
from src.core.base.names import OrgSlug
from src.core.base.settings import Settings

ORG_KEY = "acme_corp_api_" + "Ab12" * 4


class Item(BaseModel):
    name: str = Field(min_length=2)
    amount: int


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")
    org_slug: str
    items: list[Item] = []


router = APIRouter(prefix="/orgs")


@router.get("/{org}")
async def show(org: str, request: Request) -> dict[str, str]:
    request.state.actor = Actor("org", OrgSlug("acme_corp"))
    await request.app.state.door.limiter.admit(request.scope, "org", org)
    return {"org": org}


@router.post("/{org}")
async def take(org: str, order: Order, page: Annotated[int, Query(le=10)] = 1) -> Order:
    return order


@router.get("/fault/{name}")
async def fail(name: str) -> None:
    kind = getattr(faults, name)
    raise kind("what happened and its mend", flaws=[faults.Flaw("is wrong", "field", "a.yml", 7)], retry_after=1.2, org="acme", type="mine")


@router.get("/boom/now")
async def boom() -> None:
    raise ValueError(f"the inside: {ORG_KEY}")


@router.get("/boom/late")
async def boom_late() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError("too late")

    return StreamingResponse(pieces())


@router.get("/own/headers")
async def own_headers() -> Response:
    return Response(headers={"Cache-Control": "private", "Content-Security-Policy": "sandbox"})


@router.get("/state/all")
async def state(request: Request) -> dict[str, Any]:
    structlog.get_logger().info("route.ran")
    return {name: request.scope["state"][name] for name in ("request_id", "trace_id", "traceparent")}


@router.post("/guess/key")
async def guess(request: Request) -> None:
    limiter: Limiter = request.app.state.door.limiter
    await limiter.admit_anonymous(request.scope)
    raise faults.Unauthenticated("this key is unknown")


def build(checks: dict[str, Callable[[], None]] | None = None, **settings: object) -> FastAPI:
    known = Settings.model_validate({"log_format": "json", "embedded_data_dir": "/nowhere", **settings})
    app = FastAPI(
        title="Small", version="1.2.3", docs_url=None, redoc_url=None, openapi_url="/openapi.json" if known.enable_api_docs else None
    )
    app.state.door = Door(Parts(known), Limiter(known))
    app.state.checks = checks or {}
    problems.install(app)
    docs_pages.install(app, known)
    app.include_router(health.router)
    app.include_router(router, prefix="/api/v1")
    middleware.install(app, known)
    configure_logs(known)
    return app


def client(app: FastAPI, address: str = "203.0.113.7") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, client=(address, 1)), base_url="http://test")


@pytest.fixture(autouse=True)
def _fresh_context() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture
async def caller() -> AsyncIterator[httpx2.AsyncClient]:
    async with client(build()) as made:
        yield made


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
