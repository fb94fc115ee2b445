"""What a server that refuses tells, and what is made of it."""

import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from src.core.base.faults import Misconfigured, Throttled, Unavailable
from src.core.base.settings import Settings
from src.core.ledger.postgresql.faults import refusal_of
from src.core.ledger.store import open_ledger
from src.core.ledger.tables import keys, orgs
from tests.contract.ledger.samples import org
from tests.core.ledger.test_postgresql import opened, until
from tests.engines.postgres import running_postgres


@pytest.mark.parametrize(
    ("change", "kind", "mend"),
    [
        (("/{database}", "/recovery"), Misconfigured, "create it"),
        (("postgres@", "nobody@"), Misconfigured, "the user and the password in LEDGER_URL"),
        ((":{port}", ":1"), Unavailable, "see that it runs and that LEDGER_URL names"),
        (("/{database}", "/{database}?sslmode=require"), Misconfigured, "asks for TLS"),
        (("/{database}", "/{database}?sslmode=perhaps"), Misconfigured, "the options after its question mark"),
        (("/{database}", "/{database}?color=blue"), Misconfigured, "the options after its question mark"),
    ],
    ids=["database", "user", "port", "tls", "value", "option"],
)
def test_a_server_that_lets_nobody_in_says_what_mends_it(postgres_server, database, change, kind, mend):
    old, new = (part.format(database=database, port=postgres_server.port) for part in change)
    url = postgres_server.url(database).replace(old, new)
    ledger = open_ledger(Settings(_env_file=None, ledger_url=url))
    for use in (ledger.check, ledger.bootstrap, ledger.missing):
        with pytest.raises(kind, match=mend):
            use()
    ledger.close()


@pytest.mark.parametrize(
    ("words", "kind", "mend"),
    [
        ('FATAL:  password authentication failed for user "ledger"', Misconfigured, "password in LEDGER_URL"),
        ("FATAL:  sorry, too many clients already", Throttled, "LEDGER_CONNECTIONS"),
        ("FATAL:  the database system is starting up", Unavailable, "starting or stopping"),
        ("FATAL:  the database system is shutting down", Unavailable, "starting or stopping"),
        ("FATAL:  the database system is in recovery mode", Unavailable, "starting or stopping"),
        (
            "FATAL:  the database system is not accepting connections\nDETAIL:  Hot standby mode is disabled.",
            Misconfigured,
            "name its primary",
        ),
        ('FATAL:  pg_hba.conf rejects connection for host "10.0.0.1", user "a", database "b", no encryption', Misconfigured, "pg_hba.conf"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "a", database "b", SSL encryption', Misconfigured, "pg_hba.conf"),
        ("fe_sendauth: no password supplied", Misconfigured, "password in LEDGER_URL"),
        ("SSL error: certificate verify failed", Misconfigured, "sslrootcert"),
        ('connection to server at "certificate", port 1 failed: Connection refused', Unavailable, "see that it runs"),
        ("failed to resolve host 'starting up'", Unavailable, "see that it runs"),
    ],
)
def test_a_refusal_in_words_alone_says_what_mends_it(words, kind, mend):
    fault = refusal_of(psycopg.OperationalError(f"connection failed: {words}"))
    assert isinstance(fault, kind)
    assert mend in str(fault)


def test_a_server_that_only_reads_is_said(postgres_server, database, server):
    server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    replica = opened(postgres_server, database)
    with pytest.raises(Misconfigured, match="name its primary"):
        replica.check()
    replica.close()
    server.execute("SET transaction_read_only = off")
    server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")


def test_an_account_without_rights_is_told_which(postgres_server, database, server):
    server.execute("CREATE ROLE weak LOGIN CONNECTION LIMIT 1")
    weak = open_ledger(Settings(_env_file=None, ledger_url=postgres_server.url(database).replace("postgres@", "weak@")))
    with pytest.raises(Misconfigured, match="GRANT"):
        weak.read(keys.find, "x")
    with weak.reading() as unit:
        unit.first(text("SELECT 1"))
        with pytest.raises(Throttled, match="LEDGER_CONNECTIONS"), weak.reading():
            pass
    weak.close()
    until(server, "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'weak'")
    server.execute("DROP ROLE weak")


@pytest.fixture
def newcomer(postgres_server, server):
    """A database and a role of that name, which may all until a test takes it away; and the URL that names both."""
    name = postgres_server.create_database()
    server.execute(f"CREATE ROLE {name} LOGIN")
    yield name, postgres_server.url(name).replace("postgres@", f"{name}@")
    postgres_server.drop_database(name)
    server.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("close", "kind", "mend"),
    [
        ("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC", Misconfigured, "GRANT CONNECT ON DATABASE"),
        ("ALTER DATABASE {name} ALLOW_CONNECTIONS false", Misconfigured, "ALLOW_CONNECTIONS true"),
        ("ALTER ROLE {name} NOLOGIN", Misconfigured, r"ALTER ROLE \.\.\. LOGIN"),
        ("ALTER ROLE {name} CONNECTION LIMIT 0", Throttled, "CONNECTION LIMIT of the role or database"),
        ("ALTER DATABASE {name} CONNECTION LIMIT 0", Throttled, "CONNECTION LIMIT of the role or database"),
    ],
    ids=["connect", "closed", "login", "limit of the role", "limit of the database"],
)
def test_a_refusal_that_a_statement_mends_names_the_statement(server, newcomer, close, kind, mend):
    name, url = newcomer
    server.execute(close.format(name=name))
    ledger = open_ledger(Settings(_env_file=None, ledger_url=url))
    for use in (ledger.check, ledger.bootstrap, ledger.missing):
        with pytest.raises(kind, match=mend):
            use()
    ledger.close()


@pytest.mark.usefixtures("postgres_server")  # which tells when PostgreSQL is not there
def test_a_standby_is_told_by_whatever_would_write():
    with tempfile.TemporaryDirectory() as place:
        with running_postgres(folder=Path(place)):
            sign = Path(place, "data", "standby.signal")
            sign.touch()
            shutil.chown(sign, sign.parent.owner())
        with running_postgres(folder=Path(place)) as standby:
            ledger = opened(standby, "postgres")
            for use in (ledger.check, ledger.bootstrap, lambda: ledger.write(orgs.get, "acme"), lambda: ledger.write(org, "acme")):
                with pytest.raises(Misconfigured, match="name its primary"):
                    use()
            assert "org_profiles" in ledger.missing()
            ledger.close()


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("postgresql+psycopg2://u:secret@h/db", r"driver.*postgresql\+psycopg://"),
        ("postgresql+psycopg://u:secret@h", r"database.*postgresql\+psycopg://"),
        ("postgresql+psycopg://u:secret@h:port/db", "write it like"),
        ("postgresql+psycopg://u:secret@h/db?port=secret", "the options after its question mark"),
    ],
    ids=["driver", "database", "port", "option"],
)
def test_a_url_that_names_no_postgresql_is_refused_without_quoting_it(url, mend):
    with pytest.raises(Misconfigured, match=f"LEDGER_URL.*{mend}") as caught:
        open_ledger(Settings(_env_file=None, ledger_url=url))
    assert "secret" not in str(caught.value)
