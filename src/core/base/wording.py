"""What is said of an input that does not fit: what it must be, in plain words, and never what was sent, for that may be a secret."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from json import JSONDecodeError
from typing import Any, Final

from src.core.base.faults import Flaw
from src.core.base.names import did_you_mean

DAY: Final = "is not a day; write it as YYYY-MM-DD, like 2026-11-20"
MOMENT: Final = "is not a moment; write it as YYYY-MM-DDThh:mm:ssZ, like 2026-11-20T09:30:00Z"
TIME: Final = "is not a time of day; write it as hh:mm, like 08:00"
SPAN: Final = "is not a length of time; write it in seconds"
TEXT: Final = "must be a text"
OBJECT: Final = "must be a JSON object"
LIST: Final = "must be a JSON list"
FLAG: Final = "must be true or false"
WHOLE: Final = "must be a whole number"
NUMBER: Final = "must be a number"
DECIMAL: Final = 'must be a decimal number, like "1234.50"'
ADDRESS: Final = "is not an address; write it like https://example.com/path"
MARK: Final = "is not a UUID"
ONE_OF: Final = "must be {expected}"
NOT_JSON: Final = "is not JSON"
UNFIT: Final = "has a form that is not taken here; the reference says which is"
NEVER: Final = "is not known here"

# By the validator's own types. The braces take what it tells of the bounds.
WORDS: Final[Mapping[str, str]] = {
    "missing": "is required; add it",
    "extra_forbidden": NEVER,
    "model_attributes_type": "must be a JSON object; send one with Content-Type: application/json",
    "invalid_key": "must have texts as names",
    "none_required": "must be null",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "too_short": "needs {min_length} entries or more",
    "too_long": "takes {max_length} entries or fewer",
    "set_item_not_hashable": "must be a JSON list of plain values",
    "string_unicode": "must be a text in UTF-8",
    "string_too_short": "needs {min_length} characters or more",
    "string_too_long": "takes {max_length} characters or fewer",
    "string_pattern_mismatch": "is not of the form {pattern}",
    "string_not_ascii": "takes ASCII characters alone",
    "bytes_too_short": "needs {min_length} bytes or more",
    "bytes_too_long": "takes {max_length} bytes or fewer",
    "bytes_invalid_encoding": "is not in {encoding}",
    "date_from_datetime_inexact": f"has a time, and a day alone is taken; {DAY.partition('; ')[2]}",
    "date_past": "must be a day before today",
    "date_future": "must be a day after today",
    "datetime_past": "must be a moment that is over",
    "datetime_future": "must be a moment that is to come",
    "timezone_naive": "must have no offset from UTC",
    "timezone_aware": "needs its offset from UTC, as in 2026-11-20T09:30:00Z",
    "timezone_offset": "needs the offset {tz_expected} from UTC",
    "union_tag_not_found": "lacks {discriminator}; add it",
    "union_tag_invalid": "must have as {discriminator} one of {expected_tags}",
    "decimal_max_digits": "takes {max_digits} digits or fewer",
    "decimal_max_places": "takes {decimal_places} digits or fewer after the point",
    "decimal_whole_digits": "takes {whole_digits} digits or fewer before the point",
    "url_too_long": "takes {max_length} characters or fewer",
    "url_scheme": "must begin with {expected_schemes}://",
    "uuid_version": "must be a UUID of version {expected_version}",
    "int_parsing_size": "has more digits than a whole number may",
    "int_from_float": "must be a whole number, without a fraction",
    "recursion_loop": "holds itself",
    "recursion_depth_exceeded": "is too deeply nested",
    **dict.fromkeys(("enum", "literal_error"), ONE_OF),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), DAY),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"), MOMENT),
    **dict.fromkeys(("time_type", "time_parsing"), TIME),
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), SPAN),
    **dict.fromkeys(("string_type", "bytes_type"), TEXT),
    **dict.fromkeys(("model_type", "dict_type", "frozen_dict_type", "ordered_dict_type", "counter_type", "mapping_type"), OBJECT),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "deque_type", "iterable_type", "iteration_error"), LIST),
    **dict.fromkeys(("bool_type", "bool_parsing"), FLAG),
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    **dict.fromkeys(("float_type", "float_parsing"), NUMBER),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), DECIMAL),
    **dict.fromkeys(("url_type", "url_parsing", "url_syntax_violation"), ADDRESS),
    **dict.fromkeys(("uuid_type", "uuid_parsing"), MARK),
    **dict.fromkeys(("json_type", "json_invalid"), NOT_JSON),
}
# What the reader of JSON says, and what is to be done.
JSON_MENDS: Final[Mapping[str, str]] = {
    "Expecting value": "a value is missing here, or is none of JSON; texts stand in double quotes",
    "Expecting property name": "the name of a field stands in double quotes, and no comma before a closing brace",
    "Expecting ',' delimiter": "a comma or a closing bracket is missing",
    "Expecting ':' delimiter": "a colon is missing between a name and its value",
    "Unterminated string": "the text that begins here has no closing quote",
    "Invalid control character": "a text holds a line break or a tab; write it as \\n or \\t",
    "Invalid \\": "a backslash in a text is doubled, or begins an escape such as \\n",
    "Illegal trailing comma": "no comma stands before a closing bracket",
    "Extra data": "the document was over before this; send one alone",
}
FORMS: Final[Mapping[str, str]] = {
    "^[0-9a-f]{32}$": "is not of the form that answers give: 32 of 0-9 and a-f; send it as an answer gave it",
    r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$": "takes 64 letters, digits, blanks, dots, - and _ at most, and begins with a letter or a digit",
}
CREDENTIALS: Final = ("credential", "credentials")
# of a file that a provider's console hands out as a key
KEY_FILE: Final = frozenset({"private_key", "client_email", "client_secret", "refresh_token", "secret_access_key", "api_key"})


def words(error: Mapping[str, Any]) -> str:
    """Of one error of the validator."""
    kind, told = error["type"], error.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        # raised by a check of ours, in words of ours
        return str(told["error"])
    plain = {name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in told.items()}
    if kind == "string_pattern_mismatch" and told["pattern"] in FORMS:
        return FORMS[told["pattern"]]
    mend = WORDS.get(kind, UNFIT).format_map(plain)
    return mend + _nearest(error, told) if kind in ("literal_error", "enum") else mend


def unknown(name: str, known: Iterable[str]) -> str:
    """Of a name that is not taken: the one that may have been meant, else what there is."""
    there = list(known)
    if not there:
        return f"{NEVER}; remove it"
    return NEVER + (did_you_mean(name, there) or f"; remove it, or choose of {', '.join(there)}")


def not_json(document: object, place: int, why: str) -> Flaw:
    mend = next((mend for begin, mend in JSON_MENDS.items() if why.startswith(begin)), "it cannot be read")
    if not isinstance(document, str):
        return Flaw(f"{NOT_JSON}: {mend}", "body")
    line, column = document.count("\n", 0, place) + 1, place - document.rfind("\n", 0, place)
    return Flaw(f"{NOT_JSON} in line {line}, column {column}: {mend}", "body", line=line, column=column)


def json_flaw(wrong: JSONDecodeError) -> Flaw:
    return not_json(wrong.doc, wrong.pos, wrong.msg)


def key_itself(body: object, known: Iterable[str]) -> Flaw | None:
    """Of a body that is the key, where a field of it should hold one."""
    named = next((name for name in CREDENTIALS if name in known), None)
    if named is None:
        return None
    if isinstance(body, Mapping):
        if named in body or KEY_FILE.isdisjoint(body):
            return None
        what = "a key file itself"
    elif isinstance(body, str):
        what = "a key itself"
    else:
        return None
    return Flaw(f"is {what}; send it as a field of an object: {json.dumps({named: '...'})} with the whole of it for the dots", "body")


def _nearest(error: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    given = error.get("input")
    choices = str(told.get("expected", "")).split("'")[1::2]
    if not isinstance(given, str) or not choices:
        return ""
    # in any case, for that is the likeliest mistake
    close = get_close_matches(given[:60].lower(), [choice.lower() for choice in choices], n=1, cutoff=0.6)
    return next((f"; did you mean {choice!r}?" for choice in choices if close and choice.lower() == close[0]), "")
