import atexit
import os

import pytest
import pytest_socket

from src.core.base.settings import Settings


def pytest_configure(config):
    """A developer's own settings must not reach a test."""
    for name in (*Settings.model_fields, "admin_api_key"):
        os.environ.pop(name.upper(), None)
    if hasattr(config, "workerinput"):
        # DuckDB's binding counts what it leaks when the interpreter ends: eighty lines amid the results, about no test
        atexit.register(os.dup2, os.open(os.devnull, os.O_WRONLY), 2)


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup():
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
