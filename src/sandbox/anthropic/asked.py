"""How any report is asked: parameters, moments and cursors, read as Anthropic reads them and refused in its words."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from src.sandbox.anthropic.problems import AnthropicProblem, bad

CURSOR = "page_"
WIDTHS: Mapping[str, timedelta] = {"1d": timedelta(days=1), "1h": timedelta(hours=1), "1m": timedelta(minutes=1)}
Given = Mapping[str, tuple[str, ...]]


def given(params: Sequence[tuple[str, str]], once: Collection[str], lists: Collection[str]) -> Given:
    """A list comes as `name[]=a&name[]=b`."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in params:
        plain = name.removesuffix("[]")
        if plain not in (lists if name.endswith("[]") else once) or (plain in once and plain in found):
            raise bad(f"{name}: Extra inputs are not permitted")
        found[plain] = (*found.get(plain, ()), value)
    return found


def one_of(told: Given, name: str, supported: Collection[str], usual: str | None) -> str | None:
    value = told.get(name, (usual,))[0]
    if value is not None and value not in supported:
        raise bad(f"{name}: Input should be {' or '.join(repr(one) for one in supported)}")
    return value


def each_of(told: Given, name: str, supported: Collection[str]) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(told.get(name, ())))
    wrong = next((one for one in values if one not in supported), None)
    if wrong is not None:
        raise bad(f"{name}.0: Input should be {', '.join(repr(one) for one in supported)}; it is {wrong[:40]!r}")
    return values


def number(told: Given, name: str, usual: int, most: int) -> int:
    text = told.get(name, (str(usual),))[0]
    value = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= value <= most:
        raise bad(f"{name}: Input should be greater than or equal to 1 and less than or equal to {most}")
    return value


def moment(told: Given, name: str) -> datetime | None:
    if name not in told:
        return None
    try:
        read = datetime.fromisoformat(told[name][0].replace("Z", "+00:00"))
    except ValueError:
        raise bad(f"{name}: Input should be a valid datetime, invalid character in year") from None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def floored(at: datetime, width: timedelta) -> datetime:
    return at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % width


def shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def digest_of(*told: object) -> str:
    return sha256(repr(told).encode()).hexdigest()[:12]


def cursor(digest: str, place: int | str) -> str:
    return CURSOR + urlsafe_b64encode(json.dumps([digest, place]).encode()).decode()


def placed(told: Given, digest: str) -> int | str | None:
    if "page" not in told:
        return None
    try:
        belongs, place = json.loads(urlsafe_b64decode(told["page"][0].removeprefix(CURSOR)))
    except ValueError:
        belongs, place = None, 0
    if belongs != digest or not isinstance(place, int | str):
        raise bad("page: Invalid page token")
    return place


def missing(path: str) -> AnthropicProblem:
    return AnthropicProblem(404, f"Not found: {path}")
