"""What a pipeline's document asks to be told of each of its runs' ends."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from src.core.base.events import ChannelKind, EventType

HookWhen = Literal["on_success", "on_failure", "on_completion", "always"]
HOOKED: Final[dict[EventType, tuple[HookWhen, ...]]] = {
    "run.succeeded": ("on_success", "on_completion", "always"),
    "run.failed": ("on_failure", "on_completion", "always"),
}


class Hook(NamedTuple):
    when: HookWhen
    kind: ChannelKind
    channel: str
    """Its name, as the organisation gave it."""


HooksOf = Callable[[str], Sequence[Hook]]
"""Of the document of this id; none of one that is gone."""


def hooked(hooks: Sequence[Hook], type_: EventType) -> list[tuple[str, ChannelKind]]:
    """The channels that hooks send such an event to, each once, by name and kind."""
    words = HOOKED.get(type_, ())
    return list(dict.fromkeys((hook.channel, hook.kind) for hook in hooks if hook.when in words))
