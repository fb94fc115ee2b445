"""A request that does not fit its models, told field by field."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from src.app.models.organizations import UnfitBody
from src.app.process.redaction import redacted_text
from src.core.base.documents import keys_at
from src.core.base.faults import MOST_FLAWS, Flaw, first_flaws
from src.core.base.wording import key_itself, not_json, unknown, words

LONGEST_FIELD: Final = 200
BODY: Final = "body"


def flaws_of(wrong: RequestValidationError, request: Request) -> tuple[list[Flaw], int]:
    """The first, and how many more there are."""
    model = wrong.model if isinstance(wrong, UnfitBody) else _model_of(request)
    fields = model.model_fields if model is not None else {}
    whole = key_itself(wrong.body, fields)
    if whole is not None:
        return [whole], 0
    known = keys_at(model, ()) if model is not None else []
    closed = model is not None and model.model_config.get("extra") == "forbid"
    flaws, left_out = first_flaws(wrong.errors(), lambda error: _flaw(error, wrong.body, model))
    for part in (wrong.body if isinstance(wrong.body, list) else [wrong.body]) if closed else ():
        # of a request's unknown fields its model shows the validator no more than are told here
        left_out += max(0, sum(name not in known for name in part) - MOST_FLAWS) if isinstance(part, Mapping) else 0
    return flaws, left_out


def _flaw(error: Mapping[str, Any], body: object, model: type[BaseModel] | None) -> Flaw:
    where, *path = error["loc"]
    fields = model.model_fields if model is not None else {}
    kind = error["type"]
    if kind == "json_invalid":
        place = path[0] if path and isinstance(path[0], int) else 0
        return not_json(body, place, str(error.get("ctx", {}).get("error", "")))
    if where != BODY:
        path = [where, *path]
    message = words(error)
    if kind == "missing" and not path:
        message = f"is required; send a JSON object with {_needed(fields)}"
    elif kind == "missing" and len(path) == 1:
        message += _meaning(fields.get(str(path[0])))
    elif kind == "extra_forbidden":
        message = unknown(str(path[-1]), _names_at(model, path[:-1]))
    return Flaw(message, redacted_text(_dotted(path))[:LONGEST_FIELD] or BODY)


def _names_at(model: type[BaseModel] | None, path: Sequence[str | int]) -> Sequence[str]:
    """What a part of the body takes; of a list of bodies each is one."""
    if model is None:
        return ()
    return keys_at(model, tuple(path[1:] if path and isinstance(path[0], int) else path))


def _needed(fields: Mapping[str, FieldInfo]) -> str:
    needed = [f"{name}{_meaning(field)}" for name, field in fields.items() if field.is_required()]
    return "; ".join(needed) or ", ".join(fields)


def _meaning(field: FieldInfo | None) -> str:
    said = field.description if field is not None else None
    return f": {said[:1].lower()}{said[1:]}" if said else ""


def _model_of(request: Request) -> type[BaseModel] | None:
    """Of the body that this address takes."""
    body = getattr(request.scope.get("route"), "body_field", None)
    model = body.field_info.annotation if body is not None else None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
