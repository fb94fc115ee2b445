"""Answers that show each provider's own facts: a model for each provider, and one answer that is any of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from src.core.base.faults import Misconfigured
from src.core.providers.packages import ShownConnection


def by_provider(connections: Mapping[str, type[ShownConnection]], ending: str, *parts: type[BaseModel]) -> Mapping[str, type[Any]]:
    """The fields of the first part, then those of the provider's connection, then those of the other parts."""
    return {name: _model(name, ending, [parts[0], connection, *parts[1:]]) for name, connection in connections.items()}


def any_of(models: Mapping[str, type[Any]]) -> Any:
    """The type of an answer that is one of these; which one, its `provider` says."""
    each: Any = reduce(or_, models.values())
    return each if len(models) == 1 else Annotated[each, Field(discriminator="provider")]


def _model(provider: str, ending: str, parts: list[type[BaseModel]]) -> type[BaseModel]:
    twice = [name for name, times in Counter(name for part in parts for name in part.model_fields).items() if times > 1]
    if twice:
        raise Misconfigured(f"the Connection of {provider} has {', '.join(twice)}, which every answer has already; call it otherwise")
    # pydantic takes the fields of the last base first
    bases = tuple(reversed(parts))
    camel = "".join(word.title() for word in provider.split("_"))
    named: Any = Literal[provider]
    return create_model(f"{camel}{ending}", __base__=bases, provider=(named, ...))


def kinds_told(kinds: Iterable[tuple[str, str]]) -> str:
    """What a credential is, for each provider."""
    return "; ".join(f"for {provider} {words}" for provider, words in kinds)
