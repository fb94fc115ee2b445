"""Suites of expectations as Great Expectations writes them, of both its generations, checked when they are read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import Field

from src.core.base.documents import Document, Located, locate_document, read_text
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean
from src.core.ledger.tables.dq_results import Severity
from src.core.step.quality.forms import BOOKKEEPING, FORMS, PARAMETER, misfit

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


class ExpectationText(Document):
    type: str | None = None
    expectation_type: str | None = None
    kwargs: dict[str, Any] = Field(default_factory=dict)
    meta: dict[str, Any] | None = None
    severity: Severity | None = None
    description: str | None = None
    id: str | None = None
    notes: Any = None
    rendered_content: Any = None


class SuiteText(Document):
    name: str | None = None
    expectation_suite_name: str | None = None
    expectations: tuple[ExpectationText, ...]
    suite_parameters: dict[str, Any] = Field(default_factory=dict)
    evaluation_parameters: dict[str, Any] = Field(default_factory=dict)
    meta: dict[str, Any] | None = None
    data_asset_type: str | None = None
    id: str | None = None
    ge_cloud_id: str | None = None
    notes: Any = None


@dataclass(frozen=True, slots=True)
class SuiteExpectation:
    """`table` is None where the expectation holds for whichever table is judged."""

    index: int
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    table: str | None
    description: str | None
    at: Flaw

    def flaw(self, message: str, key: str | None = None) -> Flaw:
        return Flaw(message, f"{self.at.field}.kwargs.{key}" if key else self.at.field, self.at.file, self.at.line)


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    expectations: tuple[SuiteExpectation, ...]
    parameters: Mapping[str, Any]
    file: str

    def of(self, table: str) -> tuple[SuiteExpectation, ...]:
        return tuple(expectation for expectation in self.expectations if expectation.table in (None, table))


def load_suite(path: Path, shown_as: str | None = None) -> Suite:
    shown = shown_as or str(path)
    text = read_text(path, shown)
    exact = _exact(text, shown)
    located = locate_document(text, SuiteText, shown)
    document = located.document
    name = document.name or document.expectation_suite_name
    # the tree above knows the lines, this one the numbers as they are written
    kwargs = [one.get("kwargs", {}) for one in exact["expectations"]]
    flaws = [] if name else [located.flaw("a suite has a `name`")]
    flaws += [flaw for index, given in enumerate(kwargs) for flaw in _flaws(located, index, given)]
    if flaws:
        raise Misconfigured("a data-quality suite is wrong", flaws=flaws)
    table = _named(document.meta, "table")
    return Suite(
        name=name or "",
        expectations=tuple(_expectation(located, index, given, table) for index, given in enumerate(kwargs)),
        parameters={**exact.get("evaluation_parameters", {}), **exact.get("suite_parameters", {})},
        file=shown,
    )


def _exact(text: str, shown: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except json.JSONDecodeError as wrong:
        raise Misconfigured("a data-quality suite is not JSON", flaws=[Flaw(wrong.msg, file=shown, line=wrong.lineno)]) from wrong
    except (ValueError, RecursionError) as wrong:
        raise Misconfigured("a data-quality suite is not JSON", flaws=[Flaw(str(wrong), file=shown)]) from wrong
    if not isinstance(found, dict):
        raise Misconfigured(
            "a data-quality suite is wrong", flaws=[Flaw("a suite is a mapping with `name` and `expectations`", file=shown)]
        )
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _expectation(located: Located[SuiteText], index: int, kwargs: Mapping[str, Any], table: str | None) -> SuiteExpectation:
    text = located.document.expectations[index]
    # critical where nothing is said: a check that only warns lets rows that fail it be shown
    severity = text.severity or _named(text.meta, "severity") or SEVERITIES[0]
    return SuiteExpectation(
        index=index,
        type=_type(text),
        kwargs={key: value for key, value in kwargs.items() if key not in BOOKKEEPING and value is not None},
        severity=next(word for word in SEVERITIES if word == severity),
        table=_named(text.meta, "table") or table,
        description=text.description,
        at=located.flaw("", "expectations", index),
    )


def _type(text: ExpectationText) -> str:
    return text.type or text.expectation_type or ""


def _named(meta: Mapping[str, Any] | None, key: str) -> str | None:
    value = (meta or {}).get(key)
    return value if isinstance(value, str) else None


def _flaws(located: Located[SuiteText], index: int, kwargs: Mapping[str, Any]) -> list[Flaw]:
    text = located.document.expectations[index]
    kind, at = _type(text), ("expectations", index)
    if kind not in FORMS:
        word = "expectation_type" if text.expectation_type else "type"
        return [located.flaw(f"there is no expectation {kind!r}{did_you_mean(kind, FORMS)}", *at, word)]
    flaws = []
    for key in ("table", "severity"):
        value = (text.meta or {}).get(key)
        if value is not None and (not isinstance(value, str) or (key == "severity" and value not in SEVERITIES)):
            need = f"one of {', '.join(SEVERITIES)}" if key == "severity" else "the name of a table"
            flaws.append(located.flaw(f"{value!r}: {need} is needed", *at, "meta", key))
    return flaws + _kwargs_flaws(located, at, kind, {key: value for key, value in kwargs.items() if value is not None})


def _kwargs_flaws(located: Located[SuiteText], at: tuple[str | int, ...], kind: str, kwargs: Mapping[str, Any]) -> list[Flaw]:
    form = FORMS[kind]
    flaws = [located.flaw(f"{kind} needs `{key}`", *at, "kwargs") for key in form.needs if key not in kwargs]
    if form.limits and not any(key in kwargs for key in form.limits):
        flaws.append(located.flaw(f"{kind} needs one of {', '.join(form.limits)}", *at, "kwargs"))
    for key, value in kwargs.items():
        if key in form.keys:
            wrong = _parameter_misfit(value) if is_parameter(value) else misfit(value, form.keys[key], form)
            flaws += [located.flaw(wrong, *at, "kwargs", key)] if wrong else []
        elif key not in BOOKKEEPING:
            message = f"{kind} takes no `{key}`{did_you_mean(key, form.keys)}; it takes {', '.join(sorted(form.keys))}"
            flaws.append(located.flaw(message, *at, "kwargs", key))
    return flaws


def is_parameter(value: object) -> bool:
    return isinstance(value, dict) and PARAMETER in value


def _parameter_misfit(value: Mapping[str, Any]) -> str | None:
    """Great Expectations also computes with parameters; here a parameter is a value by its name."""
    if set(value) == {PARAMETER} and isinstance(value[PARAMETER], str) and value[PARAMETER].isidentifier():
        return None
    return f'a parameter is {{"{PARAMETER}": "name"}}'
