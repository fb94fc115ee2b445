"""BigQuery's Storage Read API on loopback: Google's gRPC, of which the production client reads rows."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import NoReturn, Protocol, cast

import grpc

from src.sandbox.gcp.callers import Gate
from src.sandbox.gcp.exports import Exports
from src.sandbox.gcp.problems import RATE_LIMIT, Failed, GoogleProblem
from src.sandbox.gcp.tokens import WRITES_BIGQUERY, Bearer

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryRead"
# Loaded by name when first called: it imports pyarrow and Google's messages.
SESSIONS = "src.sandbox.gcp.sessions"
LOOPBACK = "127.0.0.1"
READERS = 16  # each thread is made when its first stream is read
STOP_SECONDS = 5.0


class ReadSessions(Protocol):
    def create(self, bearer: Bearer, request: bytes) -> bytes: ...
    def read(self, bearer: Bearer, request: bytes) -> Iterator[bytes]: ...


class ReadSessionsModule(Protocol):
    Sessions: Callable[[Exports], ReadSessions]


class Storage:
    """Serves from when it is made until `stop`; made in the process that asks it, for gRPC does not outlive a fork."""

    def __init__(self, gate: Gate, exports: Exports) -> None:
        self._gate = gate
        self._exports = exports
        self._sessions: ReadSessions | None = None
        self._pool = ThreadPoolExecutor(READERS, "sandbox-storage")
        self._server = grpc.server(self._pool)
        handlers = {
            "CreateReadSession": grpc.unary_unary_rpc_method_handler(self._create),
            "ReadRows": grpc.unary_stream_rpc_method_handler(self._read),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.url = f"http://{LOOPBACK}:{self._server.add_insecure_port(f'{LOOPBACK}:0')}"
        self._server.start()

    def stop(self) -> None:
        """Calls that are under way end as cancelled."""
        self._server.stop(None).wait(STOP_SECONDS)
        # not waited for: a reader that has stopped reading would hold up the end
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _create(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return self._opened().create(self._bearer(context), request)
        except Failed as failed:
            _refuse(context, failed.problem)

    def _read(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            yield from self._opened().read(self._bearer(context), request)
        except Failed as failed:
            _refuse(context, failed.problem)

    def _bearer(self, context: grpc.ServicerContext) -> Bearer:
        sent = dict(context.invocation_metadata())
        # the API takes no narrower scope, whatever its name
        return self._gate.admit(str(sent.get("authorization", "")), WRITES_BIGQUERY)

    def _opened(self) -> ReadSessions:
        if self._sessions is None:
            self._sessions = cast("ReadSessionsModule", import_module(SESSIONS)).Sessions(self._exports)
        return self._sessions


def _refuse(context: grpc.ServicerContext, problem: GoogleProblem) -> NoReturn:
    # the problem is told by its HTTP status, which is another for this one
    code = grpc.StatusCode.RESOURCE_EXHAUSTED if problem is RATE_LIMIT else grpc.StatusCode[problem.status]
    context.abort(code, problem.message)
    raise AssertionError("abort raises")
