"""A Slack that takes incoming webhooks, receivers of signed webhooks, and a page of what arrived."""

import asyncio
import html
import json
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from src.sandbox.key_files import SLOW_SECONDS, WAIT_SECONDS, WEBPAGE
from src.sandbox.receivers.arrivals import BEHAVIOURS, Arrival, Arrivals, Manner, ReceiverKind

PATHS: Final = ("inbox", "slack", "hooks", "receivers")
# of Slack's own reference of blocks
MOST_BLOCKS, LONGEST_SECTION, LONGEST_HEADER = 50, 3000, 150
SLACK_REFUSALS: Final = {
    "refused": (403, "action_prohibited"),
    "later": (500, "rollup_error"),
    "failing": (500, "rollup_error"),
    "gone": (404, "no_service"),
    "throttled": (429, "rate_limited"),
}
HOOK_REFUSALS: Final = {
    "refused": (400, "no such event here"),
    "later": (503, "try again later"),
    "failing": (500, "it broke"),
    "gone": (410, "gone"),
    "throttled": (429, "slow down"),
}
# what a mail holds is shown as its reader would see it, and can do nothing
LOCKED: Final = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}


class HttpSinks:
    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self.app = Starlette(
            routes=[
                Route("/slack/{name:path}", self._slack, methods=["POST"]),
                Route("/hooks/{name:path}", self._hook, methods=["POST"]),
                Route("/receivers/{kind}/{name:path}", self._behave, methods=["PUT"]),
                Route("/inbox", self._inbox),
                Route("/inbox/{number:int}", self._one),
            ]
        )

    async def _slack(self, request: Request) -> Response:
        name = request.path_params["name"]
        refusal = await self._refusal("slack", name, SLACK_REFUSALS)
        if refusal is not None:
            return refusal
        body = await request.body()
        flaw, said = slack_flaw(body)
        if flaw:
            return PlainTextResponse(flaw, status_code=400)
        number = f"slack-{self._arrivals.count + 1}"
        self._arrivals.keep(
            "slack", [name], number, subject=html.unescape(said["text"]), plain=slack_words(said), body=said, raw=body.decode()
        )
        return PlainTextResponse("ok")

    async def _hook(self, request: Request) -> Response:
        name = request.path_params["name"]
        refusal = await self._refusal("hooks", name, HOOK_REFUSALS)
        if refusal is not None:
            return refusal
        body, headers = await request.body(), dict(request.headers)
        verified = verified_by(self._arrivals.manner("hooks", name), body, headers)
        if verified is False:
            return PlainTextResponse("the signature does not fit", status_code=401)
        said = json.loads(body)
        signs = {key: value for key, value in headers.items() if key.startswith("webhook-") or key in ("content-type", "user-agent")}
        self._arrivals.keep(
            "hooks",
            [name],
            headers.get("webhook-id", ""),
            subject=str(said.get("type")),
            plain=json.dumps(said, indent=2, ensure_ascii=False),
            headers=signs,
            body=said,
            raw=body.decode(),
            verified=verified,
        )
        return Response(status_code=204)

    async def _refusal(self, kind: ReceiverKind, name: str, refusals: Mapping[str, tuple[int, str]]) -> Response | None:
        does = self._arrivals.manner(kind, name).does
        if does == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if does == "webpage":
            return HTMLResponse(WEBPAGE)
        if does == "echo":
            return PlainTextResponse(f"no route for /{kind}/{name}", status_code=400)
        if does == "redirect":
            return Response(status_code=307, headers={"Location": f"/{kind}/elsewhere"})
        if does in refusals:
            status, said = refusals[does]
            return PlainTextResponse(said, status_code=status, headers={"Retry-After": str(WAIT_SECONDS)} if does == "throttled" else {})
        return None

    async def _behave(self, request: Request) -> Response:
        kind, name = request.path_params["kind"], request.path_params["name"]
        told = await request.json()
        does, secrets = told.get("does", "well"), told.get("secrets", [])
        if kind not in get_args(ReceiverKind) or does not in BEHAVIOURS:
            kinds = ", ".join(get_args(ReceiverKind))
            return JSONResponse(
                {"error": f"PUT /receivers/{{kind}}/{{name}} with a kind of {kinds} and does of {', '.join(BEHAVIOURS)}"}, 400
            )
        self._arrivals.behave(cast("ReceiverKind", kind), name, Manner(does, tuple(secrets)))
        return Response(status_code=204)

    async def _inbox(self, request: Request) -> Response:
        arrived = self._arrivals.all()
        if "text/html" not in request.headers.get("accept", ""):
            listed = [as_json(one) for one in arrived]
            return JSONResponse({"count": self._arrivals.count, "distinct": self._arrivals.distinct, "arrived": listed})
        return HTMLResponse(page(arrived), headers=LOCKED)

    async def _one(self, request: Request) -> Response:
        number = request.path_params["number"]
        found = next((one for one in self._arrivals.all() if one.number == number), None)
        if found is None:
            return JSONResponse({"error": f"nothing arrived as number {number}, or it is kept no more"}, 404)
        return HTMLResponse(found.html or f"<pre>{html.escape(found.plain)}</pre>", headers=LOCKED)


def slack_flaw(body: bytes) -> tuple[str | None, dict[str, Any]]:
    """As Slack refuses a message."""
    try:
        said = json.loads(body)
    except ValueError:
        return "invalid_payload", {}
    if not isinstance(said, dict) or not (isinstance(said.get("text"), str) and said["text"]):
        return "no_text", {}
    blocks = said.get("blocks", [])
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS or not all(_fits(block) for block in blocks):
        return "invalid_blocks", {}
    return None, said


def _fits(block: Mapping[str, Any]) -> bool:
    if block.get("type") == "divider":
        return True
    texts = block["elements"] if block.get("type") == "context" else [block.get("text", {})]
    longest = LONGEST_HEADER if block.get("type") == "header" else LONGEST_SECTION
    return block.get("type") in ("header", "section", "context") and all(
        text.get("type") in ("plain_text", "mrkdwn") and 0 < len(text.get("text", "")) <= longest for text in texts
    )


def slack_words(said: Mapping[str, Any]) -> str:
    """As a reader sees them."""
    texts = [text for block in said.get("blocks", []) for text in block.get("elements", [block.get("text")]) if text]
    return "\n\n".join(html.unescape(text["text"]) for text in texts) or html.unescape(said["text"])


def verified_by(manner: Manner, body: bytes, headers: dict[str, str]) -> bool | None:
    """By the convention's own library; a receiver that changes its secret knows both."""
    if not manner.secrets:
        return None
    for secret in manner.secrets:
        try:
            Webhook(secret).verify(body, headers)
        except WebhookVerificationError:
            continue
        return True
    return False


def as_json(one: Arrival) -> dict[str, Any]:
    return {
        "number": one.number,
        "kind": one.kind,
        "at": one.at.isoformat(),
        "to": list(one.to),
        "id": one.message_id,
        "subject": one.subject,
        "plain": one.plain,
        "html": one.html,
        "headers": dict(one.headers),
        "body": one.body,
        "raw": one.raw,
        "verified": one.verified,
    }


def page(arrived: tuple[Arrival, ...]) -> str:
    rows = "".join(
        f"<tr><td>{one.number}</td><td>{one.at:%Y-%m-%d %H:%M:%S}</td><td>{one.kind}</td><td>{html.escape(', '.join(one.to))}</td>"
        f'<td><a href="/inbox/{one.number}">{html.escape(one.subject)}</a></td><td>{_signature(one)}</td></tr>'
        for one in reversed(arrived)
    )
    head = "<tr><th>No</th><th>At</th><th>Kind</th><th>To</th><th>What</th><th>Signature</th></tr>"
    style = "body{font:15px/1.5 sans-serif;margin:24px}td,th{padding:4px 12px 4px 0;text-align:left;border-bottom:1px solid #ddd}"
    return f"<!doctype html><title>Inbox of the sandbox</title><style>{style}</style><h1>Inbox</h1><table>{head}{rows}</table>"


def _signature(one: Arrival) -> str:
    return {True: "fits", False: "does not fit", None: ""}[one.verified]
