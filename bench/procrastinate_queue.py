"""procrastinate's way through its queue (deferred, taken, done), one job at a time: run by a Python that has it.

`procrastinate_queue.py DSN JOBS`, on a database of its own
"""

import asyncio
import logging
import sys
import time

import procrastinate
import psycopg

done: list[str] = []


async def main(dsn: str, jobs: int) -> None:
    logging.disable(logging.CRITICAL)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn))

    @app.task(name="work")  # type: ignore[untyped-decorator]
    async def work(run_id: str) -> None:
        done.append(run_id)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await work.defer_async(run_id="warm-up")
        await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False, delete_jobs="successful")
        started = time.perf_counter()
        for number in range(jobs):
            await work.defer_async(run_id=f"run{number:06}")
        await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False, delete_jobs="successful")
        print(f"measured {time.perf_counter() - started}")
    assert len(done) == jobs + 1


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
