"""A queue in its barest form on PostgreSQL: one row in, taken with SKIP LOCKED, out again; a commit each. `bare_queue.py DSN JOBS`"""

import sys
import time

import psycopg

TABLE = "CREATE TABLE jobs (id text PRIMARY KEY, state text NOT NULL, owner text, queued_at timestamptz NOT NULL DEFAULT now())"
INDEX = "CREATE INDEX ON jobs (state, queued_at)"
ADD = "INSERT INTO jobs (id, state) VALUES (%s, 'QUEUED')"
TAKE = (
    "UPDATE jobs SET state = 'RUNNING', owner = %s WHERE id = "
    "(SELECT id FROM jobs WHERE state = 'QUEUED' ORDER BY queued_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
)
DROP = "DELETE FROM jobs WHERE id = %s AND owner = %s"


def main(dsn: str, jobs: int) -> None:
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0) as connection:
        connection.execute("DROP TABLE IF EXISTS jobs")
        connection.execute(TABLE)
        connection.execute(INDEX)
        started = time.perf_counter()
        for number in range(jobs):
            connection.execute(ADD, (f"run{number:06}",))
            taken = connection.execute(TAKE, ("bench",)).fetchone()
            assert taken is not None
            connection.execute(DROP, (taken[0], "bench"))
        print(f"measured {time.perf_counter() - started}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
