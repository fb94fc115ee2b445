"""What one event says, put together by its template in `configs/notify_systems/events`: plain texts, which each layout escapes once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

PartKind = Literal["say", "heading", "points", "facts", "table"]


@dataclass(slots=True)
class MessagePart:
    kind: PartKind
    text: str = ""
    points: list[str] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(slots=True)
class ToldEvent:
    """Its methods are what a template calls. What follows its like is put beside it, a fact without a value is left out."""

    list_limit: int
    headline: str = ""
    colour: str = "#1f2933"
    parts: list[MessagePart] = field(default_factory=list)

    def words(self) -> dict[str, Callable[..., Any]]:
        return {
            "headline": self._set_headline,
            "say": self._say,
            "heading": self._heading,
            "point": self._point,
            "fact": self._fact,
            "columns": self._columns,
            "row": self._row,
            "rest": self._rest,
        }

    def _set_headline(self, caller: Callable[[], str]) -> str:
        self.headline = _sentence(caller)
        return ""

    def _say(self, caller: Callable[[], str]) -> str:
        self.parts.append(MessagePart("say", _sentence(caller)))
        return ""

    def _heading(self, caller: Callable[[], str]) -> str:
        self.parts.append(MessagePart("heading", _sentence(caller)))
        return ""

    def _point(self, caller: Callable[[], str]) -> str:
        self._last("points").points.append(_sentence(caller))
        return ""

    def _fact(self, label: str, value: str | None) -> None:
        if value:
            self._last("facts").rows.append((label, value))

    def _columns(self, *names: str) -> None:
        self.parts.append(MessagePart("table", columns=names))

    def _row(self, *cells: str | None) -> None:
        self._last("table").rows.append(tuple(cell or "unknown" for cell in cells))

    def _rest(self, members: Sequence[object]) -> None:
        more = len(members) - self.list_limit
        if more > 0:
            self.parts.append(MessagePart("say", f"And {more:,} more."))

    def _last(self, kind: PartKind) -> MessagePart:
        if not self.parts or self.parts[-1].kind != kind:
            self.parts.append(MessagePart(kind))
        return self.parts[-1]


def _sentence(caller: Callable[[], str]) -> str:
    return " ".join(caller().split())
