"""What the demo says to type again."""

import pytest

from src.cli.demo import Demo


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
