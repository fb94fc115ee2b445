"""What a schedule hands to each of its runs: the days, by a word, and the pipeline's own inputs."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, get_args

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean
from src.core.base.window import Window, WindowWord

WINDOW: Final = "window"
USUAL: Final[WindowWord] = "yesterday"
WORDS: Final[tuple[WindowWord, ...]] = get_args(WindowWord)


def word_of(parameters: Mapping[str, Any]) -> WindowWord:
    said = parameters.get(WINDOW, USUAL)
    if said not in WORDS:
        shown = str(said)[:40]
        message = f"{shown!r} names no days; the words are {', '.join(WORDS)}{did_you_mean(shown, WORDS)}"
        raise Rejected(f"parameters.window: {message}", flaws=[Flaw(message, "parameters.window")])
    word: WindowWord = said
    return word


def window_of(parameters: Mapping[str, Any], today: date) -> Window:
    """`today` is the day on which it falls due, in the schedule's own zone."""
    return Window.named(word_of(parameters), today)


def inputs_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != WINDOW}
