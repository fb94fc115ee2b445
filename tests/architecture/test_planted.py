"""The list of planted defects fits the tree: what is moved is moved there too."""

from collections import Counter
from functools import cache
from pathlib import Path

from tests.planted import PLANTED

ROOT = Path(__file__).resolve().parents[2]
LEAST = 30

text = cache(Path.read_text)


def test_every_line_stands_once_in_its_file_and_would_change():
    found = {(one.file, one.line): text(ROOT / one.file).count(one.line) for one in PLANTED}

    assert {place: times for place, times in found.items() if times != 1} == {}
    assert [one.line for one in PLANTED if one.line == one.wrong or "\n" in one.line + one.wrong] == []


def test_every_test_that_is_to_see_one_is_there():
    named = [name.partition("::") for one in PLANTED for name in one.tests]

    assert [path for path, _, _ in named if not (ROOT / path).is_file()] == []
    assert [(path, test) for path, _, test in named if test and f"def {test.partition('[')[0]}(" not in text(ROOT / path)] == []


def test_there_are_enough_and_each_says_what_it_does():
    assert len(PLANTED) >= LEAST
    assert [harm for harm, times in Counter(one.harm for one in PLANTED).items() if times > 1 or harm[-1] == "."] == []
