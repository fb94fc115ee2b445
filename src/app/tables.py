"""Answers as tables: which form a caller takes, and files that leave piece by piece."""

from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from typing import Any, Final, get_args

import anyio
from fastapi import HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from src.app.models.costs import FileForm, Form
from src.core.base.threads import blocking
from src.core.engine import load_files
from src.core.engine.port import ColumnKind, Row

MEDIA_TYPES: Final[Mapping[Form, str]] = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
NOT_ACCEPTABLE: Final = 406
JSON_OR_TABLE: Final[tuple[Form, ...]] = get_args(Form)
FILES: Final[tuple[FileForm, ...]] = get_args(FileForm)
TABLE_CONTENT: Final[Mapping[str, Any]] = {
    MEDIA_TYPES["csv"]: {"schema": {"type": "string"}},
    MEDIA_TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}},
}


def form_of(request: Request, offered: Sequence[Form], asked: Form | None) -> Form:
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


class FileAnswer(StreamingResponse):
    """Leaves as it is made. What breaks on the way breaks the transfer, and whoever ends it lets go of its source."""

    def __init__(self, first: bytes, pieces: Generator[bytes, None, None], form: Form, name: str, headers: Mapping[str, str]) -> None:
        self._pieces = pieces
        disposition = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "Vary": "Accept"}
        super().__init__(self._all(first), media_type=MEDIA_TYPES[form], headers={**disposition, **headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await blocking(self._pieces.close)

    async def _all(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        while (piece := await blocking(next, self._pieces, None)) is not None:
            if piece:
                yield piece


async def file_answer(pieces: Generator[bytes, None, None], form: Form, name: str, headers: Mapping[str, str] | None = None) -> FileAnswer:
    """What cannot be begun is still refused as a problem: the first piece is made before the answer starts."""
    first = await blocking(next, pieces)
    return FileAnswer(first, pieces, form, name, headers or {})
