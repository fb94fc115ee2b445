"""The reports there are: what each measures, may be grouped by and may be narrowed to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from src.sandbox.openai.costs import charged
from src.sandbox.openai.organizations import Organization
from src.sandbox.openai.usage import Consumption, used

KEYED = ("project_id", "user_id", "api_key_id")
TOKENS = (*KEYED, "model", "batch", "service_tier", "api_source")
# buckets on a page: usual, and at most
WIDTHS: Mapping[str, tuple[int, int]] = {"1d": (7, 31), "1h": (24, 168), "1m": (60, 1440)}
# a filter's name, where it is not the dimension with an s
PLURALS: Mapping[str, str] = {"batch": "batch"}
COSTS = "costs"


@dataclass(frozen=True, slots=True)
class Fact:
    """What a report adds up: one thing that was used, or one charge."""

    at: int
    kinds: Mapping[str, str | bool | None]
    measures: Mapping[str, int | Decimal]
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class SandboxReport:
    name: str
    object: str
    groups: tuple[str, ...]
    unfiltered: tuple[str, ...] = ()
    """Groups that it cannot be narrowed to."""
    widths: tuple[tuple[str, tuple[int, int]], ...] = tuple(WIDTHS.items())

    @property
    def filters(self) -> Mapping[str, str]:
        """From a parameter to what it narrows."""
        return {PLURALS.get(one, f"{one}s"): one for one in self.groups if one not in self.unfiltered}

    def facts(self, organization: Organization, day: date, today: date, now: int) -> Iterator[Fact]:
        if self.name == COSTS:
            yield from _charges(organization, day, today, now)
        else:
            uses = (one for one in used(organization, day, today, now) if one.workload.endpoint == self.name)
            yield from (_use(organization, one) for one in uses)


def _use(organization: Organization, use: Consumption) -> Fact:
    work, key = use.workload, use.workload.key
    kinds = {
        **_named(organization, work.project, key.name if key else None, key.owner if key else None),
        "model": work.model,
        "batch": work.batch,
        "service_tier": work.tier,
        "api_source": work.source,
        **work.kinds,
    }
    return Fact(use.at, kinds, use.measures)


def _charges(organization: Organization, day: date, today: date, now: int) -> Iterator[Fact]:
    for one in charged(organization, day, today, now):
        kinds = {
            **_named(organization, one.project, one.key, one.owner),
            "line_item": one.line_item,
            "api_source": one.source,
        }
        measures = {"amount": one.amount, **({} if one.quantity is None else {"quantity": one.quantity})}
        yield Fact(one.at, kinds, measures, one.unit)


def _named(organization: Organization, project: str, key: str | None, owner: str | None) -> dict[str, str | bool | None]:
    return {
        "project_id": organization.named("proj", project),
        "api_key_id": key and organization.named("key", key),
        "user_id": owner and organization.named("user", owner),
    }


def _usage(name: str, groups: tuple[str, ...], result: str = "", unfiltered: tuple[str, ...] = ()) -> SandboxReport:
    return SandboxReport(name, f"organization.usage.{result or name}.result", groups, unfiltered)


REPORTS: Mapping[str, SandboxReport] = {
    one.name: one
    for one in (
        _usage("completions", TOKENS, unfiltered=("service_tier", "api_source")),
        _usage("decisions", TOKENS, unfiltered=("service_tier", "api_source")),
        _usage("embeddings", (*KEYED, "model")),
        _usage("moderations", (*KEYED, "model")),
        _usage("images", (*KEYED, "model", "size", "source")),
        _usage("audio_speeches", (*KEYED, "model")),
        _usage("audio_transcriptions", (*KEYED, "model")),
        _usage("vector_stores", ("project_id",)),
        _usage("code_interpreter_sessions", ("project_id",)),
        _usage("file_search_calls", (*KEYED, "vector_store_id"), "file_searches"),
        _usage("web_search_calls", (*KEYED, "model", "context_level", "api_source"), "web_searches", ("api_source",)),
        SandboxReport(
            COSTS,
            "organization.costs.result",
            (*KEYED, "line_item", "api_source"),
            ("user_id", "api_source"),
            (("1d", (7, 180)),),
        ),
    )
}
