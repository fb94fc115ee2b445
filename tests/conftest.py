import os

import pytest
import pytest_socket

from src.core.base.settings import Settings


def pytest_configure():
    """A developer's own settings must not reach a test."""
    for name in (*Settings.model_fields, "admin_api_key"):
        os.environ.pop(name.upper(), None)


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup():
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """A worker that used DuckDB prints what its binding leaks at the interpreter's end: eighty lines amid the results, about no test."""
    if hasattr(config, "workerinput"):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
