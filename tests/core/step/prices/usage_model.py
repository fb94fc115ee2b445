"""What OpenAI's usage costs, reckoned in whole numbers from what OpenAI says of its reports and prices: nothing of it is asked of our SQL.

A row is told by the API's own names. `priced` gives what each of its uses is charged, or why it is not.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from src.core.step.prices.rates import Rate

LAST = 10**18  # the last decimal that is kept
TOO_MUCH = 10**20
GIB = 2**30
UNITS_IN = {("second", "minute"): 60, ("second", "hour"): 3600, ("byte", "gb_day"): GIB}
READ_LIKE_TEXT = {"image_input": "input", "cached_image_input": "cached_input"}
TOOLS = {
    "web_search_calls": "web-search",
    "file_search_calls": "file-search",
    "code_interpreter_sessions": "code-interpreter",
    "vector_stores": "vector-storage",
}
NO_KINDS = {"input_unknown", "output_unknown", "cache_write_unknown", "unknown"}
WIDE = Context(prec=80)


@dataclass(frozen=True)
class PricedUse:
    kind: str
    quantity: int
    unit: str
    charged_kind: str | None = None
    rate_id: str | None = None
    cost: Decimal | None = None
    cost_if_long: Decimal | None = None
    may_be_long: bool = False
    rules: tuple[str, ...] = ()
    """Beside the name's."""
    unpriced: tuple[str, ...] = ()
    """The first words of the reason, one of these."""


def priced(
    row: Mapping[str, Any], rates: Mapping[str, Sequence[Rate]], names: Mapping[str | None, tuple[str | None, str]]
) -> Iterator[PricedUse]:
    """By the rates of each model; `names` has the book's name and the region for each that is told."""
    model, region = (TOOLS[row["endpoint"]], "any") if row["endpoint"] in TOOLS else names[row.get("model")]
    of_model = [rate for rate in rates.get(model or "", ()) if rate.region in (region, "any")]
    for kind, unit, quantity in uses(row):
        if quantity:
            yield _charged((kind, unit, quantity, tier(row)), prompt(row, unit), (row["bucket_start"], end(row)), of_model, model)


def end(row: Mapping[str, Any]) -> datetime:
    start: datetime = row["bucket_start"]
    return start + timedelta(seconds=row["bucket_seconds"])


def tier(row: Mapping[str, Any]) -> str:
    if row.get("batch"):
        return "batch"
    told = row.get("service_tier")
    return "standard" if told in (None, "", "default", "auto", "scale") else told


def uses(row: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Kind, unit and quantity. Of tokens every one is in one kind."""
    told = row.get
    if not told("seconds"):
        yield from ((kind, "token", number) for kind, number in (*input_tokens(row).items(), *output_tokens(row).items()))
    yield f"image_{row['size']}" if told("size") else "image", "image", told("images") or 0
    yield "characters", "character", told("characters") or 0
    yield "duration", "second", told("seconds") or 0
    yield "session", "session", told("num_sessions") or 0
    searches = told("num_requests") or 0
    is_search = row["endpoint"] in ("web_search_calls", "file_search_calls")
    yield "call", "call", searches if is_search else 0
    # a project has one GB for nothing on each day
    stored, free = told("usage_bytes") or 0, GIB * row["bucket_seconds"] // 86400
    yield "free_storage", "byte", min(stored, free)
    yield "storage", "byte", max(stored - free, 0)
    yield "unknown", "measure", int(told("other_measures") is not None or (searches != 0 and not is_search))


def input_tokens(row: Mapping[str, Any]) -> dict[str, int]:
    told = {name.removeprefix("input_").removesuffix("_tokens"): number for name, number in row.items() if name.startswith("input_")}
    cached_parts = {part: told.get(f"cached_{part}") for part in ("text", "audio", "image")}
    parts = {part: told.get(part) for part in ("text", "audio", "image")}
    cached = _or_sum(told.get("cached"), cached_parts.values())
    half_hour, half_day = told.get("cache_write_30m"), told.get("cache_write_12h")
    written = _or_sum(told.get("cache_write"), (half_hour, half_day))
    whole = row.get("input_tokens")
    if whole is None:
        whole = _or_sum(told.get("uncached"), parts.values()) + cached + written
    uncached = whole - cached - written if told.get("uncached") is None else told["uncached"]
    found = {("input" if part == "text" else f"{part}_input"): number for part, number in _split(uncached, parts).items()}
    found |= {
        ("cached_input" if part == "text" else f"cached_{part}_input"): number for part, number in _split(cached, cached_parts).items()
    }
    if half_hour is None and half_day is not None:
        half_hour = max(written - half_day, 0)
    found |= {"cache_write_30m": half_hour or 0, "cache_write_12h": half_day or 0}
    found["cache_write_unknown"] = written - found["cache_write_30m"] - found["cache_write_12h"]
    return {**found, "input_unknown": whole - sum(found.values())}


def output_tokens(row: Mapping[str, Any]) -> dict[str, int]:
    parts = {part: row.get(f"output_{part}_tokens") for part in ("text", "audio", "image")}
    whole = _or_sum(row.get("output_tokens"), parts.values())
    found = {("output" if part == "text" else f"{part}_output"): number for part, number in _split(whole, parts).items()}
    return {**found, "output_unknown": whole - sum(found.values())}


def _or_sum(whole: int | None, parts: Any) -> int:
    return sum(part or 0 for part in parts) if whole is None else whole


def _split(whole: int, parts: Mapping[str, int | None]) -> dict[str, int]:
    """Text that is not told is what is left."""
    found = {part: number or 0 for part, number in parts.items()}
    if parts["text"] is None:
        found["text"] = max(whole - found["audio"] - found["image"], 0)
    return found


def prompt(row: Mapping[str, Any], unit: str) -> tuple[int | None, int]:
    """Of each request where it is known, and the most that one may have had."""
    if unit != "token":
        return None, 0
    whole = sum(input_tokens(row).values())
    return (whole if row.get("num_model_requests") == 1 else None), whole


@dataclass(frozen=True)
class RateThen:
    """What the book says at one moment of a use with prompts of one length, or of unknown ones."""

    over: float
    up_to: float
    rate: Rate | None
    doubt_over: float
    """Beyond so many tokens a prompt of unknown length may be charged otherwise."""
    dearest: Rate | None


def _charged(
    use: tuple[str, str, int, str],
    prompts: tuple[int | None, int],
    span: tuple[datetime, datetime],
    rates: Sequence[Rate],
    model: str | None,
) -> PricedUse:
    told_kind, unit, quantity, service_tier = use
    kind = charged_as(told_kind, rates)
    known, most = prompts
    now, *later = (standing(rates, (kind, unit, service_tier), known, moment) for moment in (span[0], *_turns(rates, *span)))
    plain = PricedUse(told_kind, quantity, unit)
    if any(one != now for one in later):
        return replace(plain, unpriced=("rate changed",))
    if told_kind in NO_KINDS or model is None:
        return replace(plain, unpriced=("kind unknown" if told_kind in NO_KINDS else "model unknown",))
    if now.rate is None:
        # before and after there is no rate, and why may be another reason
        return replace(plain, unpriced=("no rate", "rate changed") if later else ("no rate",))
    if quantity < 0 or cost_of(now.rate, quantity, unit) >= TOO_MUCH:
        return replace(plain, unpriced=("quantity unknown" if quantity < 0 else "too large",))
    doubted = (most if known is None else known) > now.doubt_over
    bound = cost_of(now.dearest, quantity, unit) if doubted and now.dearest else None
    bound = None if bound is None or bound >= TOO_MUCH else bound
    rules = (kind != told_kind, "kind_else"), (now.over > 0, "long"), (doubted, "long_untold" if bound is None else "may_be_long")
    return replace(
        plain,
        charged_kind=kind,
        rate_id=now.rate.rate_id,
        cost=cost_of(now.rate, quantity, unit),
        cost_if_long=bound,
        may_be_long=doubted,
        rules=tuple(name for applies, name in rules if applies),
    )


def standing(rates: Sequence[Rate], use: tuple[str, str, str], known: int | None, at: datetime) -> RateThen:
    kind, unit, service_tier = use
    own = [rate for rate in rates if rate.service_tier == service_tier]
    steps = [0, *_steps(own, at), math.inf]
    over = max(step for step in steps if step < max(known or 0, 1))
    rate, up_to = rate_of(own, kind, known or 0, at), min(step for step in steps if step > over)
    if rate is None or over:
        return RateThen(over, up_to, rate, math.inf, None)
    longer = [rate_of(own, kind, int(step) + 1, at) for step in steps[1:-1]]
    if not longer:
        # what another tier charges for long prompts says nothing of this one, but that there may be something
        elsewhere = [
            step for other in {one.service_tier for one in rates} for step in _steps([o for o in rates if o.service_tier == other], at)
        ]
        return RateThen(over, up_to, rate, min(elsewhere, default=math.inf), None)
    each = [None if one is None else each_of(one, unit) for one in longer]
    if all(one == each_of(rate, unit) for one in each):
        return RateThen(over, up_to, rate, math.inf, None)
    dearest = None if None in each else longer[each.index(max(one for one in each if one is not None))]
    return RateThen(over, up_to, rate, up_to, dearest)


def charged_as(kind: str, rates: Sequence[Rate]) -> str:
    known = {rate.token_kind for rate in rates}
    other = "image" if kind.startswith("image_") and kind[6:7].isdigit() else READ_LIKE_TEXT.get(kind)
    return other if other in known and kind not in known else kind


def rate_of(own: Sequence[Rate], kind: str, prompt_tokens: int, at: datetime) -> Rate | None:
    """A long prompt is charged as a whole by the highest step that it is over; a region's own rate comes before any."""
    there = [rate for rate in own if _stands(rate, at)]
    over = max((rate.prompt_tokens_over for rate in there if rate.prompt_tokens_over < max(prompt_tokens, 1)), default=None)
    found = sorted(
        (rate for rate in there if rate.token_kind == kind and rate.prompt_tokens_over == over), key=lambda one: one.region == "any"
    )
    return found[0] if found else None


def each_of(rate: Rate, unit: str) -> Fraction:
    return Fraction(rate.price) / (rate.per * (1 if unit == rate.unit else UNITS_IN[unit, rate.unit]))


def cost_of(rate: Rate, quantity: int, unit: str) -> Decimal:
    """To the 18th decimal, a half away from nothing."""
    exact = each_of(rate, unit) * quantity * LAST
    return WIDE.divide(Decimal((2 * exact.numerator + exact.denominator) // (2 * exact.denominator)), Decimal(LAST))


def _stands(rate: Rate, at: datetime) -> bool:
    return (rate.effective_from is None or rate.effective_from <= at) and (rate.effective_to is None or at < rate.effective_to)


def _steps(own: Sequence[Rate], at: datetime) -> list[int]:
    return sorted({rate.prompt_tokens_over for rate in own if _stands(rate, at)} - {0})


def _turns(rates: Sequence[Rate], start: datetime, until: datetime) -> Iterator[datetime]:
    moments = {moment for rate in rates for moment in (rate.effective_from, rate.effective_to) if moment is not None}
    return (moment for moment in moments if start < moment < until)
