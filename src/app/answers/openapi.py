"""What FastAPI does not know of this API: its keys, its words and examples, and that every refusal is a problem document."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from src.app.answers.api_words import ApiWords, OperationWords
from src.app.dependencies import once
from src.app.dependencies.auth import SCHEMES, USER_ID_HEADER, USER_ID_LENGTH
from src.app.edge.problems import Problem, problem_body
from src.app.models.llm_data import LISTED
from src.app.process.codes import every_code
from src.app.process.refusals import MEDIA_TYPE

TEXT: Final = {"type": "string"}
PROBLEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "RFC 9457; `detail` says what to do",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {**TEXT, "description": "Where the reference tells of the code, which is what stands after the #"},
        "title": {**TEXT, "description": "The kind of problem in words"},
        "status": {"type": "integer", "description": "The answer's status"},
        "detail": {**TEXT, "description": "What is wrong, and what to do"},
        "instance": {**TEXT, "description": "The path that was called"},
        "request_id": {"type": ["string", "null"], "description": "Quote it when you ask about this answer"},
        "errors": {
            "type": "array",
            "description": "Each mistake of a request that has several",
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "field": {**TEXT, "description": "Where it is in the request"},
                    "message": {**TEXT, "description": "What is wrong there, and what to do"},
                    "file": {**TEXT, "description": "File it is in"},
                    "line": {"type": "integer", "description": "Line it is on"},
                    "column": {"type": "integer", "description": "Column it begins at"},
                },
            },
        },
        "errors_left_out": {"type": "integer", "description": "How many more mistakes there are than `errors` tells of"},
    },
}
PROBLEM_SCHEMA: Final = {"$ref": "#/components/schemas/Problem"}
REFUSED: Final[Mapping[str, Any]] = {"description": "Refused or failed", "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}}
USER_ID: Final[Mapping[str, Any]] = {
    "name": USER_ID_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": USER_ID_LENGTH},
    "description": "The acting person, for the audit trail; recorded, never trusted",
}
IF_NONE_MATCH: Final[Mapping[str, Any]] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 1000},
    "description": "The ETag of the answer that is there already; where it still says the same, this one is 304",
}
NOT_MODIFIED: Final[Mapping[str, Any]] = {"description": "The answer that `If-None-Match` names still says the same"}
ETAG: Final[Mapping[str, Any]] = {"description": "Names what the answer says, whether packed or not", "schema": TEXT}
OF_KEYS: Final = ("unauthenticated", "not-yours", "throttled", "unavailable")
OF_NAMED: Final = ("missing",)
OF_REPEATS: Final = ("conflict",)
OF_QUESTIONS: Final = ("rejected",)
OF_BODIES: Final = ("rejected", "too-large")
OF_FORMS: Final = ("not-acceptable",)
EXAMPLE_ID: Final = "01a22d8d4f97cd1296f6e4f9aa43d80f"

Operation = dict[str, Any]


def install(app: FastAPI) -> None:
    describe = app.openapi

    # FastAPI keeps its document and gives out the same one: changed again at each call, it would name each parameter twice
    @cache
    def described() -> dict[str, Any]:
        document = describe()
        _Describing(ApiWords.read(), _names(app)).fill(document)
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way of extending its document


def _names(app: FastAPI) -> Mapping[tuple[str, str], str]:
    routes = (route for route in app.router.routes if isinstance(route, APIRoute))
    return {(route.path_format, method.lower()): route.name for route in routes for method in route.methods or ()}


class _Describing:
    def __init__(self, words: ApiWords, names: Mapping[tuple[str, str], str]) -> None:
        self._words = words
        self._names = names
        self._codes = {code.name: code for code in every_code()}

    def fill(self, document: dict[str, Any]) -> None:
        components = document.setdefault("components", {})
        components["securitySchemes"] = SCHEMES
        schemas = components.setdefault("schemas", {})
        schemas |= {model.__name__: model.model_json_schema() for model in LISTED}
        # every refusal is a problem document, so FastAPI's own form of a 422 is never sent
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for schema in schemas.values():
            self._describe_fields(schema)
        schemas["Problem"] = PROBLEM
        components["examples"] = {code: {"value": self._problem(code)} for code in self._words.problems}
        used: set[str] = set()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                self._describe(operation, self._names[path, method])
                used |= set(operation["tags"])
        document["tags"] = [{"name": tag, "description": text} for tag, text in self._words.tags.items() if tag in used]

    def _describe(self, operation: Operation, name: str) -> None:
        operation["operationId"] = name
        words = self._words.operations.get(name, OperationWords(""))
        operation["description"] = words.says
        parameters = operation.setdefault("parameters", [])
        if operation["x-access"] != "anyone":
            parameters.append(USER_ID)
        if "x-conditional" in operation:
            parameters.append(IF_NONE_MATCH)
            operation["responses"]["304"] = NOT_MODIFIED
            operation["responses"]["200"]["headers"] = {"ETag": ETAG}
        for parameter in parameters:
            if "description" not in parameter and parameter["name"] in self._words.fields:
                parameter["description"] = self._words.fields[parameter["name"]]
        self._show_examples(operation, words)
        operation["responses"].pop("422", None)
        for status, codes in sorted(self._problems(operation, words).items()):
            examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
            said = "; ".join(self._codes[code].title for code in codes)
            operation["responses"][str(status)] = {
                "description": said,
                "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA, "examples": examples}},
            }
        operation["responses"]["default"] = REFUSED

    def _problems(self, operation: Operation, words: OperationWords) -> Mapping[int, list[str]]:
        codes = [*words.problems]
        names = {parameter["name"] for parameter in operation["parameters"]}
        if operation["x-access"] != "anyone":
            codes += OF_KEYS
        if any(parameter["in"] == "path" for parameter in operation["parameters"]):
            codes += OF_NAMED
        if once.HEADER in names:
            codes += OF_REPEATS
        if names - {USER_ID_HEADER}:
            codes += OF_QUESTIONS
        if "requestBody" in operation:
            codes += OF_BODIES
        if any(len(answer.get("content", ())) > 1 for answer in operation["responses"].values()):
            codes += OF_FORMS
        found: dict[int, list[str]] = {}
        for code in dict.fromkeys(codes):
            found.setdefault(self._codes[code].status, []).append(code)
        return found

    def _show_examples(self, operation: Operation, words: OperationWords) -> None:
        if words.request is not None:
            content = operation["requestBody"]["content"]
            taking = "text/csv" if isinstance(words.request, str) else "application/json"
            content[taking]["example"] = words.request
        for status, shown in words.answers.items():
            content = operation["responses"].get(status, {}).get("content", {})
            for media_type, example in shown.items():
                if media_type in content:
                    content[media_type]["example"] = example

    def _problem(self, code: str) -> dict[str, Any]:
        scope = {"path": "/api/v1/organizations/acmecorp", "state": {"request_id": EXAMPLE_ID}}
        body: dict[str, Any] = json.loads(problem_body(Problem(self._codes[code], self._words.problems[code]), scope))
        return body

    def _describe_fields(self, schema: Any) -> None:
        for part in _parts(schema):
            for name, field in part.get("properties", {}).items():
                if "description" not in field:
                    # of a field that may be null as well, the words stand at what it is else
                    inner = next((one["description"] for one in field.get("anyOf", ()) if "description" in one), None)
                    if found := inner or self._words.fields.get(name):
                        field["description"] = found


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all within it."""
    if isinstance(schema, list):
        for one in schema:
            yield from _parts(one)
    elif isinstance(schema, dict):
        yield schema
        for name, one in schema.items():
            if name != "example":
                yield from _parts(one)
