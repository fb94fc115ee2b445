"""What the demo says to type again."""

import socket

import httpx2
import pytest

from src.cli.demo import Demo
from src.core.base.faults import Unavailable


@pytest.mark.parametrize(
    ("port", "engines", "command"),
    [
        (8000, None, "make demo"),
        (9000, None, "make demo PORT=9000"),
        (
            8000,
            {"LEDGER_URL": "postgresql+psycopg://somebody@/postgres", "WAREHOUSE": "bigquery"},
            "make demo LEDGER=postgresql WAREHOUSE=bigquery-emulator",
        ),
        (
            9000,
            {"LEDGER_URL": "bigquery://local/organizations", "WAREHOUSE": "bigquery"},
            "make demo LEDGER=bigquery-emulator WAREHOUSE=bigquery-emulator PORT=9000",
        ),
        (8000, {"LEDGER_URL": "postgresql+psycopg://somebody@/postgres"}, "make demo LEDGER=postgresql WAREHOUSE=duckdb"),
        (8000, {"WAREHOUSE": "bigquery"}, "make demo LEDGER=sqlite WAREHOUSE=bigquery-emulator"),
    ],
)
def test_the_command_is_the_one_that_was_typed(tmp_path, monkeypatch, port, engines, command):
    for name in ("LEDGER_URL", "WAREHOUSE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (engines or {}).items():
        monkeypatch.setenv(name, value)

    assert Demo(port, tmp_path, print, on_engines=engines is not None)._command() == command


def test_a_service_that_falls_silent_is_told_in_a_sentence_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("LEDGER_URL", "sqlite:///ledger.db")
    monkeypatch.setenv("WAREHOUSE", "bigquery")
    (tmp_path / "demo.log").write_text("the last that it said")
    with socket.socket() as silent:
        # it takes the call, and nobody answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        here = Demo(port=8000, var=tmp_path, say=print, on_engines=True)
        with pytest.raises(Unavailable) as told, here.answered():
            httpx2.get(f"http://127.0.0.1:{silent.getsockname()[1]}/api/v1/whoami", timeout=0.05, trust_env=False)
    assert told.value.detail == (
        "the service gave no answer to GET /api/v1/whoami (ReadTimeout); "
        "`make demo LEDGER=sqlite WAREHOUSE=bigquery-emulator` goes on where this stopped; "
        "an emulator is many times slower than what it stands for, and `make demo` needs none. "
        f"The end of {tmp_path / 'demo.log'}:\nthe last that it said"
    )
