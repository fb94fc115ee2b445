"""Serves one application until its first answer, and prints how long that took from the start of the process."""

import asyncio
import sys
import time
from pathlib import Path

import uvicorn

TICK_SECONDS = 0.002


def since_start() -> float:
    """Seconds this process has lived, by the kernel's own clock."""
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(stat[19]) / 100  # field 22, in clock ticks of 1/100 s
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


async def first_answer(server: uvicorn.Server, port: int, path: str) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn says it in an attribute
        await asyncio.sleep(TICK_SECONDS)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        raise SystemExit(f"unexpected answer: {answer[:200]!r}")
    print(f"measured {since_start():.3f}")
    server.should_exit = True


async def main(application: str, port: int, path: str) -> None:
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=port, log_level="error", access_log=False))
    await asyncio.gather(server.serve(), first_answer(server, port, path))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
