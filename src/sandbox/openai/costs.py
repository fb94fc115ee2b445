"""What the cost report says of a day: use at its price, and what no report of use shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from src.sandbox.openai.organizations import FIRST_DAY, Organization, seconds
from src.sandbox.openai.prices import EACH, MILLION, STORED_GIB_DAY, alias, per_million
from src.sandbox.openai.usage import TOKEN_ENDPOINTS, Consumption, used
from src.sandbox.openai.workloads import GIB

SATURDAY = 5
TRAINING_DAY = 15
HOURS = 24
WORDS: Mapping[str, str] = {
    "text": "input",
    "image": "image input",
    "audio": "audio input",
    "cached": "cached input",
    "cached_audio": "cached audio input",
    "write_30m": "cache write 30m",
    "write_12h": "cache write 12h",
    "out": "output",
    "audio_out": "audio output",
    "image_out": "image output",
    "input_tokens": "input",
}
# names its line items in another way than the models before it
UNDERSCORED = frozenset({"gpt-6-astra"})
CALLS: Mapping[str, tuple[str, str]] = {
    "web_search_calls": ("web search tool calls", "num_requests"),
    "file_search_calls": ("file search tool calls", "num_requests"),
    "code_interpreter_sessions": ("code interpreter sessions", "num_sessions"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list asks for one kind of one use."""

    item: str
    kind: str
    quantity: Decimal
    unit: str | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Charge:
    line_item: str
    at: int
    project: str
    amount: Decimal
    quantity: Decimal | None = None
    unit: str | None = None
    key: str | None = None
    owner: str | None = None
    source: str = "unlabeled"


def charged(organization: Organization, day: date, today: date, now: int) -> Iterator[Charge]:
    """As the report says it today."""
    if not charges_told(organization, day, today):
        return
    for use in used(organization, day, today, now):
        for one in listed(use, day, long=use.workload.long):
            yield _charge(use, one, one.amount * organization.pays(priced_as(use), use.at))
    yield from besides(organization, day)


def charges_told(organization: Organization, day: date, today: date) -> bool:
    return FIRST_DAY <= day <= today - timedelta(organization.costs_late)


def priced_as(use: Consumption) -> str:
    """What a price list calls it: a tool's calls are priced alike whatever model makes them."""
    work = use.workload
    return work.endpoint if work.model is None or work.endpoint in CALLS else alias(work.model)


def _charge(use: Consumption, one: Listed, amount: Decimal) -> Charge:
    work, key = use.workload, use.workload.key
    by, owner = (key.name, key.owner) if key else (None, None)
    return Charge(one.item, use.at, work.project, amount, one.quantity, one.unit, by, owner, work.source)


def listed(use: Consumption, day: date, *, long: bool) -> Iterator[Listed]:
    """By kind, at the list's price for long requests or for others."""
    endpoint, model = use.workload.endpoint, use.workload.model
    if endpoint == "vector_stores":
        beyond = Decimal(use.amounts["usage_bytes"] - GIB) / GIB
        yield Listed("vector store storage", "storage", beyond * HOURS, "gibibyte_hours", beyond * STORED_GIB_DAY)
    elif endpoint in CALLS:
        item, measure = CALLS[endpoint]
        yield Listed(item, "call", Decimal(use.amounts[measure]), None, use.amounts[measure] * EACH[endpoint])
    elif endpoint == "images":
        number, size = use.amounts["images"], use.workload.kinds["size"]
        yield Listed(f"{model}, {size}", "image", Decimal(number), "images", number * EACH[f"{model} {size}"])
    elif endpoint == "audio_transcriptions":
        length = use.amounts["seconds"]
        yield Listed(f"{model}, duration", "duration", Decimal(length), "duration_seconds", length * EACH[f"{model} seconds"])
    elif endpoint != "moderations" and model is not None:
        yield from _by_kind(use, model, day, long=long)


def _by_kind(use: Consumption, model: str, day: date, *, long: bool) -> Iterator[Listed]:
    workload = use.workload
    rates = per_million(model, workload.price_tier, day, long=long)
    for kind, number in use.amounts.items():
        if number:
            unit = "tokens" if workload.endpoint in TOKEN_ENDPOINTS or kind == "input_tokens" else kind
            # a model that reads images as it reads text bills them as text
            told = "text" if kind == "image" and rates[kind] == rates["text"] else kind
            yield Listed(f"{model}, {_words(model, told)}", kind, Decimal(number), unit, number * rates[kind] / MILLION)


def _words(model: str, kind: str) -> str:
    words = WORDS.get(kind, kind)
    return f"{words.replace(' ', '_')}_tokens" if model in UNDERSCORED else words


def besides(organization: Organization, day: date) -> Iterator[Charge]:
    """What no report of use shows."""
    at = seconds(day)
    told = [
        Charge("file storage", at, "data", Decimal("0.000012"), Decimal(3), "gibibyte_hours"),
        Charge("sora-2, video", at, "research", Decimal("1.20"), Decimal(12), "duration_seconds", "lab", "Cyd"),
        Charge("gpt-4.1-2025-04-14, training", at, "support", Decimal("9.375"), Decimal(375_000), "tokens"),
        Charge("promotional credit", at, "default", Decimal("-12.34")),
    ]
    there = (True, day.weekday() == SATURDAY, day.day == TRAINING_DAY, day.day == 1)
    yield from (one for one, is_there in zip(told, there, strict=True) if is_there and one.project in organization.projects)
