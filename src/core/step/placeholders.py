"""Variables of a document: `{name}` in its texts, `{{` and `}}` for braces.

In SQL a value becomes a bound parameter and never text; only a checked identifier is put in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

from src.core.base import names
from src.core.base.faults import Misconfigured, Rejected
from src.core.base.names import did_you_mean

Kind = Literal["value", "identifier"]
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SQL_KEY = re.compile(r"(.+_)?(query|sql)")
BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

# three quotes are looked for before one, which would find an empty text in them; `other` takes whatever is left
# a quote in a remark opens no text, and two dashes in a text no remark: each is read from its beginning to its end
# What GoogleSQL reads as one piece, so that a variable inside it is seen for what it is: text, a quoted name, a remark.
PIECES = re.compile(
    r"""
      (?P<remark>--[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<text>[rR]?[bB]?[rR]?(?:'{3}(?:\\.|.)*?(?:'{3}|\Z)|"{3}(?:\\.|.)*?(?:"{3}|\Z)|'(?:\\.|[^'\\\n])*(?:'|$)|"(?:\\.|[^"\\\n])*(?:"|$)))
    | (?P<quoted>`(?:\\.|[^`\\\n])*(?:`|$))
    | (?P<word>(?:[A-Za-z0-9_@$]|\{[A-Za-z][^{}\n]*\})+)
    | (?P<other>\{\{|\}\}|.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


class Identifier(str):
    """A name that may stand in SQL as it is."""

    __slots__ = ()

    def __new__(cls, text: str) -> "Identifier":
        return super().__new__(cls, names.identifier(text))


Value: TypeAlias = str | int | float | bool | Decimal | date | None
Variables: TypeAlias = Mapping[str, Value]
Kinds: TypeAlias = Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class _Word:
    """Letters, digits and variables with nothing between them."""

    text: str

    @property
    def used(self) -> list[str]:
        return [found[1] for found in BRACES.finditer(self.text) if found[1] is not None]

    @property
    def whole(self) -> bool:
        return self.text == f"{{{self.used[0]}}}"


def kind_of(value: Value) -> Kind:
    return "identifier" if isinstance(value, Identifier) else "value"


def fill(text: str, variables: Variables) -> str:
    """The text with every variable written out."""

    def written(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        return _text(_value(found[1], variables))

    if is_plain(text):
        return text
    _refuse(text_flaws(text, variables))
    return BRACES.sub(written, text)


def is_plain(text: str) -> bool:
    """Most are, and whoever accepts a run waits for them to be filled."""
    return "{" not in text and "}" not in text


def bind_sql(text: str, variables: Variables) -> tuple[str, dict[str, Value]]:
    """GoogleSQL with `@name` for every value, and the parameters it takes; identifiers are put in, quoted where they stand alone."""
    if is_plain(text):
        return text, {}
    _refuse(sql_flaws(text, {name: kind_of(value) for name, value in variables.items()}))
    params: dict[str, Value] = {}
    parts = [_bound(found, variables, params) for found in PIECES.finditer(text)]
    return "".join(parts), params


def stand_in(text: str, kinds: Kinds) -> str | None:
    """The SQL as it is bound whatever the values, for whoever reads its grammar; None where it cannot be."""
    if sql_flaws(text, kinds):
        return None
    return bind_sql(text, {name: Identifier(name) if kind == "identifier" else name for name, kind in kinds.items()})[0]


def given_names(text: str) -> set[str]:
    """The parameters that SQL names itself, without those of variables."""
    words = (found[0] for found in PIECES.finditer(text) if found.lastgroup == "word")
    return {word[1:] for word in words if word.startswith("@") and not word.startswith("@@")}


def _bound(found: re.Match[str], variables: Variables, params: dict[str, Value]) -> str:
    piece = found[0]
    if found.lastgroup == "remark":
        return piece
    if found.lastgroup in ("text", "quoted"):
        return fill(piece, variables)
    if found.lastgroup == "other":
        return piece[0] if piece in ("{{", "}}") else piece
    word = _Word(piece)
    if not word.used:
        return piece
    name = word.used[0]
    value = _value(name, variables)
    if word.whole and not isinstance(value, Identifier):
        params[name] = value
        return f"@{name}"
    return f"`{Identifier(fill(piece, variables))}`"


def text_flaws(text: str, known: Mapping[str, object]) -> list[str]:
    """What keeps a text from being filled, whatever the values."""
    found = []
    for match in BRACES.finditer(text):
        if match[0] in ("{", "}"):
            found.append(f"a single {match[0]!r}; write {match[0] * 2!r} for a brace")
        elif match[1] is not None:
            found += _name_flaws(match[1], known)
    return found


def sql_flaws(text: str, kinds: Kinds) -> list[str]:
    """What keeps a SQL text from being bound, whatever the values."""
    found: list[str] = []
    for match in PIECES.finditer(text):
        if match.lastgroup == "remark":
            continue
        piece = match[0]
        found += text_flaws(piece, kinds)
        used = [name for name in _Word(piece).used if name in kinds]
        values = [name for name in used if kinds[name] == "value"]
        if values and match.lastgroup in ("text", "quoted"):
            found.append(f"{{{values[0]}}} is a value and becomes a parameter: take it out of the {_around(match.lastgroup)}")
        elif values and not _Word(piece).whole:
            found.append(f"{{{values[0]}}} is a value and becomes a parameter: it cannot be part of the word {piece!r}")
    return found


def _around(group: str) -> str:
    return "quotes" if group == "text" else "backquotes, or declare it with `kind: identifier`"


def _name_flaws(name: str, known: Mapping[str, object]) -> list[str]:
    if not NAME.fullmatch(name):
        return [f"{{{name[:60]}}} is not a variable; write {{{{ and }}}} for braces"]
    if name not in known:
        hint = did_you_mean(name, known) or f"; known here: {', '.join(sorted(known))}"
        return [f"the variable {{{name}}} is not declared{hint}"]
    return []


def _refuse(flaws: list[str]) -> None:
    if flaws:
        raise Misconfigured("a text with variables is wrong: " + "; ".join(flaws))


def _value(name: str, variables: Variables) -> Value:
    value = variables[name]
    if value is None:
        raise Rejected(f"{name} is needed here, and was not given")
    return value


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
