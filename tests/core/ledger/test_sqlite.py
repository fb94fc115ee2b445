import gc
import sqlite3
import stat
import sys
import threading
import traceback
from contextlib import closing
from subprocess import run

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from src.core.base.faults import Conflict, Misconfigured, Throttled, Unavailable
from src.core.base.settings import ROOT, Settings
from src.core.ledger.sqlite import engine as sqlite
from src.core.ledger.store import open_ledger
from src.core.ledger.tables import orgs
from tests.contract.ledger.samples import org


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "ledger.db"


@pytest.fixture
def ledger(file):
    ledger = open_ledger(Settings(_env_file=None, ledger_url=f"sqlite:///{file}"))
    yield ledger
    ledger.close()


def pragma(ledger, name):
    with ledger.writing() as unit:
        return unit.first(text(f"PRAGMA {name}"))[0]


def test_files_belong_to_their_owner_alone(ledger, file):
    ledger.bootstrap()
    ledger.write(org, "acme")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_every_commit_is_on_disk_and_readers_do_not_wait(ledger):
    assert (pragma(ledger, "journal_mode"), pragma(ledger, "synchronous")) == ("wal", 2)
    assert (ledger.traits.inline_reads, ledger.traits.one_machine) == (True, True)


def test_opening_touches_nothing_before_the_first_unit(ledger, file):
    assert not file.parent.exists()
    bootstrap = ROOT / "configs" / "setup" / "bootstrap"
    named = [path.stem for kind in ("schemas", "views") for folder in ("", "platform") for path in (bootstrap / folder / kind).iterdir()]
    assert sorted(ledger.missing()) == sorted(named)
    assert file.exists()


@pytest.mark.parametrize("url", ["mysql://u:secret@h/db", "oracle://h/db", "sqlite://", "sqlite:///:memory:", "no url", "sqlite:///a?b=c"])
def test_a_ledger_that_is_not_served_is_refused_with_an_example(url):
    with pytest.raises(Misconfigured, match=r"LEDGER_URL.*sqlite:///") as caught:
        open_ledger(Settings(_env_file=None, ledger_url=url))
    assert "secret" not in str(caught.value)


def test_a_full_disk_is_said_and_leaves_what_was_there(ledger):
    ledger.bootstrap()
    ledger.write(org, "acme")

    def fill():
        with ledger.writing() as unit:
            unit.change(text(f"PRAGMA max_page_count={unit.first(text('PRAGMA page_count'))[0]}"))
            for at in range(2000):
                org(unit, f"org_{at}")

    with pytest.raises(Unavailable, match="disk of the ledger is full"):
        fill()
    assert [found.org_slug for found in ledger.read(orgs.page, after=None, limit=9)] == ["acme"]
    assert ledger.write(org, "other")


FULL = """
import resource, sys
from src.core.base.settings import Settings
from src.core.ledger.sqlite import engine
from src.core.ledger.store import open_ledger
from src.core.ledger.tables import orgs
# of a disk that is too small for them all: it takes not a byte more, and has no room left
engine.FREE_BYTES_MINIMUM = 2**80
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
ledger = open_ledger(Settings(_env_file=None, ledger_url=f"sqlite:///{sys.argv[1]}"))
for use in (ledger.check, ledger.missing, lambda: ledger.glance(orgs.get, "acme")):
    try:
        use()
    except Exception as told:
        print(type(told).__name__, told)
"""


@pytest.mark.process
def test_a_disk_without_room_to_open_it_wants_space(ledger, file):
    """SQLite makes an index of its log when it opens a file, and tells of a full disk then as of a broken one."""
    ledger.bootstrap()
    ledger.close()
    told = run([sys.executable, "-c", FULL, str(file)], capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    assert told == ["Unavailable the disk of the ledger is full: free some space; nothing was lost"] * 3


def test_a_ledger_that_cannot_be_written_is_said(ledger):
    ledger.bootstrap()

    def write():
        with ledger.writing() as unit:
            unit.change(text("PRAGMA query_only=ON"))
            org(unit, "acme")

    with pytest.raises(Misconfigured, match="write access to EMBEDDED_DATA_DIR"):
        write()


@pytest.mark.parametrize("content", [b"something else entirely, longer than a header" * 100, None])
def test_a_file_that_is_no_ledger_or_half_of_one_is_said(ledger, file, content):
    ledger.bootstrap()
    ledger.close()
    file.write_bytes(file.read_bytes()[:8192] if content is None else content)
    again = open_ledger(Settings(_env_file=None, ledger_url=f"sqlite:///{file}"))
    for use in (again.check, again.bootstrap, again.missing):
        with pytest.raises(Misconfigured, match=r"is damaged: ledger\.db .*restore that file from its backup"):
            use()


def test_a_harmed_page_is_remembered_and_nothing_more_is_written(ledger, file):
    """Which page it is, SQLite says to who reads it alone; to take its lock it reads none."""
    ledger.bootstrap()
    ledger.write(org, "acme")
    ledger.close()
    whole = bytearray(file.read_bytes())
    with closing(sqlite3.connect(file)) as raw:
        [(root,)] = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'org_profiles'").fetchall()
        [(size,)] = raw.execute("PRAGMA page_size").fetchall()
    whole[(root - 1) * size : root * size] = b"\xa5" * size
    file.write_bytes(whole)
    again = open_ledger(Settings(_env_file=None, ledger_url=f"sqlite:///{file}"))
    again.check()
    for use in (lambda: again.read(orgs.get, "acme"), again.check, again.bootstrap):
        with pytest.raises(Misconfigured, match=r"is damaged: ledger\.db "):
            use()
    again.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_while_it_is_open_takes_no_more_writes(ledger, file, replaced):
    ledger.bootstrap()
    ledger.write(org, "acme")
    file.rename(file.with_name("moved.db"))
    if replaced:
        file.write_bytes(b"")
    for use in (ledger.check, ledger.bootstrap, lambda: ledger.write(org, "other")):
        with pytest.raises(Misconfigured, match=r"is lost: ledger\.db was taken away.*restore that file from its backup"):
            use()
    assert file.exists() == replaced, "none is made in its place"


def test_a_folder_in_the_place_of_the_file_is_said(ledger, file):
    file.mkdir(parents=True)
    for use in (ledger.check, ledger.bootstrap, ledger.missing):
        with pytest.raises(Misconfigured, match=r"a folder stands in the place of ledger\.db; move it away"):
            use()


def test_a_file_in_the_place_of_the_folder_is_said(ledger, file):
    file.parent.write_text("")
    for use in (ledger.check, ledger.bootstrap, ledger.missing):
        with pytest.raises(Misconfigured, match="cannot be opened"):
            use()


def test_a_writer_that_waits_too_long_is_told_to_retry(ledger, file, monkeypatch):
    ledger.bootstrap()
    ledger.close()
    monkeypatch.setattr(sqlite, "TURN_SECONDS", 0.05)
    here = open_ledger(Settings(_env_file=None, ledger_url=f"sqlite:///{file}"))
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with here.writing():
            inside.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(60)
    with pytest.raises(Throttled) as caught:
        here.write(org, "acme")
    leave.set()
    holder.join()
    assert caught.value.retry_after == 1
    assert here.write(org, "acme")
    here.close()


def test_another_process_that_keeps_writing_is_said(ledger, file, monkeypatch):
    ledger.bootstrap()
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Throttled, match="another process") as caught:
            ledger.write(org, "acme")
        ledger.check()
    assert caught.value.retry_after == 1
    assert ledger.write(org, "acme")


def test_breaking_a_key_is_a_conflict(ledger):
    ledger.bootstrap()
    ledger.write(org, "acme")

    def twice():
        with ledger.writing() as unit:
            unit.change(text("INSERT INTO org_profiles SELECT * FROM org_profiles"))

    with pytest.raises(Conflict):
        twice()
    assert ledger.read(orgs.get, "acme") is not None


def test_our_own_mistakes_are_not_dressed_up_as_faults(ledger):
    ledger.bootstrap()
    with pytest.raises(Exception, match="syntax error"), ledger.reading() as unit:
        unit.rows(text("SELEKT 1"))


def test_an_error_nobody_foresaw_does_not_quote_what_was_written(ledger):
    ledger.bootstrap()
    with ledger.writing() as unit:
        unit.change(text("CREATE TRIGGER stop BEFORE INSERT ON org_profiles BEGIN SELECT RAISE(ABORT, 'stopped'); END"))

    with pytest.raises((DBAPIError, sqlite3.Error), match="stopped") as caught:
        ledger.write(org, "acme")

    told = "".join(traceback.format_exception(caught.value))
    assert "acme Inc" not in told
    assert "admin@acme.example" not in told


def test_a_closed_ledger_keeps_no_file_open(file):
    ledger = open_ledger(Settings(_env_file=None, ledger_url=f"sqlite:///{file}"))
    ledger.bootstrap()
    with ledger.reading():
        pass
    ledger.close()
    gc.collect()
    assert {path.name for path in file.parent.iterdir()} == {"ledger.db"}
    with pytest.raises(RuntimeError, match="closed"):
        ledger.missing()


@pytest.mark.process
def test_importing_the_ledger_brings_no_other_engine():
    unwanted = ("psycopg", "google", "duckdb", "pyarrow", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "fastapi")
    program = f"import sys, src.core.ledger.store; print([name for name in sys.modules if name.startswith({unwanted!r})])"
    assert run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"
