"""A file that has left the list stays while anybody may read it, and nothing stays that no list names."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.engine.duckdb.store.gate import ListGate
from src.core.engine.duckdb.store.reclaim import Reclaim, swept


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def reclaim(raw: Path) -> Reclaim:
    raw.mkdir()
    return Reclaim(raw, lambda _: None)


def put(raw: Path, file: str) -> None:
    (raw / file).parent.mkdir(parents=True, exist_ok=True)
    (raw / file).write_text(file)


def published(reclaim: Reclaim, raw: Path, file: str, left: tuple[str, ...] = ()) -> None:
    reclaim.claim(file)
    put(raw, file)
    reclaim.settle([file], left, committed=True)


def standing(raw: Path) -> set[str]:
    return {str(path.relative_to(raw)) for path in raw.rglob("*") if path.is_file()}


def test_a_file_that_left_stays_until_each_older_reader_has_ended(reclaim, raw):
    published(reclaim, raw, "t/old")
    first, second = reclaim.opened(), reclaim.opened()
    published(reclaim, raw, "t/new", left=("t/old",))
    later = reclaim.opened()
    reclaim.closed(first)
    assert standing(raw) == {"t/old", "t/new"}
    reclaim.closed(second)
    assert standing(raw) == {"t/new"}
    reclaim.closed(later)
    assert standing(raw) == {"t/new"}


def test_readers_that_began_later_keep_nothing(reclaim, raw):
    published(reclaim, raw, "t/old")
    older = reclaim.opened()
    published(reclaim, raw, "t/new", left=("t/old",))
    reclaim.opened()
    reclaim.closed(older)
    assert standing(raw) == {"t/new"}


def test_what_a_publication_put_and_did_not_publish_goes_at_its_end(reclaim, raw):
    reader = reclaim.opened()
    reclaim.claim("t/day=1/new")
    put(raw, "t/day=1/new")
    reclaim.settle(["t/day=1/new"], [], committed=False)
    assert list(raw.iterdir()) == []
    reclaim.closed(reader)


def test_where_nobody_knows_whether_it_committed_everything_stays(reclaim, raw):
    published(reclaim, raw, "t/old")
    reclaim.claim("t/new")
    put(raw, "t/new")
    reclaim.settle(["t/new"], ["t/old"], committed=None)
    reclaim.closed(reclaim.opened())
    assert standing(raw) == {"t/old", "t/new"}


def test_a_file_that_is_published_again_while_it_waits_to_go_stays(reclaim, raw):
    published(reclaim, raw, "t/one")
    reader = reclaim.opened()
    published(reclaim, raw, "t/two", left=("t/one",))
    reclaim.claim("t/one")
    reclaim.closed(reader)
    assert "t/one" in standing(raw)
    reclaim.settle(["t/one"], ["t/two"], committed=True)
    assert standing(raw) == {"t/one"}


def test_a_file_that_waits_to_go_goes_when_its_second_publication_comes_to_nothing(reclaim, raw):
    published(reclaim, raw, "t/one")
    reader = reclaim.opened()
    published(reclaim, raw, "t/two", left=("t/one",))
    reclaim.claim("t/one")
    reclaim.closed(reader)
    reclaim.settle(["t/one"], [], committed=False)
    assert standing(raw) == {"t/two"}


@pytest.mark.parametrize("first_commits", [True, False])
@pytest.mark.parametrize("second_commits", [True, False])
def test_of_two_that_put_the_same_file_either_keeps_it(reclaim, raw, first_commits, second_commits):
    for _ in range(2):
        reclaim.claim("t/same")
        put(raw, "t/same")
    reclaim.settle(["t/same"], [], committed=first_commits)
    assert standing(raw) == {"t/same"}
    reclaim.settle(["t/same"], [], committed=second_commits)
    assert standing(raw) == ({"t/same"} if first_commits or second_commits else set())


def test_a_listed_file_outlives_a_publication_that_put_it_again_for_nothing(reclaim, raw):
    published(reclaim, raw, "t/one")
    reclaim.claim("t/one")
    put(raw, "t/one")
    reclaim.settle(["t/one"], [], committed=False)
    assert standing(raw) == {"t/one"}


def test_folders_go_with_their_last_file_but_for_those_a_publication_is_about_to_use(reclaim, raw):
    published(reclaim, raw, "t/day=1/used=1/one")
    published(reclaim, raw, "t/day=1/used=2/two")
    reclaim.claim("t/day=1/used=1/three")
    reclaim.settle([], ["t/day=1/used=1/one", "t/day=1/used=2/two"], committed=True)
    assert [str(path.relative_to(raw)) for path in sorted(raw.rglob("*"))] == ["t", "t/day=1", "t/day=1/used=1"]


steps = st.lists(
    st.tuples(st.sampled_from(["open", "close", "put", "drop", "fail"]), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40
)


@given(plan=steps)
def test_whatever_is_published_and_read_no_reader_misses_a_file_and_none_stays_for_good(plan, tmp_path_factory):
    raw = tmp_path_factory.mktemp("raw")
    reclaim = Reclaim(raw, lambda _: None)
    listed: set[str] = set()
    readers: list[tuple[int, set[str]]] = []
    for what, which, other in plan:
        file, second = f"t/{which}", f"t/{other}"
        if what == "open":
            readers.append((reclaim.opened(), set(listed)))
        elif what == "close" and readers:
            reclaim.closed(readers.pop(which % len(readers))[0])
        elif what == "put":
            left = {second} & listed - {file}
            published(reclaim, raw, file, left=tuple(left))
            listed = listed - left | {file}
        elif what == "drop":
            reclaim.settle([], {file} & listed, committed=True)
            listed -= {file}
        elif what == "fail":
            reclaim.claim(file)
            put(raw, file)
            reclaim.settle([file], [], committed=False)
        needed = listed.union(*(seen for _, seen in readers))
        assert needed <= standing(raw)
    for reader, _ in readers:
        reclaim.closed(reader)
    assert standing(raw) == listed


def test_what_no_list_names_is_swept_with_its_folders(raw, tmp_path):
    for file in ("t/day=1/kept", "t/day=1/left", "t/day=2/left", "u/day=1/left", ".part-1.parquet"):
        put(raw, file)
    put(tmp_path, "elsewhere/precious")
    (raw / "link").symlink_to(tmp_path / "elsewhere")
    (raw / "t/link").symlink_to(tmp_path / "elsewhere/precious")
    assert swept(raw, {"t/day=1/kept", "t/day=3/gone"}) == ["t/day=3/gone"]
    assert [str(path.relative_to(raw)) for path in sorted(raw.rglob("*"))] == ["t", "t/day=1", "t/day=1/kept"]
    assert (tmp_path / "elsewhere/precious").exists()


def test_nobody_publishes_while_one_is_alone_and_nobody_is_alone_while_one_publishes():
    gate, entered = ListGate(), threading.Event()

    def publish() -> None:
        with gate.publishing():
            entered.set()

    with gate.publishing(), gate.alone() as alone:
        assert not alone
    with gate.alone() as alone:
        assert alone
        publisher = threading.Thread(target=publish)
        publisher.start()
        assert not entered.wait(0.05)
    publisher.join(5)
    assert entered.is_set()


def test_what_is_prepared_gives_way_to_a_publication():
    gate, told = ListGate(), list[str]()
    with gate.preparing(lambda: told.append("give way")), gate.publishing():
        assert told == ["give way"]
    with gate.publishing():
        assert told == ["give way"]
