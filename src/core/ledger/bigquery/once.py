"""Inserting a row once where there are no keys: BigQuery runs one job of one id, so the id is made of what is to be unique.

The attempts at one row are a chain of job ids. Whoever wants the row waits for the last job of the chain, looks whether the row is
there, and only then makes the next: no two inserts of one row ever run beside each other, and each sees what those before it did.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from src.core.ledger.bigquery.faults import refusal_in
from src.core.ledger.bigquery.jobs import LedgerJobs, raise_meant
from src.core.ledger.bigquery.statements import Statement, having, insert_lacking, insert_unless, removing
from src.core.ledger.unit import Params

Columns = Sequence[str]


@dataclass(frozen=True, slots=True)
class Uniqueness:
    """Of one row: which of its columns nobody else may have together."""

    key: Columns
    guarded: Columns
    """Those the job's id is made of."""
    others: tuple[Columns, ...]
    """Further ones, looked at again after the insert."""

    @property
    def all(self) -> tuple[Columns, ...]:
        return tuple(dict.fromkeys((tuple(self.key), tuple(self.guarded), *self.others)))


def uniqueness(key: Columns, unique: Sequence[Columns], values: Params) -> Uniqueness:
    """What a row is unique by besides its key is what others race for: keys are ids made for it."""
    # two rows without a value are not the same
    told_of = [tuple(columns) for columns in unique if all(values.get(column) is not None for column in columns)]
    return Uniqueness(tuple(key), told_of[0] if told_of else tuple(key), tuple(told_of[1:]))


class Once:
    def __init__(self, jobs: LedgerJobs, place: str) -> None:
        self._jobs = jobs
        self._place = place

    def insert(self, table: Table, values: Params, unique: Uniqueness) -> bool:
        stem = self._stem(table, [[column, str(values[column])] for column in unique.guarded])
        rows = self._inserted(stem, insert_unless(table, values, unique.all), lambda: self._there(table, values, unique))
        return rows == 1 and self._alone(table, values, unique)

    def insert_all(self, table: Table, rows: Sequence[Params], rivals: str) -> int:
        """Those of which the key is not there, in one chain for all rows that have these rivals."""
        # nothing is looked for in between: the statement itself leaves out the rows that are there
        return self._inserted(self._stem(table, [rivals]), insert_lacking(table, rows), lambda: False) or 0

    def _inserted(self, stem: str, statement: Statement, there: Callable[[], bool]) -> int | None:
        """The number of rows; None where others have left nothing to insert."""
        # the job bears it: after a lost answer one's own job is met like somebody else's
        caller = secrets.token_hex(8)
        pauses, attempt = self._jobs.pauses(), 0
        while True:
            ended = self._jobs.done(f"{stem}_{attempt}", statement, caller)
            if ended.caller != caller:
                if there():
                    return None
                last = self._last(stem, attempt)
                # the last of the chain may still run, and before it has ended a row that is not there means nothing
                if last != attempt:
                    self._jobs.ended(f"{stem}_{last}")
                    if there():
                        return None
                attempt = last
            elif ended.wrong is None:
                return ended.rows
            elif not refusal_in(ended.wrong).crowded or not pauses.again():
                raise_meant(ended.wrong)
            attempt += 1

    def _alone(self, table: Table, values: Params, unique: Uniqueness) -> bool:
        """Two that race for different things and share one more see each other here, and whoever sees another gives way."""
        if not unique.others or not self._jobs.read(having(table, values, unique.others, unique.key)):
            return True
        self._jobs.change(removing(table, values, unique.key), table.name)
        return False

    def _there(self, table: Table, values: Params, unique: Uniqueness) -> bool:
        return bool(self._jobs.read(having(table, values, unique.all)))

    def _last(self, stem: str, attempt: int) -> int:
        """The last attempt there is. A row that came and went often has many, so they are not asked one by one."""
        step = 1
        while self._jobs.exists(f"{stem}_{attempt + step}"):
            attempt, step = attempt + step, 2 * step
        while step > 1:
            step //= 2
            if self._jobs.exists(f"{stem}_{attempt + step}"):
                attempt += step
        return attempt

    def _stem(self, table: Table, told_of: Sequence[Any]) -> str:
        # ids of jobs are the project's, and several ledgers may be in one
        named = json.dumps([self._place, table.name, *told_of])
        return f"once_{table.name}_{hashlib.sha256(named.encode()).hexdigest()[:40]}"
