import os

import pytest
import pytest_socket

OURS = ("CA_ROOT_API_KEY", "ADMIN_API_KEY", "ENVIRONMENT", "LEDGER_URL", "WAREHOUSE", "EMBEDDED_DATA_DIR", "KMS_KEY_NAME", "LOCAL_KEYRING")


def pytest_configure():
    """A developer's own settings must not reach a test."""
    for name in OURS:
        os.environ.pop(name, None)


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup():
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
