"""Answers of lists and costs: with an ETag, 304 where the caller has the same already, and packed where the caller takes that.

The ETag is made from the answer itself, and the answer is made anew for each request. So it depends on whatever the answer depends on:
what was published, what the clock and the credentials make of it, who told an invoice, what was asked and in which form.
"""

import gzip
import zlib
from collections.abc import Callable, Coroutine, Generator
from contextlib import closing
from hashlib import blake2b
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from src.core.base.threads import blocking

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

OK: Final = 200
NOT_MODIFIED: Final = 304
LEAST_PACKED: Final = 1024  # below it gzip's own head and the time take more than is saved
LONG: Final = 64 * 1024  # to pack more than this takes longer than the event loop may be kept
LEVEL: Final = 5
GZIP: Final = zlib.MAX_WBITS | 16  # with gzip's head and sum
# kept by the caller alone, and asked about each time: who may read it is judged anew, and so is what it says
KEPT: Final = "private, no-cache"


def conditional(handle: Handler) -> Handler:
    async def answered(request: Request) -> Response:
        answer = await handle(request)
        # of what leaves piece by piece the end is not known when its head is sent
        if answer.status_code != OK or isinstance(answer, StreamingResponse):
            return answer
        if len(answer.body) > LONG:
            return await blocking(_conditional, request, answer)
        return _conditional(request, answer)

    return answered


def _conditional(request: Request, answer: Response) -> Response:
    body = bytes(answer.body)
    # weak: packed or not, it says the same
    tag = f'W/"{blake2b(body, digest_size=16).hexdigest()}"'
    vary = ", ".join(dict.fromkeys([*_names(answer.headers.get("vary", "")), "Accept-Encoding"]))
    headers = {"ETag": tag, "Cache-Control": KEPT, "Vary": vary}
    if _has(request.headers.get("if-none-match"), tag):
        return Response(status_code=NOT_MODIFIED, headers=headers)
    if len(body) >= LEAST_PACKED and takes_gzip(request):
        answer.body = gzip.compress(body, LEVEL, mtime=0)
        headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(answer.body))}
    answer.headers.update(headers)
    return answer


def takes_gzip(request: Request) -> bool:
    liked = dict(_liked(part) for part in request.headers.get("accept-encoding", "").lower().split(","))
    return liked.get("gzip", liked.get("*", 0.0)) > 0


def packed(pieces: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """Each piece leaves when it is made, so that nobody waits for the next one."""
    packer = zlib.compressobj(LEVEL, wbits=GZIP)
    with closing(pieces):
        for piece in pieces:
            yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield packer.flush()


def _has(known: str | None, tag: str) -> bool:
    """Any of these, each compared weakly; `*` is whatever there is."""
    return known is not None and any(one in ("*", tag, tag.removeprefix("W/")) for one in _names(known))


def _names(header: str) -> list[str]:
    return [name for part in header.split(",") if (name := part.strip())]


def _liked(part: str) -> tuple[str, float]:
    name, _, told = part.partition(";")
    try:
        return name.strip(), float(told.strip().removeprefix("q=") or "1")
    except ValueError:
        return name.strip(), 0.0
