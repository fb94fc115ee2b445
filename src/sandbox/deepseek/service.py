"""What DeepSeek tells by its API: the models that there are, and what is left in an account's wallets."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from src.sandbox.deepseek.accounts import Currency
from src.sandbox.deepseek.keys import DeepseekKey, DeepseekKeys
from src.sandbox.deepseek.prices import FLASH, V4_PRO
from src.sandbox.deepseek.wallets import CENT, NOTHING, wallet
from src.sandbox.key_files import SLOW_SECONDS, WAIT_SECONDS, WEBPAGE

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
INVALID = "invalid_request_error"
Asked = Callable[[DeepseekKey, datetime], Mapping[str, Any]]


class DeepseekProblem(Exception):
    def __init__(self, status: int, message: str, kind: str, code: str = INVALID, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}


class DeepseekService:
    def __init__(self, keys: DeepseekKeys, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    @property
    def app(self) -> ASGIApp:
        asked: Mapping[str, Asked] = {"/models": models, "/v1/models": models, "/user/balance": balance}
        routes = [Route(path, self._answering(one), methods=METHODS) for path, one in asked.items()]
        return Router(routes, redirect_slashes=False, default=_unknown)

    def _answering(self, asked: Asked) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                key = self._admitted(request)
            except DeepseekProblem as problem:
                return _refusal(problem)
            if key.mood == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            if key.mood == "webpage":
                return HTMLResponse(WEBPAGE)
            told = json.dumps(asked(key, self._now()), separators=(",", ":")).encode()
            return Response(told[: len(told) // 2] if key.mood == "broken" else told, media_type="application/json")

        return answer

    def _admitted(self, request: Request) -> DeepseekKey:
        if request.method != "GET":
            raise DeepseekProblem(405, "Method Not Allowed", INVALID)
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        key = self._keys.of(text) if scheme.lower() == "bearer" else None
        if key is None or key.mood == "revoked":
            told = f"Authentication Fails, Your api key: ****{text[-4:]} is invalid"
            raise DeepseekProblem(401, told, "authentication_error")
        if key.mood in ("throttled", "busy"):
            after = {"retry-after": str(WAIT_SECONDS)} if key.mood == "throttled" else {}
            raise DeepseekProblem(429, "Rate limit reached", "rate_limit_error", "rate_limit_reached", after)
        if key.mood == "spent":
            raise DeepseekProblem(402, "Insufficient Balance", "unknown_error")
        if key.mood == "failing":
            raise DeepseekProblem(500, "Internal Server Error", "internal_error", "internal_error")
        if key.mood == "overloaded":
            raise DeepseekProblem(503, "Service is too busy", "service_unavailable_error", "service_unavailable")
        return key


def models(key: DeepseekKey, now: datetime) -> Mapping[str, Any]:  # noqa: ARG001 - the same for all
    return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "deepseek"} for name in (FLASH, V4_PRO)]}


def balance(key: DeepseekKey, now: datetime) -> Mapping[str, Any]:
    infos = [_told(key, currency, now) for currency in key.owner.currencies]
    return {"is_available": any(one["total_balance"] != f"{NOTHING:.2f}" for one in infos), "balance_infos": infos}


def _told(key: DeepseekKey, currency: Currency, now: datetime) -> Mapping[str, str]:
    known = wallet(key.owner, currency, now)
    granted, topped_up = (amount.quantize(CENT, ROUND_HALF_EVEN) for amount in (known.granted, known.topped_up))
    return {
        "currency": currency,
        "total_balance": f"{granted + topped_up:f}",
        "granted_balance": f"{granted:f}",
        "topped_up_balance": f"{topped_up:f}",
    }


def _refusal(problem: DeepseekProblem) -> Response:
    return Response(json.dumps(problem.body), problem.status, problem.headers, "application/json")


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    await _refusal(DeepseekProblem(404, "Not Found", INVALID))(scope, receive, send)
