"""What is said to PostgreSQL on one connection, and what need not be answered at once said together with what comes next."""

from collections.abc import Sequence
from contextlib import suppress
from select import POLLIN, poll
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

DONE = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})
Values = Sequence[Any] | None
Said = tuple[bytes, bytes, Values]
PLAIN = b""


class PostgresqlWire:
    """A statement is said by its name, under which it is prepared where this connection does not know it yet; a command has none."""

    __slots__ = ("_known", "_later", "raw")

    def __init__(self, raw: PGconn) -> None:
        self.raw = raw
        self._known: set[bytes] = set()
        self._later: list[Said] = []

    @property
    def lost(self) -> bool:
        return self.raw.status != ConnStatus.OK

    def later(self, sql: bytes, name: bytes = PLAIN, values: Values = None) -> None:
        """Goes with what is said next; what is wrong with it is told then."""
        self._later.append((name, sql, values))

    def say(self, sql: bytes, name: bytes = PLAIN, values: Values = None) -> PGresult:
        if self._later:
            # emptied before it is sent: what has failed must not go along with the next again
            batch, self._later = [*self._later, (name, sql, values)], []
            return self._together(batch)
        if not name:
            return self._checked(self.raw.exec_(sql))
        if name not in self._known:
            self._checked(self.raw.prepare(name, sql))
            self._known.add(name)
        return self._checked(self.raw.exec_prepared(name, values))

    def flush(self) -> None:
        if self._later:
            batch, self._later = self._later, []
            self._together(batch)

    def forget(self) -> None:
        self._later.clear()

    def _together(self, batch: list[Said]) -> PGresult:
        raw = self.raw
        raw.enter_pipeline_mode()
        try:
            results = self._answers(self._sent(batch))
            raw.exit_pipeline_mode()
        except BaseException:
            # amid answers nobody knows what the next one would belong to
            with suppress(psycopg.Error):
                raw.finish()
            raise
        for result in results:
            self._checked(result)
        return results[-1]

    def _sent(self, batch: list[Said]) -> list[bytes]:
        """For each answer to come, the name it makes known."""
        raw, news = self.raw, []
        for name, sql, values in batch:
            if name and name not in self._known and name not in news:
                raw.send_prepare(name, sql)
                news.append(name)
            if name:
                raw.send_query_prepared(name, values)
            else:
                # a plain query is not allowed in pipeline mode
                raw.send_query_params(sql, None)
            news.append(PLAIN)
        # until then the server may hold its answers back
        raw.pipeline_sync()
        return news

    def _answers(self, news: list[bytes]) -> list[PGresult]:
        results = []
        for name in news:
            result = self._next()
            results.append(result)
            if name and result.status == ExecStatus.COMMAND_OK:
                self._known.add(name)
            self.raw.get_result()  # the end of this answer
        self._next()  # the end of the batch
        return results

    def _next(self) -> PGresult:
        raw = self.raw
        if raw.is_busy():
            # asking libpq for what is not there yet would hold up all threads of the process
            readable = poll()
            readable.register(raw.socket, POLLIN)
            while raw.is_busy():
                readable.poll()
                raw.consume_input()
        result = raw.get_result()
        if result is None or self.lost:
            raise psycopg.OperationalError("the connection broke off") if result is None else errors.error_from_result(result)
        return result

    def _checked(self, result: PGresult) -> PGresult:
        if result.status not in DONE:
            raise errors.error_from_result(result, encoding="ascii" if self.lost else "utf-8")
        return result
