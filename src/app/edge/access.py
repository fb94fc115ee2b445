"""The access log. Every request writes a line, so its JSON is put together by hand: a fifth of what the general chain costs.

All that goes in is made or checked here (ids, templates, numbers, slugs), but for the method and the path of an unknown address: those are
escaped, and the path is redacted.
"""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time_ns

import structlog

from src.app.process.redaction import shown_path
from src.core.base.identity import Actor
from src.core.base.settings import Settings

LONGEST_PATH = 200
NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class AccessLine:
    method: str
    route: str
    status: int
    duration_ms: float
    request_id: str
    trace_id: str
    actor: Actor | None = None
    problem: str | None = None
    # Only where no route matched: elsewhere the template says enough, and a path may hold what nobody wants written down.
    path: str | None = None


class AccessLog:
    def __init__(self, settings: Settings) -> None:
        self._quiet = settings.log_level not in ("debug", "info")
        self._json = settings.json_logs
        self._always = ',"auth":"disabled"' if settings.disable_auth else ""
        self._second = 0
        self._stamp = ""
        self._log = structlog.get_logger("http")

    def write(self, access: AccessLine) -> None:
        if self._quiet:
            return
        if self._json:
            sys.stderr.write(self._line(access))
        else:
            self._event(access)

    def _line(self, access: AccessLine) -> str:
        line = (
            f'{{"timestamp":"{self._now()}","severity":"INFO","level":"info","event":"http.request","method":{json.dumps(access.method)}'
            f',"route":"{access.route}","status":{access.status},"duration_ms":{access.duration_ms:.2f}'
            f',"request_id":"{access.request_id}","trace_id":"{access.trace_id}"{self._always}'
        )
        if access.actor is not None:
            line += f',"actor":"{access.actor.kind}"'
            if access.actor.org_slug:
                line += f',"org":"{access.actor.org_slug}"'
        if access.problem is not None:
            line += f',"problem":"{access.problem}"'
        if access.path is not None:
            line += f',"path":{json.dumps(shown_path(access.path, LONGEST_PATH))}'
        return f"{line}}}\n"

    def _now(self) -> str:
        second, rest = divmod(time_ns(), NANOSECONDS)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{rest // 1000:06d}Z"

    def _event(self, access: AccessLine) -> None:
        facts: dict[str, object] = {
            "method": access.method,
            "route": access.route,
            "status": access.status,
            "duration_ms": round(access.duration_ms, 2),
            "actor": access.actor and access.actor.kind,
            "org": access.actor and access.actor.org_slug,
            "problem": access.problem,
            "path": access.path and shown_path(access.path, LONGEST_PATH),
        }
        self._log.info("http.request", **{name: value for name, value in facts.items() if value is not None})
