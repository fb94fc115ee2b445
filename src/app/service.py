"""Builds the HTTP service from settings."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.routing import BaseRoute

from src.app.answers import docs_pages, openapi, problem_page
from src.app.answers.sse import Watchers
from src.app.answers.tables import downloads
from src.app.dependencies.auth import Door
from src.app.dependencies.limits import Limiter
from src.app.edge import middleware, problems
from src.app.edge.connections import Connections
from src.app.edge.provider_calls import ProviderCalls
from src.app.edge.trial_places import trial_places
from src.app.routers import (
    admin,
    audit,
    backfills,
    channels,
    costs,
    entrance,
    health,
    imports,
    integrations,
    llm_data,
    model_costs,
    notifications,
    organizations,
    pipelines,
    reconciliation,
    requeue,
    retention,
    scheduler,
    statement,
    subscriptions,
    tenants,
    used_since,
    webhooks,
)
from src.app.version import VERSION
from src.app.wiring import Parts
from src.core.base.faults import Misconfigured
from src.core.base.settings import Settings
from src.core.base.turns import Turns
from src.core.step.losses import lost_ledger

ONBOARDINGS: Final = 8

log = structlog.get_logger("app")


def create_app(settings: Settings, parts: Parts | None = None) -> FastAPI:
    # Their routes rather than the routers: an included router is searched twice, and each of its routes costs more to pass.
    # Matching goes down this list, so what is called most stands first.
    return _app(
        settings,
        parts or Parts(settings.checked()),
        [
            *organizations.router.routes,
            *pipelines.router.routes,
            *imports.router.routes,
            *subscriptions.router.routes,
            *costs.router.routes,
            *model_costs.router.routes,
            *reconciliation.router.routes,
            *statement.router.routes,
            *used_since.router.routes,
            *integrations.router.routes,
            *llm_data.router.routes,
            *admin.router.routes,
            *audit.router.routes,
            *scheduler.router.routes,
            *retention.router.routes,
            *requeue.router.routes,
            *backfills.router.routes,
            *channels.router.routes,
            *webhooks.router.routes,
            *notifications.router.routes,
            *tenants.router.routes,
            *health.router.routes,
            *entrance.router.routes,
        ],
    )


def create_worker(settings: Settings, parts: Parts) -> FastAPI:
    """What a worker of its own answers: whether it lives, and its numbers."""
    return _app(settings.model_copy(update={"enable_api_docs": False}), parts, list(health.router.routes))


def _app(settings: Settings, parts: Parts, routes: list[BaseRoute]) -> FastAPI:
    app = FastAPI(
        title="Convergence Data Pipeline",
        version=VERSION,
        description="What an organisation pays for clouds and language models, to the cent.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.enable_api_docs else None,
        lifespan=_lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the edge does all three, at a fifth of the cost
    )
    app.state.door = Door(parts, Limiter(settings))
    app.state.checks = readiness_checks(parts)
    app.state.watchers = Watchers()
    app.state.downloads = downloads()
    app.state.provider_calls = ProviderCalls(settings.provider_call_threads)
    app.state.book_turns = Turns()
    app.state.trial_places = trial_places()
    app.state.connections = Connections()
    # in the order they came, as many at once as leave half of the open datasets to others
    app.state.onboarding_turns = asyncio.Semaphore(max(1, min(ONBOARDINGS, settings.duckdb_max_open // 2)))
    problems.install(app)
    app.router.routes[:0] = routes
    openapi.install(app)
    docs_pages.install(app, settings)
    problem_page.install(app)
    middleware.install(app, settings)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.door.parts
    settings = parts.settings
    for warning in settings.warnings():
        log.warning("settings.warning", setting=warning.field, message=warning.message)
    if settings.disable_auth:
        log.warning("auth.disabled", message="every request is let through; for development only")
    log.info(
        "service.started",
        environment=settings.environment.value,
        warehouse=settings.warehouse_engine,
        pipelines=len(parts.catalog.entries),
    )
    # before the freeze, which would else keep the garbage of the start for good
    gc.collect()
    gc.freeze()  # what is alive now lives until the end; looking through it again and again costs requests their time
    if settings.worker_enabled:
        await parts.worker.start()
    if parts.keeps_time:
        await parts.timekeeper.start()
    if parts.ledger.traits.polled:
        await parts.courier.start()
    async with _told_to_stop(app):
        yield
    await app.state.door.keys.settle()
    parts.close()
    log.info("service.stopped")


@asynccontextmanager
async def _told_to_stop(app: FastAPI) -> AsyncIterator[None]:
    """The server ends the lifespan only when every caller has gone; what must not wait for callers begins with the signal."""
    parts: Parts = app.state.door.parts
    watchers: Watchers = app.state.watchers
    connections: Connections = app.state.connections
    connections.find()
    with watchers.told_of_stop():
        working = asyncio.create_task(_work_until(watchers.stopping, parts))
        cutting = asyncio.create_task(connections.cut_all(watchers.stopping))
        yield
    # a lifespan may end without a signal, and the worker has to be told all the same
    watchers.stopping.set()
    # here every caller has gone, so there is nobody left to cut off
    cutting.cancel()
    await working


async def _work_until(stopping: asyncio.Event, parts: Parts) -> None:
    await stopping.wait()
    # first: what it would queue now nobody here would work on
    if parts.keeps_time:
        await parts.timekeeper.stop()
    if parts.settings.worker_enabled:
        await parts.worker.stop()
        log.info("worker.stopped")
    # last: what the worker's last runs came to is told of, if it takes no time
    await parts.courier.stop()


def readiness_checks(parts: Parts) -> dict[str, Callable[[], None]]:
    return {
        "ledger": parts.ledger.check,
        "bootstrap": partial(_bootstrapped, parts),
        "vault": parts.vault.check,
        "warehouse": parts.check_warehouse,
        "stored": parts.check_stored,
    }


def _bootstrapped(parts: Parts) -> None:
    missing = parts.ledger.missing()
    # that one was bootstrapped and is lost is told by `stored`
    if missing and not lost_ledger(parts.settings, missing):
        raise Misconfigured(f"not bootstrapped ({len(missing)} tables or views missing): POST /api/v1/admin/bootstrap with the root key")
