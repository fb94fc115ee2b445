from datetime import date
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from src.core.base.documents import MAX_DEPTH, Document, locate_document, parse_document, read_document
from src.core.base.faults import Fault, Flaw, Misconfigured


class Colour(StrEnum):
    RED = "red"


class Leaf(Document):
    count: int = 0
    share: float = 0.0
    flag: bool = False
    day: date | None = None
    colour: Colour | None = None
    counts: list[int] = Field(default_factory=list)
    maybe: int | None = None
    anything: Any = None


class Tree(Document):
    name: str
    leaf: Leaf | None = None
    leaves: dict[str, Leaf] = Field(default_factory=dict)
    row: tuple[Leaf, ...] = ()


def flaws(text: str) -> list[str]:
    with pytest.raises(Misconfigured) as raised:
        parse_document(text, Tree, "tree.yml")
    return [str(flaw) for flaw in raised.value.flaws]


def test_a_document_is_read_as_it_is_written():
    tree = parse_document(
        "name: a\nleaf: {count: 3, share: 2, flag: true, day: 2026-11-20, colour: red, counts: [1, 2]}\nrow: [{share: 0.5}]\n", Tree, "t"
    )

    assert tree.leaf == Leaf(count=3, share=2.0, flag=True, day=date(2026, 11, 20), colour=Colour.RED, counts=[1, 2])
    assert tree.row[0].share == 0.5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("leaf: {}\n", ["tree.yml:1: name: the key 'name' is needed here"]),
        ("name: a\nleef: {}\n", ["tree.yml:2: leef: unknown key 'leef'; did you mean 'leaf'?"]),
        ("name: a\nzz: 1\n", ["tree.yml:2: zz: unknown key 'zz'; known here: leaf, leaves, name, row"]),
        ("name: a\nleaves:\n  x:\n    cuont: 1\n", ["tree.yml:4: leaves.x.cuont: unknown key 'cuont'; did you mean 'count'?"]),
        ("name: a\nrow:\n- {}\n- cuont: 1\n", ["tree.yml:4: row[1].cuont: unknown key 'cuont'; did you mean 'count'?"]),
        ("name: a\nleaf: {count: '3'}\n", ["tree.yml:2: leaf.count: '3' is not a whole number; write it without quotes"]),
        ("name: a\nleaf: {count: true}\n", ["tree.yml:2: leaf.count: True is not a whole number"]),
        ("name: a\nleaf: {count: 3.0}\n", ["tree.yml:2: leaf.count: 3.0 is not a whole number"]),
        ("name: a\nleaf: {flag: 1}\n", ["tree.yml:2: leaf.flag: 1 is not true or false"]),
        ("name: a\nleaf: {flag: 'yes'}\n", ["tree.yml:2: leaf.flag: 'yes' is not true or false; write it without quotes"]),
        ("name: a\nleaf: {share: '1'}\n", ["tree.yml:2: leaf.share: '1' is not a number; write it without quotes"]),
        ("name: a\nleaf: {maybe: '1'}\n", ["tree.yml:2: leaf.maybe: '1' is not a whole number; write it without quotes"]),
        ("name: a\nleaf: {counts: [1, '2']}\n", ["tree.yml:2: leaf.counts: '2' is not a whole number; write it without quotes"]),
        (
            "name: 3\nleaf: 4\n",
            ["tree.yml:1: name: Input should be a valid string", "tree.yml:2: leaf: a mapping (key: value) is needed here"],
        ),
        (
            "name: a\nname: b\nleaf: {flag: true, flag: false}\n",
            ["tree.yml:2: name: this key stands twice", "tree.yml:3: leaf.flag: this key stands twice"],
        ),
        ("name: a\non: 1\n", ["tree.yml:2: on: a key that YAML does not read as text; put it in quotes"]),
        ("name: a\n? [b]\n: 1\n", None),
        ("name: a\nleaf: {day: 2026-13-45}\n", ["tree.yml:2: '2026-13-45' is not a value; put it in quotes"]),
        ("name: &x a\nleaf: *x\n", ["tree.yml:2: aliases are not read here; write out what *x stands for"]),
        (
            "name: !!python/object/apply:os.system [id]\n",
            ["tree.yml:1: tags are not read here; leave out 'tag:yaml.org,2002:python/object/apply:os.system'"],
        ),
        ("name: a\n---\nname: b\n", None),
        ("name: [\n", None),
        ("name: a\n\tleaf: 1\n", None),
        ("name: \x07\n", None),
        ("name: \ud800\n", None),
        ("", ["tree.yml:1: name: the key 'name' is needed here"]),
        ("[]", ["tree.yml:1: a mapping (key: value) is needed here"]),
    ],
)
def test_a_wrong_document_says_what_and_where(text, told):
    found = flaws(text)
    assert all(flaw.startswith("tree.yml") for flaw in found)
    if told is not None:
        assert found == told


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_a_document_too_deep_is_refused_before_it_can_do_harm(opening):
    assert any("nested deeper than" in flaw or "tree.yml" in flaw for flaw in flaws(opening * 50_000))
    assert f"tree.yml:1: nested deeper than {MAX_DEPTH}" in flaws("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_an_alias_bomb_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert flaws("\n".join(lines)) == ["tree.yml:2: aliases are not read here; write out what *a0 stands for"]


@pytest.mark.parametrize("prepare", ["nothing", "folder", "bytes"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, prepare):
    path = tmp_path / "tree.yml"
    if prepare == "folder":
        path.mkdir()
    if prepare == "bytes":
        path.write_bytes(b"name: \xff\xfe\n")

    with pytest.raises(Misconfigured) as raised:
        read_document(path, Tree, "configs/tree.yml")

    assert [flaw.file for flaw in raised.value.flaws] == ["configs/tree.yml"]


def test_a_located_document_knows_the_line_of_each_part():
    located = locate_document("name: a\nrow:\n  - count: 1\n  - count: 2\n", Tree, "tree.yml")

    assert str(located.flaw("is odd", "row", 1, "count")) == "tree.yml:4: row[1].count: is odd"
    assert str(located.flaw("is not said", "row", 1, "share")) == "tree.yml:4: row[1].share: is not said"


YAMLISH = st.text(alphabet="ab1-:{}[],&*!|>#'\"%@`?\n\t ~.0eE_x+=<\\\u00e9\ud800\x00", max_size=60)


@settings(max_examples=600, deadline=None)
@given(
    st.one_of(
        YAMLISH,
        st.text(max_size=40),
        st.lists(st.sampled_from(["name: a", "leaf:", "  on: yes", "- 1", "0b_", "1e400", "? x", "<<: a", "2026-99-99"])).map("\n".join),
    )
)
def test_no_text_does_more_than_fault(text):
    flaws: tuple[Flaw, ...] | None = None
    try:
        parse_document(text, Tree, "tree.yml")
    except Fault as fault:
        flaws = fault.flaws
    assert flaws != ()
