"""Jobs of the ledger on BigQuery. A job that changes something has an id of its own, so that it is never done twice."""

import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from google.api_core.exceptions import Conflict, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import QueryJob, QueryJobConfig

from src.core.base.faults import Throttled, Unavailable
from src.core.base.settings import Settings
from src.core.ledger.bigquery.faults import CROWD, CROWD_SECONDS, SILENT, BigQueryErrors, fault_of, refusal_in
from src.core.ledger.bigquery.statements import Statement

PATIENCE_SECONDS = 20.0  # for BigQuery to take a statement at all
CALL_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
# BigQuery lets twenty changes of one table wait, of all processes together, and refuses the next.
CHANGES_AT_ONCE = 6

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended: `wrong` is None where it did what it was to do."""

    rows: int
    wrong: Exception | None
    caller: str | None


class Pauses:
    """Longer each time, never the same for two callers, until patience is over."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._next = FIRST_PAUSE

    def again(self) -> bool:
        pause = self._next * random.uniform(0.5, 1.5)  # noqa: S311 - nothing is guarded by it
        self._next = min(2 * self._next, LONGEST_PAUSE)
        if time.monotonic() + pause > self._until:
            return False
        time.sleep(pause)
        return True


class LedgerJobs:
    def __init__(self, client: bigquery.Client, dataset: str, settings: Settings) -> None:
        self.client = client
        self._dataset = dataset
        self._settings = settings
        self._patience = PATIENCE_SECONDS
        self._retry = bigquery.DEFAULT_RETRY.with_timeout(PATIENCE_SECONDS)
        self._turns: dict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(CHANGES_AT_ONCE))

    def read(self, statement: Statement) -> list[Any]:
        pauses = self.pauses()
        while True:
            try:
                return list(self._asked(statement))
            except BigQueryErrors as wrong:
                # a read that failed is read again
                if not refusal_in(wrong).crowded or not pauses.again():
                    raise_meant(wrong)

    def change(self, statement: Statement, table: str | None) -> int:
        """The number of rows it touched. Tried again only where BigQuery said that it had not been done."""
        with self._turn(table):
            pauses = self.pauses()
            while True:
                # each time another id: BigQuery runs no second job of one that has failed
                ended = self.done(f"change_{secrets.token_hex(16)}", statement)
                if ended.wrong is None:
                    return ended.rows
                if not refusal_in(ended.wrong).crowded or not pauses.again():
                    raise_meant(ended.wrong)

    def done(self, job_id: str, statement: Statement, caller: str | None = None) -> Ended:
        """Sees to it that there is a job of this id, and says how it ended, whoever had it made."""
        return self._ended(self._sent(job_id, statement, caller))

    def ended(self, job_id: str) -> Ended:
        return self._ended(self._known(job_id))

    def exists(self, job_id: str) -> bool:
        try:
            self._job(job_id)
        except NotFound:
            return False
        return True

    def pauses(self) -> Pauses:
        return Pauses(self._patience)

    def _asked(self, statement: Statement) -> Any:
        return self.client.query_and_wait(
            statement.sql,
            job_config=self._config(statement),
            location=self._settings.bigquery_location,
            api_timeout=CALL_SECONDS,
            wait_timeout=self._settings.bigquery_job_seconds,
            retry=self._retry,
            job_retry=None,  # type: ignore[arg-type]  # None is what its own words ask for
        )

    def _sent(self, job_id: str, statement: Statement, caller: str | None) -> QueryJob:
        pauses = self.pauses()
        while True:
            try:
                return self._begun(job_id, statement, caller)
            except Conflict:
                return self._known(job_id)
            except BigQueryErrors as wrong:
                # whatever was answered, a job that is there is what counts
                if self.exists(job_id):
                    return self._known(job_id)
                said = refusal_in(wrong)
                # under the same id, so that one that is there unseen is not joined by a second
                if not (said.broken or said.crowded) or not pauses.again():
                    raise_meant(wrong)

    def _begun(self, job_id: str, statement: Statement, caller: str | None) -> QueryJob:
        return self.client.query(
            statement.sql,
            job_config=self._config(statement, caller),
            job_id=job_id,
            location=self._settings.bigquery_location,
            retry=None,  # type: ignore[arg-type]  # as above
            job_retry=None,
            timeout=CALL_SECONDS,
        )

    def _known(self, job_id: str) -> QueryJob:
        """A job that is known to be there is sometimes not found for a moment."""
        pauses = self.pauses()
        while True:
            try:
                return self._job(job_id)
            except NotFound:
                if not pauses.again():
                    raise Unavailable(SILENT, retry_after=CROWD_SECONDS) from None

    def _job(self, job_id: str) -> QueryJob:
        place = self._settings.bigquery_location
        found = meant(lambda: self.client.get_job(job_id, location=place, retry=self._retry, timeout=CALL_SECONDS))
        if not isinstance(found, QueryJob):
            raise TypeError(f"the job {job_id} is none of the ledger's")
        return found

    def _ended(self, job: QueryJob) -> Ended:
        caller = job.labels.get("caller")
        if job.error_result is not None:
            return Ended(0, job.exception(), caller)
        try:
            rows = job.result(retry=self._retry, job_retry=None, timeout=self._settings.bigquery_job_seconds).num_dml_affected_rows
        except BigQueryErrors as failed:
            # asking for a job may fail as well as the job
            asked = self._known(job.job_id)
            if asked.error_result is None:
                raise_meant(failed)
            return Ended(0, asked.exception(), caller)
        return Ended(rows or 0, None, caller)

    def _config(self, statement: Statement, caller: str | None = None) -> QueryJobConfig:
        config = QueryJobConfig(
            default_dataset=self._dataset,
            query_parameters=list(statement.parameters),
            maximum_bytes_billed=self._settings.bigquery_maximum_bytes_billed,
            labels={"service": "convergence", "part": "ledger", **({"caller": caller} if caller else {})},
            use_query_cache=False,
        )
        # BigQuery gives it up too: one that nobody waits for any more must not change something later
        config.job_timeout_ms = int(self._settings.bigquery_job_seconds * 1000)
        return config

    @contextmanager
    def _turn(self, table: str | None) -> Iterator[None]:
        if table is None:
            yield
            return
        turns = self._turns[table]
        if not turns.acquire(timeout=self._patience):
            raise Throttled(CROWD, retry_after=CROWD_SECONDS)
        try:
            yield
        finally:
            turns.release()


def meant(call: Callable[[], T], *, but: Sequence[type[Exception]] = (NotFound,)) -> T:
    """Raises the fault that an error of Google's client means, and those of `but` as they are."""
    try:
        return call()
    except tuple(but):
        raise
    except BigQueryErrors as wrong:
        raise_meant(wrong)


def raise_meant(wrong: Exception) -> NoReturn:
    fault = fault_of(wrong)
    raise (fault or wrong) from (wrong if fault else None)
