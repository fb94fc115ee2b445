"""Answers read by a model: one that is of another shape fails by the name of the place, and quotes nothing of what it holds."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from src.core.base.faults import StepFailed, Unavailable
from src.core.providers.http.client import HttpAnswer

NO_JSON = (
    "is no JSON: it was cut short, or something between here and there answered in its place. Ask again; if it stays so, look at the "
    "network's proxy and at where the provider is asked"
)
W = TypeVar("W", bound="WireModel")


class WireModel(BaseModel):
    """What is read of an answer; the rest of it is left where it is."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


def read(answer: HttpAnswer, shape: type[W], provider: str, asked: str) -> W:
    """`provider` as people call it, and what it was asked for."""
    if answer.body is None:
        raise Unavailable(f"{provider}'s answer to {asked} {NO_JSON}")
    try:
        return shape.model_validate(answer.body)
    except ValidationError as wrong:
        place = ".".join(str(part) for part in wrong.errors(include_input=False)[0]["loc"])
        raise StepFailed(f"{provider}'s answer to {asked} is not of the shape it should have (at {place or 'its root'})") from None
