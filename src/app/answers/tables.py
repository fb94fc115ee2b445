"""Answers as tables: which form a caller takes, and files that leave piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, TypeVar, get_args

import anyio
import structlog
from fastapi import HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from src.app.dependencies.conditional import packed, takes_gzip
from src.app.dependencies.lasting import key_ends
from src.app.edge.concurrency import Places
from src.app.edge.connections import Connections
from src.app.models.costs import FileForm, Form
from src.core.base.faults import TooLarge
from src.core.base.threads import blocking
from src.core.engine import load_files
from src.core.engine.port import ColumnKind, Row

log = structlog.get_logger("downloads")

Asked = TypeVar("Asked", bound=str)

DOWNLOADS: Final = 4  # each holds its organisation's dataset open, and memory
STALLED_SECONDS: Final = 30.0
SENT_BYTES: Final = 64 * 1024  # so much is to be taken in that time

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html",
}
NOT_ACCEPTABLE: Final = 406
JSON_OR_TABLE: Final[tuple[Form, ...]] = get_args(Form)
FILES: Final[tuple[FileForm, ...]] = get_args(FileForm)
TABLE_CONTENT: Final[Mapping[str, Any]] = {
    MEDIA_TYPES["csv"]: {"schema": {"type": "string"}},
    MEDIA_TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}},
}


def form_of(request: Request, offered: Sequence[Asked], asked: Asked | None) -> Asked:
    """`?format=` where it is given, else what Accept likes best; of equals the first offered."""
    if asked is not None:
        return asked
    accepted = _accepted(request.headers.get("accept", "*/*"))
    liked = {form: _liking(MEDIA_TYPES[form], accepted) for form in offered}
    best = max(offered, key=lambda form: liked[form])
    if liked[best] <= 0:
        served = ", ".join(MEDIA_TYPES[form] for form in offered)
        raise HTTPException(NOT_ACCEPTABLE, f"this is served as {served}; name one of them in Accept, or add ?format={'|'.join(offered)}")
    return best


def _accepted(header: str) -> dict[str, float]:
    ranges: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        given = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            ranges[name] = float(given)
        except ValueError:
            ranges[name] = 0.0
    # an empty header refuses nothing: it says as much as none
    return ranges if any(ranges) else {"*/*": 1.0}


def _liking(media_type: str, accepted: Mapping[str, float]) -> float:
    """What names a type more closely counts before what names it loosely."""
    for name in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if name in accepted:
            return accepted[name]
    return 0.0


def rows_as(form: Form, columns: Mapping[str, ColumnKind], rows: Sequence[Row]) -> Generator[bytes, None, None]:
    files = load_files()
    table = files.table_of(columns, rows)
    write = files.csv_pieces if form == "csv" else files.parquet_pieces
    return write(table.schema, iter(table.to_batches()))


def next_link(request: Request, cursor: str) -> str:
    """Without scheme and host: behind a proxy those that this service sees are not those the caller knows."""
    following = request.url.include_query_params(cursor=cursor)
    return f'<{following.path}?{following.query}>; rel="next"'


def downloads() -> Places:
    return Places(DOWNLOADS, "{limit} downloads of {org} are under way already, the most there may be; let one end, or close it")


class FileAnswer(StreamingResponse):
    """Leaves as it is made. What breaks on the way breaks the transfer, and whoever ends it lets go of its source."""

    def __init__(
        self,
        request: Request,
        first: bytes,
        pieces: Generator[bytes, None, None],
        *,
        form: Form,
        headers: Mapping[str, str],
        held: ExitStack,
    ) -> None:
        self._request = request
        self._connections: Connections = request.app.state.connections
        self._pieces = pieces
        self._held = held
        super().__init__(self._all(first), media_type=MEDIA_TYPES[form], headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._key_ends = asyncio.ensure_future(key_ends(self._request))
        # a caller who takes nothing for a while would hold what is on its way beyond the end of the key
        self._key_ends.add_done_callback(self._cut)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._key_ends.cancel()
            # the place is given back after the source has let go of its dataset; closing may wait, so it is done in a thread
            with self._held, anyio.CancelScope(shield=True):
                await blocking(self._pieces.close)

    async def stream_response(self, send: Send) -> None:
        """An answer without its last message is one that the server cuts off."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self.body_iterator:
            if self._connections.ended or self._key_ends.done() or not await self._taken(send, piece, more=True):
                return
        await self._taken(send, b"", more=False)

    async def _taken(self, send: Send, piece: bytes | memoryview | str, *, more: bool) -> bool:
        with anyio.move_on_after(STALLED_SECONDS) as waiting:
            await send({"type": "http.response.body", "body": piece, "more_body": more})
        if waiting.cancelled_caught:
            log.warning("download.stalled", seconds=STALLED_SECONDS)
            # to return is not enough: the server would go on waiting for what it has written to be taken
            self._connections.cut(self._request.scope)
        return not waiting.cancelled_caught

    def _cut(self, ends: asyncio.Future[None]) -> None:
        if not ends.cancelled():
            log.info("download.key_ended")
            self._connections.cut(self._request.scope)

    async def _all(self, first: bytes) -> AsyncIterator[bytes]:
        piece: bytes | None = first
        while piece is not None:
            # in parts of one size: else a large piece would make a slow caller look like one who takes nothing
            for start in range(0, len(piece), SENT_BYTES):
                yield piece[start : start + SENT_BYTES]
            # with a default, because a StopIteration cannot pass through a coroutine: it becomes a RuntimeError
            piece = await blocking(next, self._pieces, None)


async def file_answer(
    request: Request,
    org_slug: str,
    form: Form,
    name: str,
    begin: Callable[[], Generator[bytes, None, None]],
    *,
    headers: Mapping[str, str] | None = None,
) -> FileAnswer:
    """What cannot be begun is still refused as a problem: the first piece is made before the answer starts."""
    places: Places = request.app.state.downloads
    with ExitStack() as held:
        # until the answer has it, whatever goes wrong here gives the place back
        held.enter_context(places.place(org_slug))
        pieces = await blocking(begin)
        told = {"Content-Disposition": f'attachment; filename="{org_slug}_{name}.{form}"', "Vary": "Accept", **(headers or {})}
        # parquet is packed already
        if form == "csv":
            told["Vary"] = "Accept, Accept-Encoding"
            if takes_gzip(request):
                pieces, told["Content-Encoding"] = packed(pieces), "gzip"
        first = await blocking(next, pieces)
        return FileAnswer(request, first, pieces, form=form, headers=told, held=held.pop_all())


async def page_file(
    request: Request,
    org_slug: str,
    form: Form,
    name: str,
    begin: Callable[[], Generator[bytes, None, None]],
    *,
    following: str | None,
    most: int | None,
) -> FileAnswer:
    """A page of rows as a file, with a link to the one after it. `most` is as many as a file holds that was asked for whole."""
    # a file that was cut off at a limit looks whole to whoever opens it
    if most is not None and following:
        raise TooLarge(f"these are more than {most} rows; ask for fewer days or groups, or page with limit and cursor")
    headers = {"Link": next_link(request, following)} if following else None
    return await file_answer(request, org_slug, form, name, begin, headers=headers)
