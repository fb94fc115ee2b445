import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretBytes, SecretStr

from src.core.base.faults import Flaw, Rejected
from src.core.base.secret import Secret
from src.core.pipeline.mask import LONGEST_TEXT, Mask


class Plan(StrEnum):
    SCALE = "SCALE"


@dataclass
class Pair:
    key: Secret
    name: str


class Model(BaseModel):
    inner: SecretStr


HOLDERS = [
    Secret("canary-1"),
    SecretStr("canary-1"),
    SecretBytes(b"canary-1"),
    [Secret("canary-1")],
    {"a": ({"b": SecretStr("canary-1")},)},
    Pair(Secret("canary-1"), "n"),
    Model(inner=SecretStr("canary-1")),
    {frozenset([Secret("canary-1")])},
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_a_secret_is_masked_wherever_it_is_held_and_where_its_text_is_quoted(holder):
    mask = Mask()
    mask.learn(holder)

    told = json.dumps(mask.plain({"held": holder, "said": "it was canary-1, was it?", "canary-1": 1}))

    assert "canary-1" not in told
    assert "it was ****, was it?" in told


@pytest.mark.parametrize(
    "name", ["api_key", "apiKey", "X-API-Key", "password", "client_secret", "credential", "access_token", "Authorization"]
)
def test_what_is_named_like_a_secret_is_masked(name):
    assert Mask().plain({name: "plain text", f"{name}_fingerprint": "1234"}) == {name: "****", f"{name}_fingerprint": "1234"}


def test_numbers_under_such_a_name_stay():
    assert Mask().plain({"input_token": 5, "secret": None, "credential": True, "token": ["a"]}) == {
        "input_token": 5,
        "secret": None,
        "credential": True,
        "token": "****",
    }


@pytest.mark.parametrize("shape", ["acme_api_Ab12Cd34Ef56Gh78", "admin_" + "r" * 14, "sk-proj-abcdefgh12", "Bearer abcdefgh.ijk"])
def test_what_looks_like_a_secret_is_masked_though_nobody_called_it_one(shape):
    assert Mask().text(f"there is no {shape}") == "there is no ****"
    assert Mask().plain({"org_slug": shape, shape: 1}) == {"org_slug": "****", "****": 1}


def test_a_shape_is_masked_before_a_long_text_is_cut():
    cut = Mask().text("a " * (LONGEST_TEXT // 2 - 8) + "acme_api_Ab12Cd34Ef56Gh78" + " and more" * 99)

    assert "Ab12" not in cut


def test_lines_and_encodings_of_a_secret_are_known():
    mask = Mask()
    mask.learn(Secret("first line of it\nsecond/line of it\n"))

    assert mask.text('a "first line of it" b') == 'a "****" b'
    assert "line" not in mask.text(json.dumps("first line of it\nsecond/line of it\n"))
    assert mask.text("second%2Fline%20of%20it") != mask.text("zz")
    assert "line" not in mask.text("x=first%20line%20of%20it%0Asecond%2Fline%20of%20it%0A")


def test_a_secret_that_begins_like_another_is_masked_whole():
    mask = Mask()
    mask.learn([Secret("canary"), Secret("canary-and-more"), Secret("canary-and")])

    assert mask.text("canary-and-more canary-and canary") == "**** **** ****"


def test_what_json_does_not_hold_is_written_out():
    assert Mask().plain(
        {
            "day": date(2026, 11, 20),
            "at": datetime(2026, 11, 20, tzinfo=UTC),
            "cost": Decimal("1.10"),
            "plan": Plan.SCALE,
            "path": PurePosixPath("a/b"),
            "share": float("inf"),
            3: b"bytes",
        }
    ) == {
        "day": "2026-11-20",
        "at": "2026-11-20T00:00:00+00:00",
        "cost": "1.10",
        "plan": "SCALE",
        "path": "a/b",
        "share": "inf",
        "3": "<bytes>",
    }


def test_what_has_no_end_is_cut():
    endless: list[object] = []
    endless.append(endless)
    mask = Mask()
    mask.learn(endless)

    assert "<list>" in json.dumps(mask.plain(endless))
    assert len(mask.text("a" * 10 * LONGEST_TEXT)) < LONGEST_TEXT + 50


def test_a_fault_travels_on_without_the_secret():
    mask = Mask()
    mask.learn(Secret("canary-1"))

    fault = mask.fault(Rejected("no canary-1", flaws=[Flaw("bad canary-1", "key")], hint="canary-1", line=3))

    assert "canary" not in f"{fault!r} {fault} {fault.facts}"
    assert fault.facts["line"] == 3
    assert fault.flaws[0].field == "key"


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.decimals(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner)),
)


@given(VALUES)
def test_anything_can_be_written_as_json(value):
    json.dumps(Mask().plain(value), allow_nan=False)
