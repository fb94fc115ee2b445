"""A model's name as usage tells it, and the name under which a book prices it. Pure: the same name and book give the same answer.

The rules stand in this order, and the first that finds a name of the book is the answer. What the book prices under its own name is
never taken for another, so a snapshot with a price of its own is found before the model that it is a snapshot of.

    exact        the book has it
    fine_tuned   a model trained by a customer; it is priced as fine-tuned or not at all, never as what it was trained from
    alias        the provider calls the same model by another name: `model_aliases.csv` beside the seed
    regional     `eu.`, `us.` ...: where it is served
    platform     `models/`, `anthropic.`, `-v1:0` ...: how another platform writes it
    snapshot     a date at its end
    latest       `-latest` at its end

Regional, platform, snapshot and latest take a part off and ask again; an answer names each rule that it took.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

NameRule = Literal["exact", "alias", "fine_tuned", "regional", "platform", "snapshot", "latest"]

# cross-region inference profiles write where a model is served before its name
REGION = re.compile(r"(?P<region>eu|us|us-gov|apac|jp|au|ca|uk|in|sa|me|af|global)\.(?P<rest>.+)")
PLATFORM_BEFORE = re.compile(r"(?:models/|(?:openai|anthropic|deepseek|azure)[./])(?P<rest>.+)")
# with its colon: `-v2` alone may be another model
PLATFORM_AFTER = re.compile(r"(?P<rest>.+)-v\d+:\d+")
DATED = re.compile(r"(?P<rest>.+)[-@](?P<year>20\d\d)(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)", re.ASCII)
LATEST = re.compile(r"(?P<rest>.+)[-@:]latest")
# `ft:base:organisation:name:id`, with `:ckpt-step-n` after it for a checkpoint; Azure writes `base.ft-id`
TUNED = re.compile(r"ft:(?P<base>[^:]+)(?::.*)?|(?P<hosted>.+)\.ft-.*", re.DOTALL)
TUNED_BEFORE, TUNED_AFTER = "ft:", ".ft-"
LONGEST = 300


@dataclass(frozen=True, slots=True)
class ModelName:
    told: str
    model: str | None
    """None: unpriced."""
    rules: tuple[NameRule, ...] = ()
    region: str | None = None
    """Where the name says that it is served; another rate may apply there."""

    @property
    def reason(self) -> str:
        return "+".join(self.rules) if self.model is not None else " ".join(("unpriced", *self.rules))


@dataclass(frozen=True)
class ModelNames:
    """The names of one provider's book."""

    priced: Collection[str]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, told: str) -> ModelName:
        name = told.strip()
        if len(name) > LONGEST:
            return ModelName(told, None)
        as_told = self._found(told, name)
        return as_told if as_told.model is not None else self._found(told, name.lower())

    def _found(self, told: str, name: str) -> ModelName:
        rules: list[NameRule] = []
        region: str | None = None
        while True:
            if name in self.priced:
                return ModelName(told, name, tuple(rules) or ("exact",), region)
            tuned = TUNED.fullmatch(name)
            if tuned:
                return ModelName(told, self._tuned(tuned["base"] or tuned["hosted"]), (*rules, "fine_tuned"), region)
            if self.aliases.get(name) in self.priced:
                return ModelName(told, self.aliases[name], (*rules, "alias"), region)
            # one part at a time, what stands before the name first: a snapshot may have a price of its own
            shorter = next(_shorter(name), None)
            if shorter is None:
                return ModelName(told, None)
            rule, name, served = shorter
            region = region or served
            rules.append(rule)

    def _tuned(self, base: str) -> str | None:
        bases = [base, *(rest for _, rest, _ in _shorter(base))]
        written = [text for one in bases for text in (f"{TUNED_BEFORE}{one}", f"{one}{TUNED_AFTER}")]
        found = (self.aliases.get(text, text) for text in written)
        return next((text for text in found if text in self.priced and TUNED.fullmatch(text)), None)


def _shorter(name: str) -> Iterator[tuple[NameRule, str, str | None]]:
    if found := REGION.fullmatch(name):
        yield "regional", found["rest"], found["region"]
    if found := PLATFORM_BEFORE.fullmatch(name):
        yield "platform", found["rest"], None
    if found := PLATFORM_AFTER.fullmatch(name):
        yield "platform", found["rest"], None
    if (found := DATED.fullmatch(name)) and _is_day(found):
        yield "snapshot", found["rest"], None
    if found := LATEST.fullmatch(name):
        yield "latest", found["rest"], None


def _is_day(found: re.Match[str]) -> bool:
    try:
        date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return False
    return True
