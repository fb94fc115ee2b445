"""What FastAPI does not know of this API: its keys, and that every refusal is a problem document."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI

from src.app.dependencies.auth import SCHEMES, USER_ID_HEADER, USER_ID_LENGTH
from src.app.process.refusals import MEDIA_TYPE

TEXT = {"type": "string"}
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457; `detail` says what to do",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {**TEXT, "description": "Where the reference tells of the code, which is what stands after the #"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "instance": TEXT,
        "request_id": {"type": ["string", "null"], "description": "Quote it when you ask about this answer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {"field": TEXT, "message": TEXT, "file": TEXT, "line": {"type": "integer"}, "column": {"type": "integer"}},
            },
        },
        "errors_left_out": {"type": "integer", "description": "How many more mistakes there are than `errors` tells of"},
    },
}
REFUSED: Mapping[str, Any] = {
    "description": "Refused or failed",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


USER_ID: Mapping[str, Any] = {
    "name": USER_ID_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": USER_ID_LENGTH},
    "description": "The acting person, for the audit trail; recorded, never trusted",
}


def install(app: FastAPI) -> None:
    describe = app.openapi

    # FastAPI keeps its document and gives out the same one: changed again at each call, it would name each parameter twice
    @cache
    def described() -> dict[str, Any]:
        document = describe()
        components = document.setdefault("components", {})
        components["securitySchemes"] = SCHEMES
        schemas = components.setdefault("schemas", {})
        schemas["Problem"] = PROBLEM
        # every refusal is a problem document, so FastAPI's own form of a 422 is never sent
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for operations in document["paths"].values():
            for operation in operations.values():
                if operation["x-access"] != "anyone":
                    operation.setdefault("parameters", []).append(USER_ID)
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = REFUSED
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way of extending its document
