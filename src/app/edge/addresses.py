"""What was meant by an address that nothing is served at. The routes form a tree, so that a look at it touches few of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from starlette.routing import BaseRoute

PREFIX: Final = ("api", "v1")
LONGEST_SEGMENT: Final = 60
MOST_SEGMENTS: Final = 12
LIKENESS: Final = 0.6


@dataclass(slots=True)
class _Node:
    served: bool = False
    words: dict[str, "_Node"] = field(default_factory=dict)
    named: dict[str, "_Node"] = field(default_factory=dict)
    """Parts of any text, by the names of their parameters."""


@dataclass(frozen=True, slots=True)
class Addresses:
    root: _Node

    @classmethod
    def of(cls, routes: Iterable[BaseRoute]) -> "Addresses":
        root = _Node()
        for route in routes:
            template: str | None = getattr(route, "path_format", None)
            if template is not None:
                node = root
                for part in _parts(template):
                    beneath = node.named if part.startswith("{") else node.words
                    node = beneath.setdefault(part, _Node())
                node.served = True
        return cls(root)

    def nearest(self, path: str) -> str | None:
        """The address that works, with what was given in it."""
        given = _parts(path)
        if len(given) > MOST_SEGMENTS:
            return None
        for parts in (given, [*PREFIX, *given], [*PREFIX[:1], *given], [*PREFIX, *given[1:]]):
            found = _walk(self.root, parts)
            if found is not None:
                return "/" + "/".join(found)
        return None

    def known(self, path: str) -> tuple[str, list[str]]:
        """As far as the path leads, and what there is beneath."""
        node, passed, given = self.root, [], _parts(path)
        for part in given if given[:1] == [PREFIX[0]] else PREFIX:
            following = node.words.get(part) or next(iter(node.named.values()), None)
            if following is None or not (following.words or following.named):
                break
            node = following
            passed.append(part)
        while len(node.words) + len(node.named) == 1 and node.words:
            [(part, node)] = node.words.items()
            passed.append(part)
        return "/" + "/".join(passed), [*sorted(node.words), *node.named]


def addresses_of(app: Any) -> Addresses:
    """Made at the first address that is not served."""
    if not hasattr(app.state, "addresses"):
        app.state.addresses = Addresses.of(app.router.routes)
    addresses: Addresses = app.state.addresses
    return addresses


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _walk(node: _Node, parts: Sequence[str]) -> list[str] | None:
    if not parts:
        return [] if node.served else None
    part, *rest = parts
    exact = node.words.get(part)
    near = get_close_matches(part.lower(), node.words, n=1, cutoff=LIKENESS) if exact is None and len(part) <= LONGEST_SEGMENT else []
    for said, beneath in ((part, exact), *((word, node.words[word]) for word in near), *((part, one) for one in node.named.values())):
        found = _walk(beneath, rest) if beneath is not None else None
        if found is not None:
            return [said, *found]
    return None
