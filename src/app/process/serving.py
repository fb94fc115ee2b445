"""Holds the server of this process, however it was started, to bounds of ours."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from importlib import import_module
from typing import Any, Final, NoReturn

import structlog
from uvicorn import Server
from uvicorn import __version__ as uvicorn_release

from src.app.process.crowd import Crowd
from src.app.process.starting import refuse
from src.core.base.faults import Fault, Misconfigured
from src.core.base.settings import Settings

log = structlog.get_logger("app")

COMMAND: Final = "python3 -m uvicorn src.app.main:app --host 0.0.0.0 --port 8000"
PROTOCOL: Final = "src.app.process.protocol"
BASE: Final = "uvicorn.protocols.http.httptools_impl"
# What is taken from uvicorn, or put in the place of something there.
OF_BASE: Final = (
    "connection_made", "connection_lost", "data_received", "on_headers_complete", "on_body", "on_message_complete", "send_400_response",
    "resume_writing", "_should_upgrade", "_unsupported_upgrade_warning", "_unset_keepalive_if_required",
)  # fmt: skip
OF_SERVER: Final = ("startup", "handle_exit")
SERVED: Final = ("auto", "httptools")
# Of the time a process has to stop in, this part is left to closing after the server has stopped to wait for answers.
WAITED_FOR: Final = 0.8
LOOKS_EVERY_SECONDS: Final = 0.2


def hold(settings: Settings) -> None:
    """From here on. Every way to start a server goes through `startup`, after it chose a protocol and before its first connection."""
    protocol = _protocol()
    begin = Server.startup

    async def startup(server: Server, sockets: list[socket.socket] | None = None) -> None:
        # the sandbox's is beside it, in a thread of its own, and serves nobody from elsewhere
        if threading.current_thread() is threading.main_thread():
            try:
                _hold(server, settings, protocol)
            except Fault as fault:
                refuse(fault)
        await begin(server, sockets)

    setattr(Server, "startup", startup)  # noqa: B010 - a type checker rightly minds the assignment


def end_after(seconds: float) -> NoReturn:
    """Whatever is under way: nobody can stop a thread that waits for a provider, and Python waits for every thread."""
    time.sleep(seconds)
    waited_for = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.error("stop.forced", after_seconds=seconds, threads=waited_for)
    sys.stderr.flush()
    os._exit(128 + signal.SIGTERM)


def seconds_to_stop(settings: Settings) -> float:
    return settings.worker_drain_seconds + settings.stop_seconds


def _protocol() -> type[Any]:
    # by name, so that a release without it is refused in a sentence
    try:
        base = import_module(BASE).HttpToolsProtocol
    except (ImportError, AttributeError) as wrong:
        raise _unfit(f"it has no {BASE}.HttpToolsProtocol ({wrong})") from wrong
    missing = [name for name in OF_BASE if not hasattr(base, name)] + [name for name in OF_SERVER if not hasattr(Server, name)]
    if missing:
        raise _unfit(f"it has no {', '.join(missing)}")
    protocol: type[Any] = import_module(PROTOCOL).HeldProtocol
    return protocol


def _unfit(why: str) -> Misconfigured:
    return Misconfigured(
        f"uvicorn {uvicorn_release} cannot be held to the bounds that keep a caller from freezing the service: {why}; "
        "install what requirements.txt lists: python3 -m pip install --no-deps -r requirements.txt"
    )


def _hold(server: Server, settings: Settings, protocol: type[Any]) -> None:
    config = server.config
    if config.http not in SERVED:
        raise Misconfigured(f"--http {config.http} bounds neither headers nor time; leave --http away: {COMMAND}")
    if config.lifespan == "off":
        raise Misconfigured(f"--lifespan off leaves out what starts and stops the service; leave it away: {COMMAND}")
    if not hasattr(config, "http_protocol_class"):
        raise _unfit("its configuration has no http_protocol_class")
    crowd = Crowd(settings)
    config.http_protocol_class = type(protocol.__name__, (protocol,), {"crowd": crowd})
    within = seconds_to_stop(settings)
    if config.timeout_graceful_shutdown is None:
        config.timeout_graceful_shutdown = max(1, int(within * WAITED_FOR))
    crowd.begin(asyncio.get_running_loop())
    threading.Thread(target=_end_when_told, args=(server, within), name="stop", daemon=True).start()


def _end_when_told(server: Server, seconds: float) -> NoReturn:
    # a thread, since the loop itself may be what does not end
    while not server.should_exit:
        time.sleep(LOOKS_EVERY_SECONDS)
    end_after(seconds)
