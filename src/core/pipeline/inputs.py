"""What a caller gave, held against what the document asks for."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

from pydantic import SecretStr

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean
from src.core.base.secret import Secret
from src.core.pipeline.document import Input, InputType

LONGEST_TEXT = 100_000
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SHAPES: Mapping[InputType, str] = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date like 2026-11-20",
    "object": "an object",
}


def accept(asked: Mapping[str, Input], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every asked name with its value, defaults filled in, None for what was left out; or all that is wrong at once."""
    flaws = [_unknown(name, asked) for name in given if name not in asked]
    taken: dict[str, Any] = {}
    for name, spec in asked.items():
        value = given.get(name)
        if value is None:
            value = spec.default
        if value is None:
            taken[name] = None
            if spec.needed:
                flaws.append(Flaw("is needed", field=name))
            continue
        taken[name] = _read(spec, value)
        wrong = input_flaw(spec, value)
        if wrong:
            flaws.append(Flaw(wrong, field=name))
    if flaws:
        raise Rejected(f"the inputs do not fit: {flaws[0].field} {flaws[0].message}", flaws=flaws)
    return taken


def handed_on(asked: Mapping[str, Input], given: Mapping[str, Any], unsaid: Mapping[str, Any], taker: str) -> dict[str, Any]:
    """Of what a route has for every document what this one asks for. `unsaid` is what the route has where its caller said nothing."""
    flaws = [Flaw(f"is not taken: {taker} has none", field=name) for name in given if name not in asked and given[name] != unsaid.get(name)]
    if flaws:
        raise Rejected(f"{taker} takes no {' and no '.join(str(flaw.field) for flaw in flaws)}; leave that out", flaws=flaws)
    return {name: value for name, value in given.items() if name in asked}


def input_flaw(spec: Input, value: object) -> str | None:
    if not _is(spec.type, value):
        return f"must be {SHAPES[spec.type]}"
    text = _plain(value)
    if isinstance(text, str) and spec.type == "string":
        if len(text) > (spec.max_length or LONGEST_TEXT):
            return f"is longer than {spec.max_length or LONGEST_TEXT} characters"
        if spec.pattern is not None and not re.fullmatch(spec.pattern, text):
            return f"does not match {spec.pattern}"
    if isinstance(text, int | float) and not _within(spec, text):
        return f"must be between {'any' if spec.minimum is None else spec.minimum} and {'any' if spec.maximum is None else spec.maximum}"
    if spec.enum is not None and _read(spec, text) not in [_read(spec, one) for one in spec.enum]:
        return f"must be one of {', '.join(str(one) for one in spec.enum)}"
    return None


def _within(spec: Input, value: float) -> bool:
    return (spec.minimum is None or value >= spec.minimum) and (spec.maximum is None or value <= spec.maximum)


def _is(kind: InputType, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(_plain(value), str)
        case "boolean":
            return isinstance(value, bool)
        # true and false are whole numbers to Python
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        case "date":
            return _day(value) is not None
        case "object":
            return isinstance(value, Mapping)


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value


def _read(spec: Input, value: object) -> object:
    return _day(value) if spec.type == "date" else value


def _day(value: object) -> date | None:
    # a datetime is a date to Python, and would take its hour along
    if isinstance(value, datetime):
        return None
    if isinstance(value, date):
        return value
    # fromisoformat reads 20261120 and 2026-W47-5 as well
    if not isinstance(value, str) or not DAY.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _unknown(name: str, asked: Mapping[str, Input]) -> Flaw:
    known = f"; known here: {', '.join(asked)}" if asked else "; this pipeline takes none"
    return Flaw(f"is not an input{did_you_mean(name, asked) or known}", field=name[:90])
