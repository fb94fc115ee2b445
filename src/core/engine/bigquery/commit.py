"""The one transaction that ends a publication, and the fences that it advances.

Nothing is locked while a publication is prepared. The transaction advances the row of the publication's scope, and of each table that it
replaces or changes, if none of them has moved since the publication began; BigQuery cancels a transaction that changes a table another one
has changed since. So of two publications that meet one is there whole, and the other one is `Superseded` by a newer one of its scope or,
where another scope changed a table of its, `Throttled`: run again, it works on what the other left. Appends of different scopes to one
table both commit. They advance a row of the table's too, which must have stayed only for who publishes a changed copy of it: the copy lacks
what was appended since.
"""

import random
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from src.core.base.faults import Fault, Superseded, Throttled
from src.core.engine.bigquery.catalogue import FENCES
from src.core.engine.bigquery.conditions import quoted
from src.core.engine.bigquery.jobs import WarehouseJobs
from src.core.engine.bigquery.pending import Pending
from src.core.engine.port import Fence, Params

TABLE_SCOPE: Final = "table:"
LOST: Final = "x_publication_lost"
# with pauses that grow, some four seconds in all; what waits longer behind others is for a later try of the step
TRIES: Final = 12
PAUSE_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 5.0  # a conflict is over at once, a quota is not
SEEN: Final = f"SELECT scope, MAX(generation) AS generation FROM {FENCES} GROUP BY scope"
PUBLISHED: Final = f"SELECT MAX(generation) AS generation FROM {FENCES} WHERE scope = @scope"
# by the moment too: two tries of one run have its id and its generation in common
OURS: Final = (
    f"SELECT COUNT(*) AS n FROM {FENCES} WHERE scope = @scope AND generation = @generation AND run_id = @run AND published_at = @at"
)
SEED: Final = f"""INSERT INTO {FENCES} (scope)
SELECT scope FROM UNNEST(@scopes) AS scope WHERE scope NOT IN (SELECT held.scope FROM {FENCES} AS held)"""
# all fences in one statement: it advances every one or none, and its count says which
ADVANCE: Final = f"""UPDATE {FENCES}
SET generation = IF(scope = @x_scope, @x_generation, IFNULL(generation, 0) + 1), run_id = @x_run, published_at = @x_at
WHERE scope IN UNNEST(@x_scopes) AND NOT EXISTS (SELECT 1 FROM {FENCES} AS held WHERE {{moved}})"""


def table_scope(table: str) -> str:
    return TABLE_SCOPE + table


def appends_scope(table: str) -> str:
    return f"{TABLE_SCOPE}{table}:appends"


def published_generation(jobs: WarehouseJobs, scope: str) -> int:
    [found] = jobs.arrow(jobs.run(PUBLISHED, {"scope": scope})).to_pylist()
    return int(found["generation"] or 0)


class Commit:
    """The fences as they were when the publication began, and the one transaction that ends it."""

    def __init__(self, jobs: WarehouseJobs, run_id: str, fence: Fence, at: datetime) -> None:
        self._jobs, self._run_id, self._fence, self._at = jobs, run_id, fence, at
        self._seen = self._look()
        self._changed: set[str] = set()
        self._copied: set[str] = set()
        self._require_newest(self._seen)

    def fence(self, table: str) -> None:
        """At the end nobody else may have changed the table since the beginning."""
        self._changed.add(table)

    def fence_copied(self, table: str) -> None:
        """Nor may anybody have appended to it."""
        self._changed.add(table)
        self._copied.add(table)

    def send(self, pending: Mapping[str, Pending]) -> None:
        touched = [table for table in pending.values() if table.touched]
        appended = {table.name for table in touched} - self._changed
        scopes = [self._fence.scope, *sorted(map(table_scope, self._changed)), *sorted(map(appends_scope, appended))]
        absent = [scope for scope in scopes if scope not in self._seen]
        if absent:
            # before the transaction: an UPDATE of a row conflicts with another one, two INSERTs would not. A row that two publications
            # have made at once stands twice, perhaps at different generations; every commit advances the highest, which is what counts.
            self._jobs.run(SEED, {"scopes": absent})
        sql, values = self._script(scopes, touched)
        # with a number of its own: by the same id another try of this step would read this one's outcome as its own
        name = f"publish-{self._run_id}-{self._fence.generation}-{secrets.token_hex(6)}"
        for attempt in range(TRIES):
            conflict = self._sent(sql, values, f"{name}-{attempt}")
            if conflict is None:
                return
            if attempt + 1 == TRIES or (conflict.retry_after or 0) > PATIENCE_SECONDS:
                raise conflict
            time.sleep(PAUSE_SECONDS * random.uniform(1, attempt + 2))  # noqa: S311 - only so that two do not meet again

    def _sent(self, sql: str, values: Params, name: str) -> Throttled | None:
        """None when it is committed. Where a conflict rolled it back, what it would publish still stands in the staging tables."""
        try:
            # to ask for the counts might fail when all is committed, and nobody reads them
            self._jobs.run(sql, values, name=name, counted=False)
        except Fault as fault:
            # whatever was said, and of whichever of the tries: what stands in the fence is committed
            if self._is_ours():
                return None
            if isinstance(fault, Throttled):
                return fault
            if LOST in fault.detail:
                raise self._loss() from fault
            raise
        return None

    def _script(self, scopes: list[str], tables: list[Pending]) -> tuple[str, dict[str, Any]]:
        values: dict[str, Any] = {
            "x_scope": self._fence.scope, "x_generation": self._fence.generation, "x_run": self._run_id, "x_at": self._at,
            "x_scopes": scopes,
        }  # fmt: skip
        moved = ["(held.scope = @x_scope AND held.generation >= @x_generation)"]
        for number, scope in enumerate([*sorted(map(table_scope, self._changed)), *sorted(map(appends_scope, self._copied))]):
            # above what was seen, and not merely other: where a row stands twice one of them lags,
            # and would lock its table for good
            moved.append(f"(held.scope = @x_table_{number} AND IFNULL(held.generation, 0) > @x_seen_{number})")
            values |= {f"x_table_{number}": scope, f"x_seen_{number}": self._seen.get(scope) or 0}
        lines = [
            "BEGIN TRANSACTION",
            ADVANCE.format(moved=" OR ".join(moved)),
            f"IF @@row_count = 0 THEN RAISE USING MESSAGE = '{LOST}'; END IF",
        ]
        for table in tables:
            if table.gone:
                lines.append(f"DELETE FROM {quoted(table.name)} WHERE {table.gone}")
            if table.added:
                lines.append(f"INSERT INTO {quoted(table.name)} ({table.columns}) {table.added}")
            values |= table.values
        return ";\n".join([*lines, "COMMIT TRANSACTION"]), values

    def _look(self) -> dict[str, int | None]:
        return {row["scope"]: row["generation"] for row in self._jobs.arrow(self._jobs.run(SEEN)).to_pylist()}

    def _require_newest(self, seen: Mapping[str, int | None]) -> None:
        published = seen.get(self._fence.scope)
        if published is not None and published >= self._fence.generation:
            raise Superseded(
                f"a publication of {self._fence.scope} as new as generation {self._fence.generation} came first; nothing was written"
            )

    def _loss(self) -> Fault:
        try:
            # the script says that a fence stood in the way, and not which
            self._require_newest(self._look())
        except Superseded as newer:
            return newer
        return Throttled("another publication changed a table of this one meanwhile; run this again", retry_after=RETRY_SECONDS)

    def _is_ours(self) -> bool:
        """Whether the transaction was committed though its answer never came, or spoke of something else."""
        values: dict[str, Any] = {
            "scope": self._fence.scope, "generation": self._fence.generation, "run": self._run_id, "at": self._at,
        }  # fmt: skip
        [found] = self._jobs.arrow(self._jobs.run(OURS, values)).to_pylist()
        return bool(found["n"])
