"""Lists that are read at once are told in one order; the fault of one ends all, and leaves no thread."""

import threading
from collections.abc import Generator, Iterator, Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import StepFailed
from src.core.providers.http.pace import OtherFailed
from src.core.providers.http.side_by_side import side_by_side

Item = tuple[int, str]
PATIENCE = 10.0


def told(
    lists: Sequence[Iterator[Sequence[Item]]], at_once: int = 3, stopped: threading.Event | None = None
) -> Generator[Item, None, None]:
    return side_by_side(lists, lambda one: one[0], at_once, stopped or threading.Event())


def reading() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("pages")]


@given(
    lists=st.lists(st.lists(st.integers(0, 30), max_size=12).map(sorted), max_size=5),
    size=st.integers(1, 4),
    at_once=st.integers(1, 4),
)
def test_all_is_told_once_and_in_order(lists: list[list[int]], size: int, at_once: int):
    named = [[(day, f"{number}.{place}") for place, day in enumerate(days)] for number, days in enumerate(lists)]
    paged = [iter([one[at : at + size] for at in range(0, len(one), size)]) for one in named]

    found = list(told(paged, at_once))

    assert [day for day, _ in found] == sorted(day for days in lists for day in days)
    assert sorted(found) == sorted(item for one in named for item in one)
    assert not reading()


def test_they_are_read_at_the_same_time():
    both = threading.Barrier(2, timeout=PATIENCE)

    def waiting(name: str) -> Iterator[Sequence[Item]]:
        both.wait()
        yield [(1, name)]

    assert list(told([waiting("a"), waiting("b")])) == [(1, "a"), (1, "b")]


def test_of_each_list_the_page_after_the_one_that_is_told_is_read_and_no_more():
    read: list[int] = []

    def pages() -> Iterator[Sequence[Item]]:
        for number in range(9):
            read.append(number)
            yield [(number, "")]

    telling = told([pages()])
    assert list(islice(telling, 3)) == [(0, ""), (1, ""), (2, "")]
    assert len(read) <= 4
    telling.close()
    assert not reading()


def test_the_fault_of_one_ends_those_that_wait_and_is_the_one_that_is_told():
    stopped = threading.Event()

    def waits() -> Iterator[Sequence[Item]]:
        yield [(1, "first")]
        assert stopped.wait(PATIENCE)
        raise OtherFailed("ended")

    def fails() -> Iterator[Sequence[Item]]:
        yield [(1, "second")]
        raise StepFailed("page 7")

    with pytest.raises(StepFailed, match="page 7"):
        list(told([waits(), fails()], stopped=stopped))
    assert not reading()
