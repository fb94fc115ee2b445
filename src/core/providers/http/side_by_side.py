"""Several lists of pages read at once, and told as one that is in order."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from heapq import merge
from typing import Any, Generic, TypeVar

from src.core.providers.http.pace import OtherFailed

T = TypeVar("T")


def side_by_side(
    lists: Sequence[Iterator[Sequence[T]]], order: Callable[[T], Any], at_once: int, stopped: threading.Event
) -> Generator[T, None, None]:
    """Each list comes page by page, in order. Of each the page that is told and the one after it are held, and no more.

    A fault of one list ends the others by `stopped`, and is told; no thread goes on after this has ended.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="pages") as pool:
        reading = [_PagesAhead(one, pool, stopped) for one in lists]
        try:
            yield from merge(*reading, key=order)
        except OtherFailed:
            raise next(fault for one in reading if (fault := one.fault) is not None and not isinstance(fault, OtherFailed)) from None
        finally:
            stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)


class _PagesAhead(Iterable[T], Generic[T]):
    """The next page of one list is read while the one before is told."""

    def __init__(self, pages: Iterator[Sequence[T]], pool: ThreadPoolExecutor, stopped: threading.Event) -> None:
        self._pages = pages
        self._pool = pool
        self._stopped = stopped
        self._coming = self._ahead()

    def __iter__(self) -> Iterator[T]:
        while (page := self._coming.result()) is not None:
            self._coming = self._ahead()
            yield from page

    @property
    def fault(self) -> BaseException | None:
        coming = self._coming
        return coming.exception() if coming.done() and not coming.cancelled() else None

    def _ahead(self) -> Future[Sequence[T] | None]:
        coming = self._pool.submit(self._next)
        coming.add_done_callback(self._over)
        return coming

    def _next(self) -> Sequence[T] | None:
        if self._stopped.is_set():
            raise OtherFailed("nothing more was asked: another part of the step failed")
        return next(self._pages, None)

    def _over(self, coming: Future[Sequence[T] | None]) -> None:
        if not coming.cancelled() and coming.exception() is not None:
            self._stopped.set()
