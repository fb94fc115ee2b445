"""The OpenAPI document says what FastAPI does not know, says it once however often it is asked for, and leaves nothing without words."""

import copy
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from src.app.answers.api_words import ApiWords
from src.app.answers.openapi import USER_ID
from src.app.config import Settings
from src.app.process.codes import every_code
from src.app.process.refusals import MEDIA_TYPE
from src.app.service import create_app

REF = "#/components/"


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(ca_root_api_key="admin_key", _env_file=None))


@pytest.fixture(scope="module")
def document(app) -> dict[str, Any]:
    described: dict[str, Any] = app.openapi()
    return described


@pytest.fixture(scope="module")
def operations(document) -> dict[str, dict[str, Any]]:
    each = [operation for operations in document["paths"].values() for operation in operations.values()]
    assert not [name for name, times in Counter(operation["operationId"] for operation in each).items() if times > 1]
    return {operation["operationId"]: operation for operation in each}


def test_the_document_is_the_same_each_time_and_names_each_parameter_once(app):
    first = repr(app.openapi())
    document = app.openapi()

    assert repr(document) == first
    for operations in document["paths"].values():
        for operation in operations.values():
            named = [(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())]
            assert len(named) == len(set(named))
            assert (("header", USER_ID["name"]) in named) == (operation["x-access"] != "anyone")
            assert operation["responses"]["default"]["content"].keys() == {MEDIA_TYPE}
    assert {"RootKey", "AdminKey", "OrgKey", "OrgBearer"} <= set(document["components"]["securitySchemes"])


def test_every_operation_parameter_field_and_tag_has_words(document, operations):
    """What lacks them gets them in `src/app/answers/described`, or a field of its own meaning at its model."""
    wordless = [name for name, operation in operations.items() if not operation["description"] or not operation["summary"]]
    for name, operation in operations.items():
        wordless += [f"{name}: {one['name']}" for one in operation["parameters"] if not one.get("description")]
        for media_type in _contents(operation):
            wordless += [f"{name}.{at}" for at in _wordless(media_type.get("schema"))]
    for name, schema in document["components"]["schemas"].items():
        wordless += [f"{name}.{at}" for at in _wordless(schema)]
    said = {tag["name"] for tag in document["tags"] if tag["description"]}
    wordless += {tag for operation in operations.values() for tag in operation["tags"]} - said

    assert wordless == []


def test_an_operation_has_the_name_of_its_function(operations):
    assert {"run_pipeline", "onboard", "daily_costs", "list_runs"} <= set(operations)
    assert [name for name in operations if "api_v1" in name or not name.isidentifier()] == []


def test_words_are_of_operations_and_problems_there_are(document, operations):
    words = ApiWords.read()
    asked = {code for one in words.operations.values() for code in one.problems}

    assert words.operations.keys() - operations.keys() == set()
    assert words.problems.keys() - {code.name for code in every_code()} == set()
    assert asked - words.problems.keys() == set()
    named = {name for schema in _schemas(document) for name in schema.get("properties", ())}
    named |= {parameter["name"] for operation in operations.values() for parameter in operation["parameters"]}
    assert words.fields.keys() - named - {"Idempotency-Key"} == set()


def test_every_operation_shows_a_request_and_an_answer_that_fit_what_it_declares(document, operations):
    strict = _strict(document)
    flaws = []
    for name, operation in operations.items():
        content = operation.get("requestBody", {}).get("content")
        shown = {"request": content} if content else {}
        answers = operation["responses"].items()
        shown |= {status: answer["content"] for status, answer in answers if status[0] == "2" and "content" in answer}
        for place, content in shown.items():
            examples = [(declared["schema"], declared["example"]) for declared in content.values() if "example" in declared]
            if not examples:
                flaws.append(f"{name} {place}: no example")
            for schema, example in examples:
                if isinstance(example, str):
                    continue
                validator = jsonschema_rs.validator_for({**schema, "components": strict["components"]})
                flaws += [f"{name} {place} {list(wrong.instance_path)}: {wrong.message[:200]}" for wrong in validator.iter_errors(example)]

    assert flaws == []


def test_every_operation_tells_of_its_problems_with_an_example(document, operations):
    examples = document["components"]["examples"]
    validator = jsonschema_rs.validator_for(document["components"]["schemas"]["Problem"])
    for code, example in examples.items():
        assert example["value"]["type"].endswith(code)
        validator.validate(example["value"])
    for name, operation in operations.items():
        refused = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
        if operation["x-access"] != "anyone":
            assert {"401", "403", "429", "503"} <= refused.keys(), name
        of = {"path": "404", "Idempotency-Key": "409"}
        assert {of[key] for told in operation["parameters"] for key in (told["in"], told["name"]) if key in of} <= refused.keys(), name
        for status, answer in refused.items():
            [(media_type, content)] = answer["content"].items()
            assert media_type == MEDIA_TYPE
            codes = [shown["$ref"].removeprefix(f"{REF}examples/") for shown in content["examples"].values()]
            assert codes
            assert {examples[code]["value"]["status"] for code in codes} == {int(status)}


def test_no_example_holds_a_secret():
    told = json.dumps([[one.request, one.answers] for one in ApiWords.read().operations.values()])

    assert "PRIVATE KEY" not in told
    assert "127.0.0.1" not in told
    for shown in told.split("acmecorp_api_")[1:]:
        assert shown.startswith("shown0only0once0")


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from holder.get("content", {}).values()


def _schemas(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, list):
        for one in part:
            yield from _schemas(one)
    elif isinstance(part, dict):
        yield part
        for name, one in part.items():
            if name not in ("example", "examples"):
                yield from _schemas(one)


def _wordless(schema: Any) -> list[str]:
    return [name for part in _schemas(schema) for name, field in part.get("properties", {}).items() if not field.get("description")]


def _strict(document: dict[str, Any]) -> dict[str, Any]:
    """An example that shows a field which is not there any more is as wrong as one that lacks a field."""
    strict = copy.deepcopy(document)
    for schema in _schemas(strict["components"]["schemas"]):
        if "properties" in schema and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    return strict
