"""Takes the secrets a run handles out of everything written down about it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, SecretBytes, SecretStr

from src.core.base.faults import Fault
from src.core.base.redaction import MASK, hidden, redacted_text
from src.core.base.secret import Secret

# Shorter texts are words; taking them out of every log line would leave nothing to read.
SHORTEST = 6
LONGEST_TEXT = 4_000
# a result that contains itself must not hold the run for ever
DEEPEST = 16


class Mask:
    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, value: object, depth: int = 0) -> None:
        """Remembers the text of every secret inside, so that it is found again where somebody wrote it into a sentence."""
        if depth > DEEPEST:
            return
        text = _revealed(value)
        if text is not None:
            self._known.update(form for form in _forms(text) if len(form) >= SHORTEST)
            return
        for inner in _inside(value):
            self.learn(inner, depth + 1)

    def text(self, text: str) -> str:
        # the longest first: of one that begins like another the rest would be left standing
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, MASK)
        text = redacted_text(text)
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... ({len(text)} characters)"

    def fault(self, fault: Fault) -> Fault:
        """The same fault, its sentences masked: it travels on to the caller."""
        fault.detail = self.text(fault.detail)
        fault.args = (fault.detail,)
        fault.flaws = tuple(replace(flaw, message=self.text(flaw.message)) for flaw in fault.flaws)
        fault.facts = {name: self.text(fact) if isinstance(fact, str) else fact for name, fact in fault.facts.items()}
        return fault

    def plain(self, value: object, depth: int = 0) -> Any:
        """The value as JSON can hold it, with every secret masked."""
        if _revealed(value) is not None:
            return MASK
        if depth <= DEEPEST and (isinstance(value, Mapping) or _is_record(value)):
            pairs = value.items() if isinstance(value, Mapping) else _attributes(value).items()
            return {self.text(str(key)): self._of_key(str(key), inner, depth + 1) for key, inner in pairs}
        if depth <= DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self.plain(inner, depth + 1) for inner in value]
        return self._scalar(value)

    def _of_key(self, key: str, value: object, depth: int) -> Any:
        return MASK if hidden(key, value) else self.plain(value, depth)

    def _scalar(self, value: object) -> str | int | float | None:
        if isinstance(value, Enum):
            return self._scalar(value.value)
        if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
            return value
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, str | float | Decimal | PurePath | timedelta):
            return self.text(str(value))
        # anything else may print what it holds
        return f"<{type(value).__name__}>"


def _revealed(value: object) -> str | None:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, SecretBytes):
        return value.get_secret_value().decode("utf-8", "replace")
    return None


def _forms(text: str) -> Iterable[str]:
    # others quote a secret as JSON or a URL writes it, and a key file by its lines
    return {text, text.strip(), json.dumps(text)[1:-1], quote(text, safe=""), *(line.strip() for line in text.splitlines())}


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset):
        return value
    return _attributes(value).values() if _is_record(value) else ()


def _is_record(value: object) -> bool:
    return isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type))


def _attributes(value: object) -> dict[str, object]:
    if isinstance(value, BaseModel):
        return dict(value)
    return {field.name: getattr(value, field.name) for field in fields(value)} if is_dataclass(value) else {}
