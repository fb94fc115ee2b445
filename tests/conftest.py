import atexit
import gc
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_socket
from hypothesis import HealthCheck
from hypothesis import settings as examples

from src.core.base.settings import Settings
from tests.engines import places
from tests.engines.analyzer.client import running_analyzer
from tests.engines.emulator import running_emulator
from tests.engines.kept_dataset import KeptDataset
from tests.engines.postgres import running_postgres
from tests.fakes import made_once

TESTS = Path(__file__).parent
OF_PROCESSES = {"acceptance", "delivery", "fuzz"}
ENGINE_FIXTURES = {"postgres_server", "bigquery_emulator", "kept_dataset", "analyzer"}
ENGINES_BY = ("settings", "engine", "shared")  # fixtures whose parameter is an engine's name
NO_PARAMETERS = SimpleNamespace(params={})
STARTS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty"}
_running: list[pytest.Item] = []


def _say_who_starts_processes(event, _):
    """A test that is not marked starts none, so that the fast tests stay fast."""
    if event in STARTS and _running and not {mark.name for mark in _running[0].iter_markers()} & {"engine", "process"}:
        raise RuntimeError(f"{_running[0].nodeid} starts a process; mark it with pytest.mark.process")


sys.addaudithook(_say_who_starts_processes)

# how long an example takes to be drawn or tried tells of the machine's load, not of what is tested
examples.register_profile("tests", examples.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.load_profile("tests")


def pytest_configure(config):
    """A developer's own settings must not reach a test."""
    for name in (*Settings.model_fields, "admin_api_key"):
        os.environ.pop(name.upper(), None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # what a shell starts in its background ignores it, and hands that on to what it starts
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        made_once.begin()
    else:
        # DuckDB's binding counts what it leaks when the interpreter ends: eighty lines amid the results, about no test
        atexit.register(os.dup2, os.open(os.devnull, os.O_WRONLY), 2)


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        made_once.end()


def pytest_ignore_collect(collection_path, config):
    """What would be left out whole need not be read."""
    return True if "not process" in config.option.markexpr and collection_path in {TESTS / name for name in OF_PROCESSES} else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What it makes lives until the end: to look through it again and again, while it grows and later, takes a quarter of its time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """`make test-fast` leaves out what needs an engine or starts a process."""
    for item in items:
        given = getattr(item, "callspec", NO_PARAMETERS).params
        engines = any(given.get(fixture) in ("postgresql", "bigquery") for fixture in ENGINES_BY)
        if engines or ENGINE_FIXTURES.intersection(item.fixturenames):
            item.add_marker("engine")
        if item.path.relative_to(TESTS).parts[0] in OF_PROCESSES:
            item.add_marker("process")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    _running[:] = [item]


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup():
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def postgres_server():
    """One for all tests of this process; each takes a database of its own."""
    _need("PostgreSQL", places.postgres_bin())
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def bigquery_emulator():
    """One for all tests of this process; each takes datasets of its own."""
    _need("the BigQuery emulator", places.emulator())
    with running_emulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def kept_dataset(bigquery_emulator, tmp_path_factory):
    """A bootstrapped ledger on BigQuery; who has used it cleans it."""
    kept = KeptDataset(bigquery_emulator, tmp_path_factory.mktemp("kept"))
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def analyzer():
    """Google's own, one for all tests of this process: it takes seconds to start, and a gigabyte."""
    with running_analyzer(_need("Google's SQL analyzer", places.analyzer())) as running:
        yield running


def _need(engine: str, place: Path | None) -> Path:
    if place is None:
        (pytest.fail if places.required() else pytest.skip)(f"{engine} is not there; {places.MEND}")
    return place
