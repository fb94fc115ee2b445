"""Events with their context, one line each, on standard error: standard output belongs to what a command answers."""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from src.app.process.redaction import redact
from src.app.process.repeats import Repeats
from src.core.base.settings import Settings

FOREIGN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
# What Cloud Logging reads; its names are the levels in capitals, and warn is written out.
SEVERITY = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "critical": "CRITICAL", "exception": "ERROR"}

# These consist of lines; every other text is one.
LINES = frozenset({"exception", "stack"})
BEYOND_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029]")

# What every line of a request carries. One variable: structlog's own, one for each name, cost four times as much.
REQUEST: ContextVar[Mapping[str, str]] = ContextVar("REQUEST", default=MappingProxyType({}))


def configure_logs(settings: Settings, repeats: Repeats | None = None) -> None:
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    repeats = repeats or Repeats()
    shared = _shared(json_lines=settings.json_logs)
    if settings.disable_auth:
        shared.insert(0, _auth_disabled)
    render = _rendered(json_lines=settings.json_logs)
    structlog.configure(
        processors=[repeats.of_event, *shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_writer,
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(level, shared, render, repeats)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is now, not to what it was at the start: tests and daemons replace it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # the parent keeps the stream it was given
        return sys.stderr


def _of_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in REQUEST.get().items():
        event.setdefault(name, value)
    return event


def _auth_disabled(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["auth"] = "disabled"
    return event


def _writer(*_: object) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)


def _shared(*, json_lines: bool) -> list[Processor]:
    chain: list[Processor] = [
        _of_request,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        # after exceptions have become text, for a key may stand in a traceback
        redact,
    ]
    if json_lines:
        chain.append(_severity)
    return chain


def _severity(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["severity"] = SEVERITY.get(event["level"], "DEFAULT")
    return event


def _rendered(*, json_lines: bool) -> list[Processor]:
    if json_lines:
        return [structlog.processors.JSONRenderer(serializer=_serializer())]
    return [_harmless, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]


def _harmless(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A terminal obeys control characters, and callers choose what stands in a path: it could clear the screen, or write a line of ours."""
    for name, value in event.items():
        # of other kinds than text the renderer writes the `repr`, which escapes
        if isinstance(value, str) and not value.isprintable():
            kept = "\n\t" if name in LINES else ""
            event[name] = "".join(letter if letter.isprintable() or letter in kept else _escaped(letter) for letter in value)
    return event


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _serializer() -> Callable[..., str]:
    # Redaction has turned everything into plain data, so one encoder made beforehand serves every line.
    encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

    def serialize(event: EventDict, **_: Any) -> str:
        line = encode(event)
        # JSON leaves these as they are, and a terminal that shows the line obeys them
        return BEYOND_JSON.sub(_as_json, line) if BEYOND_JSON.search(line) else line

    return serialize


def _as_json(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _route_standard_logging(level: int, shared: list[Processor], render: list[Processor], repeats: Repeats) -> None:
    handler = _StandardError()
    handler.addFilter(repeats.of_record)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(["left_out"]), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, *render],
        )
    )
    root = logging.getLogger()
    # set up a second time, each line would be written twice
    for old in [known for known in root.handlers if isinstance(known.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    for name in FOREIGN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(level)
    # `http.request` is the access log; uvicorn skips its own when its logger has no handler to go to.
    access = logging.getLogger("uvicorn.access")
    access.handlers = []
    access.propagate = False
