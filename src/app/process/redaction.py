"""Keeps secrets out of log lines."""

from structlog.typing import EventDict, WrappedLogger

from src.core.base.redaction import MASK, redacted, redacted_member, redacted_text

__all__ = ["MASK", "redact", "redacted", "redacted_text", "shown_path"]

# Of what follows nothing is shown, and to look through all of a long address takes time that everybody waits.
LOOKED_THROUGH = 4096


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        # Numbers, and plain texts under a plain name, are nearly all there is.
        if type(value) is int or type(value) is float:
            continue
        event[name] = redacted_member(name, value)
    return event


def shown_path(path: str, longest: int) -> str:
    # redacted before it is cut to what is shown: half a key no longer looks like one
    return redacted_text(path[:LOOKED_THROUGH])[:longest]
