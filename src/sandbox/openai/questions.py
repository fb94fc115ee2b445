"""What was asked of a report, read as OpenAI reads it and refused in its words."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self

from src.sandbox.openai.organizations import Organization
from src.sandbox.openai.problems import bad, unsupported
from src.sandbox.openai.reports import COSTS, SandboxReport

SECONDS: Mapping[str, int] = {"1d": 86_400, "1h": 3_600, "1m": 60}
# 2025-12-06: of what was before, nobody knows by which key it was
COSTS_BY_KEY_SINCE = 1_764_979_200
CURSOR = "page_"
ONCE = frozenset({"start_time", "end_time", "bucket_width", "limit", "page", "batch"})
TRUTH: Mapping[str, bool] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Question:
    report: SandboxReport
    start: int
    end: int
    """No longer asked for."""
    width: int
    limit: int
    groups: tuple[str, ...]
    only: tuple[tuple[str, tuple[str | bool, ...]], ...]
    first: int
    """Where the page begins that is asked for."""

    @classmethod
    def read(cls, report: SandboxReport, params: Sequence[tuple[str, str]], now: int) -> Self:
        given = _given(report, params)
        width = _one_of(given, "bucket_width", [name for name, _ in report.widths], "1d")
        usual, most = dict(report.widths)[width]
        if "start_time" not in given:
            raise bad("Missing required parameter: 'start_time'.", "start_time", "missing_required_parameter")
        start = _whole(given, "start_time", 0)
        end = _whole(given, "end_time", max(start, now) + 1)
        if start < 0 or end <= start:
            raise bad("Invalid time range: 'end_time' must be later than 'start_time'.", "end_time", "invalid_value")
        groups = given.get("group_by", ())
        for group in groups:
            if group not in report.groups:
                raise unsupported(group, "group_by", report.groups)
        limit = _whole(given, "limit", usual)
        if not 1 <= limit <= most:
            bound = f"less than or equal to {most}" if limit > most else "greater than or equal to 1"
            raise bad(f"Invalid limit provided: {limit}. Limit must be {bound}.", "limit")
        asked = cls(report, start, min(end, now + 1), SECONDS[width], limit, tuple(dict.fromkeys(groups)), _only(report, given), start)
        return replace(asked, first=asked._place(given["page"][0])) if "page" in given else asked

    def check(self, organization: Organization) -> None:
        """What not every organisation and not every range may be asked."""
        if self.report.name != COSTS:
            return
        dimensions = {*self.groups, *(name for name, _ in self.only)}
        if "api_key_id" in dimensions and (self.start < COSTS_BY_KEY_SINCE or not organization.fine_costs):
            told = f"Costs by 'api_key_id' are only available for ranges that start at or after {COSTS_BY_KEY_SINCE}."
            raise bad(told if organization.fine_costs else "Costs by 'api_key_id' are not available for this organization.", "group_by")
        if {"user_id", "project_id"} <= dimensions and not organization.fine_costs:
            raise bad("Combining 'user_id' with 'project_id' is not supported for this organization.", "group_by")

    def cursor(self, first: int) -> str:
        return CURSOR + urlsafe_b64encode(json.dumps([self._digest, first]).encode()).decode()

    def _place(self, cursor: str) -> int:
        try:
            digest, first = json.loads(urlsafe_b64decode(cursor.removeprefix(CURSOR)))
        except ValueError:
            digest, first = None, 0
        if digest != self._digest:
            raise bad("Invalid 'page': the cursor does not belong to this query.", "page", "invalid_value")
        return int(first)

    @property
    def _digest(self) -> str:
        """Of all but the end, which moves with the clock where it is left out."""
        told = (self.report.name, self.start, self.width, self.limit, self.groups, self.only)
        return sha256(repr(told).encode()).hexdigest()[:12]


def _given(report: SandboxReport, params: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """A list comes as `name[]=a&name[]=b`, or as the name alone again and again."""
    given: dict[str, tuple[str, ...]] = {}
    for name, value in params:
        plain = name.removesuffix("[]")
        if plain not in {*ONCE - {"batch"}, "group_by", *report.filters} or (plain in ONCE and plain in given):
            raise bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        given[plain] = (*given.get(plain, ()), value)
    return given


def _only(report: SandboxReport, given: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, tuple[str | bool, ...]], ...]:
    found: list[tuple[str, tuple[str | bool, ...]]] = []
    for param, dimension in report.filters.items():
        if param == "batch" and param in given:
            found.append((dimension, (TRUTH[_one_of(given, param, tuple(TRUTH), "")],)))
        elif param in given:
            found.append((dimension, given[param]))
    return tuple(found)


def _one_of(given: Mapping[str, tuple[str, ...]], param: str, supported: Sequence[str], usual: str) -> str:
    value = given.get(param, (usual,))[0]
    if value not in supported:
        raise unsupported(value, param, supported)
    return value


def _whole(given: Mapping[str, tuple[str, ...]], param: str, usual: int) -> int:
    text = given.get(param, (str(usual),))[0]
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise bad(f"Invalid type for '{param}': expected an integer, but got '{text[:40]}' instead.", param, "invalid_type")
    return int(text)
