"""Whatever the validator says of an input is said in words of ours."""

import json
import re

import pytest
from pydantic_core._pydantic_core import list_all_errors

from src.core.base import wording
from src.core.base.wording import json_flaw, key_itself, unknown, words

# What no JSON and no address can be: the validator says it of Python's own objects alone.
OF_PYTHON = re.compile(
    "no_such_attribute|needs_python_object|frozen_field|frozen_instance|get_attribute_error|dataclass|named_tuple|default_factory|"
    "missing_sentinel_error|ellipsis_error|is_instance_of|is_subclass_of|callable_type|argument|complex|fraction"
)
ERRORS = [error for error in list_all_errors() if not OF_PYTHON.search(error["type"])]
ITS_ENGLISH = re.compile("Input|should|valid |Value error|permitted|required to", re.IGNORECASE)


@pytest.mark.parametrize("error", [pytest.param(error, id=error["type"]) for error in ERRORS])
def test_every_error_of_the_validator_has_words_of_its_own(error):
    said = words({"type": error["type"], "ctx": error.get("example_context") or {}})

    assert said != wording.UNFIT
    assert said != error["message_template_python"]
    assert not ITS_ENGLISH.search(said)
    assert "{" not in said
    assert not said.endswith(".")


def test_what_it_may_say_yet_is_not_repeated():
    assert words({"type": "of_a_later_release", "msg": "Input should be another"}) == wording.UNFIT


@pytest.mark.parametrize(
    ("sent", "line", "column", "said"),
    [
        ("{'a': 1}", 1, 2, "double quotes"),
        ('{"a": 1,}', 1, 8, "no comma before a closing brace"),
        ('{"a": 1\n "b": 2}', 2, 2, "a comma or a closing bracket is missing"),
        ('{"a" 1}', 1, 6, "a colon is missing"),
        ('{\n "a": tomorrow}', 2, 7, "texts stand in double quotes"),
        ('{"a": "b}', 1, 7, "no closing quote"),
        ('{"a": "b\n"}', 1, 9, "line break"),
        ('{"a": "C:\\dir"}', 1, 10, "backslash"),
        ('{"a": 1}\n{}', 2, 1, "over before this"),
    ],
)
def test_broken_json_is_told_by_line_and_column_and_what_to_do(sent, line, column, said):
    with pytest.raises(json.JSONDecodeError) as wrong:
        json.loads(sent)
    flaw = json_flaw(wrong.value)

    # of a comma too many some readers point at the comma, some behind it
    assert (flaw.line, flaw.column) in {(line, column), (line, column + 1)}
    assert flaw.message.startswith(f"is not JSON in line {flaw.line}, column {flaw.column}: ")
    assert said in flaw.message


def test_a_choice_that_is_nearly_right_names_the_right_one():
    told = {"type": "literal_error", "ctx": {"expected": "'FAILED', 'SUCCESS' or 'RUNNING'"}}

    assert words({**told, "input": "failled"}) == "must be 'FAILED', 'SUCCESS' or 'RUNNING'; did you mean 'FAILED'?"
    assert words({**told, "input": "sk-admin-1234"}) == "must be 'FAILED', 'SUCCESS' or 'RUNNING'"


def test_an_unknown_name_is_told_the_nearest_or_what_there_is():
    assert unknown("fromm", ["from", "to"]) == "is not known here; did you mean 'from'?"
    assert unknown("color", ["from", "to"]) == "is not known here; remove it, or choose of from, to"
    assert unknown("color", []) == "is not known here; remove it"


def test_a_key_where_a_body_belongs_is_told_its_place_and_not_repeated():
    told = key_itself({"type": "service_account", "private_key": "-----BEGIN", "client_email": "a@b"}, ["credential", "settings"])
    assert told is not None
    assert told.message == 'is a key file itself; send it as a field of an object: {"credential": "..."} with the whole of it for the dots'
    assert key_itself("sk-admin-1234", ["credential"]) is not None
    assert key_itself({"credential": {"private_key": "-"}}, ["credential"]) is None
    assert key_itself({"private_key": "-"}, ["confirm"]) is None
