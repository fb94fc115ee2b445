"""Puts tables, and the rows of them that are asked for, into the questions beside a `books.yml`. A name in braces stands for them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from src.core.base.documents import read_text
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean, identifier
from src.core.base.schema import TableSchema

PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
ROWS, METERS = "rows", "meters"


@dataclass(frozen=True, slots=True)
class QuestionPlaces:
    """What a question may name."""

    raw: tuple[str, ...]
    """The tables of raw rows."""
    texts: Mapping[str, str]
    """What is put in, by name."""

    def with_text(self, name: str, text: str) -> "QuestionPlaces":
        return QuestionPlaces(self.raw, {**self.texts, name: within(text)})

    def with_name(self, name: str, of: str) -> "QuestionPlaces":
        """Another name for what is put in."""
        return QuestionPlaces(self.raw, {**self.texts, name: self.texts[of]})

    def put_into(self, path: Path) -> str:
        text = question_text(path)
        flaws = []
        for found in PLACE.finditer(text):
            if found[1] not in self.texts:
                line = text.count("\n", 0, found.start()) + 1
                flaws.append(Flaw(self._said(found[1]), found[0], str(path), line))
        if flaws:
            raise Misconfigured("books cannot be kept", flaws=flaws)
        return PLACE.sub(lambda found: self.texts[found[1]], text)

    def _said(self, name: str) -> str:
        if name == ROWS and len(self.raw) > 1:
            return f"say of which table: {', '.join(f'{{{table}}}' for table in self.raw)}"
        known = ", ".join(f"{{{one}}}" for one in self.texts)
        return f"stands for nothing here{did_you_mean(name, self.texts) or f'; these do: {known}'}"


def question_file(configs: Path, folder: Path, name: str) -> Path:
    """A name with a slash is a path below `configs`: what is asked of several providers alike stands there once."""
    return configs / name if "/" in name else folder / "books" / name


def question_text(path: Path) -> str:
    return read_text(path, str(path))


def put(question: str, **names: str) -> str:
    for name, value in names.items():
        question = question.replace(f"{{{name}}}", identifier(value))
    return question


def alike(question: str, columns: Iterable[str], schema: TableSchema) -> str:
    """`{alike}` is what these columns of a row say, by dotted path."""
    moments = {column.name for column in schema.fields if column.type == "TIMESTAMP"}
    named = {column: ".".join(f"`{identifier(part)}`" for part in column.split(".")) for column in columns}
    plain = (f"UNIX_MICROS({name})" if column in moments else name for column, name in named.items())
    texts = ", '|', ".join(f"COALESCE(CAST({one} AS STRING), '')" for one in plain)
    return question.replace("{alike}", f"CONCAT({texts})")


def over(question: str, rows: str) -> str:
    return question.replace(f"{{{ROWS}}}", within(rows))


def within(query: str) -> str:
    # on lines of their own: a query may end with a remark
    return f"(\n{query.strip()}\n)"
