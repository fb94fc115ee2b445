"""The files that a page tells of: each block of code stands under its path in bold; `one line more` is added to a file that is there, and
`as` another one is a copy of it, with one provider's name for the other's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NAMED = re.compile(
    r"^\*\*`(?P<path>[^`\n]+)`\*\*(?P<said>(?:(?!\n\n\*\*|\n```).)*)\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
EMPTY = re.compile(r"^(?:- )?\*\*`([^`\n]+)`\*\*, empty\.$", re.MULTILINE)
COPY = re.compile(r"^- \*\*`([^`\n]+)`\*\*, as \[[^\]\n]+\]\(\.\./\.\./([^)\n]+)\)\.$", re.MULTILINE)
RENAMED = (("openai", "birch"), ("OpenAI", "Birch"))
ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```\w+$", re.MULTILINE)
ADDED = "one line more"


@dataclass(frozen=True)
class Named:
    path: str
    text: str
    added: bool = False
    copied: bool = False

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def write(self, tree: Path) -> None:
        path = tree / self.path
        if path.exists() != self.added:
            raise AssertionError(f"{self.path} is {'not ' if self.added else ''}there already")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if self.added else "") + self.text)


def files_of(page: Path) -> Iterator[Named]:
    text = page.read_text(encoding="utf-8")
    yield from (Named(path, "") for path in EMPTY.findall(text))
    yield from (Named(path, _renamed(ROOT / source), copied=True) for path, source in COPY.findall(text))
    found = [Named(block["path"], block["text"], ADDED in block["said"]) for block in NAMED.finditer(text)]
    if len(found) != len(BLOCK.findall(text)):
        raise AssertionError(f"{page.name} has a block of code without the path it stands for")
    yield from found


def _renamed(source: Path) -> str:
    text = source.read_text(encoding="utf-8")
    for name, other in RENAMED:
        text = text.replace(name, other)
    return text
