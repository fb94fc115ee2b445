"""What others wrote, made fit to stand in a message: it is shown, and does nothing."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from src.core.base.redaction import redacted_text

# long enough for any sentence; what is longer was not written to be read in a message
LONGEST_TEXT: Final = 400
LONGEST_LINE: Final = 180
# these join the letters of several scripts; all other signs that are not seen turn text around or hide it
JOINERS: Final = "\u200c\u200d"
SPACES: Final = re.compile(r"\s+")


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Without line breaks, signs that are not seen, and secrets."""
    # what is cut off anyway need not be looked at
    seen = "".join(_sign(letter) for letter in text[: longest * 4])
    seen = redacted_text(SPACES.sub(" ", seen).strip())
    return seen if len(seen) <= longest else f"{seen[: longest - 3].rstrip()}..."


def _sign(letter: str) -> str:
    category = unicodedata.category(letter)
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    if category == "Cs":
        return "\ufffd"
    return "" if category == "Cf" and letter not in JOINERS else letter


def harmless(value: object) -> Any:
    """An event's data with every text in it as `one_line` has it."""
    if isinstance(value, str):
        return one_line(value, LONGEST_TEXT)
    if isinstance(value, Mapping):
        return {one_line(str(name)): harmless(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(item) for item in value]
    return value
