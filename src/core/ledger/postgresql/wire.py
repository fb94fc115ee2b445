"""What is said to PostgreSQL on one connection, and what need not be answered at once said together with what comes next."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from select import POLLIN, poll
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

DONE = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})
Values = Sequence[Any] | None
PLAIN = b""
NO_ROW = b"22012"  # division by zero: how a statement that must find its row says that it has not


@dataclass(frozen=True, slots=True)
class Said:
    sql: bytes
    name: bytes = PLAIN
    values: Values = None
    otherwise: Exception | None = None
    """Raised where it must find a row and does not."""
    told: Callable[[PGresult], None] | None = None


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

    def later(self, said: Said) -> None:
        """Goes with what is said next; what is wrong with it is told then."""
        self._later.append(said)

    def say(self, sql: bytes, name: bytes = PLAIN, values: Values = None) -> PGresult:
        if self._later:
            # emptied before it is sent: what has failed must not go along with the next again
            batch, self._later = [*self._later, Said(sql, name, values)], []
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
            sent = self._sent(batch)
            results = self._answers(sent)
            raw.exit_pipeline_mode()
        except BaseException:
            # amid answers nobody knows what the next one would belong to
            with suppress(psycopg.Error):
                raw.finish()
            raise
        for result, (said, _) in zip(results, sent, strict=True):
            if said.otherwise is not None and result.error_field(DiagnosticField.SQLSTATE) == NO_ROW:
                raise said.otherwise
            self._checked(result)
        for result, (said, prepares) in zip(results, sent, strict=True):
            if said.told is not None and not prepares:
                said.told(result)
        return results[-1]

    def _sent(self, batch: list[Said]) -> list[tuple[Said, bool]]:
        """What each answer to come is to, and whether it makes a name known."""
        raw, sent, news = self.raw, [], set[bytes]()
        for said in batch:
            name = said.name
            if name and name not in self._known and name not in news:
                raw.send_prepare(name, said.sql)
                news.add(name)
                sent.append((said, True))
            if name:
                raw.send_query_prepared(name, said.values)
            else:
                # a plain query is not allowed in pipeline mode
                raw.send_query_params(said.sql, None)
            sent.append((said, False))
        # until then the server may hold its answers back
        raw.pipeline_sync()
        return sent

    def _answers(self, sent: list[tuple[Said, bool]]) -> list[PGresult]:
        results = []
        for said, prepares in sent:
            result = self._next()
            results.append(result)
            if prepares and result.status == ExecStatus.COMMAND_OK:
                self._known.add(said.name)
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
