"""Connections to PostgreSQL: so many at most, opened when needed, the last used taken first."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Semaphore

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from src.core.base.faults import Throttled
from src.core.ledger.postgresql.wire import PostgresqlWire

FRESH_SECONDS = 1.0  # so soon after its last use a connection is taken to be sound without being asked
BUSY = "all connections to the ledger are in use: retry in a moment, or raise LEDGER_CONNECTIONS"


class PostgresqlLink:
    """`connection` is for what the toolkit builds, `wire` for what is prepared; a transaction is begun and ended on it for both."""

    __slots__ = ("connection", "era", "used", "wire")

    def __init__(self, connection: Connection) -> None:
        driver = connection.connection.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise TypeError("psycopg's own connection is needed here")
        self.connection = connection
        self.wire = PostgresqlWire(driver.pgconn)
        self.used = time.monotonic()
        self.era = 0

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.used < FRESH_SECONDS

    def settled(self) -> bool:
        """Rolls back what is open; False when the connection is of no more use."""
        wire = self.wire
        # what was to go with the next statement is of a unit that is over
        wire.forget()
        if not wire.lost and wire.raw.transaction_status != TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                wire.say(b"ROLLBACK")
        self.used = time.monotonic()
        return not wire.lost and wire.raw.transaction_status == TransactionStatus.IDLE

    def close(self) -> None:
        with suppress(psycopg.Error, DBAPIError):
            self.connection.invalidate()
        self.connection.close()


class PostgresqlLinks:
    def __init__(self, make: Callable[[], PostgresqlLink], most: int) -> None:
        self._make = make
        self._places = Semaphore(most)
        self._idle: deque[PostgresqlLink] = deque()
        self._era = 0
        self._closed = False

    def take(self, patience: float) -> PostgresqlLink:
        if self._closed:
            raise RuntimeError("this ledger is closed")
        if not self._places.acquire(timeout=patience):
            raise Throttled(BUSY, retry_after=1)
        try:
            return self.idle() or self._opened()
        except BaseException:
            self._places.release()
            raise

    def idle(self) -> PostgresqlLink | None:
        with suppress(IndexError):
            # the last used first: it has its statements prepared
            while (link := self._idle.pop()).era != self._era:
                link.close()
            return link
        return None

    def give_back(self, link: PostgresqlLink) -> None:
        try:
            self.keep(link)
        finally:
            self._places.release()

    def keep(self, link: PostgresqlLink) -> None:
        if not link.settled():
            self.forget(link)
        if link.era == self._era and not self._closed:
            self._idle.append(link)
        else:
            link.close()

    def forget(self, link: PostgresqlLink) -> None:
        """No connection as old as this one is used again: what it met, they will have met too. Those in use are closed when given back."""
        if link.era == self._era:
            self._era += 1
            self._close_idle()

    def close(self) -> None:
        self._closed = True
        self._close_idle()

    def _opened(self) -> PostgresqlLink:
        # taken before it is opened: what makes others be forgotten meanwhile may concern it as well
        era = self._era
        link = self._make()
        link.era = era
        return link

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()
