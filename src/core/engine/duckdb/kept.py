import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_BYTES: Final = 1024 * 1024
MOST_BYTES: Final = 4 * 1024 * 1024  # of each open dataset


class KeptResults:
    """What queries of a dataset found, for as long as nobody writes to it.

    One process has the dataset open, and whatever writes in it says so here, before and after. A result is kept only if nobody wrote from
    before it was asked until after it was found, and none while somebody writes: nobody knows at which moment that becomes visible.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, pa.Table] = OrderedDict()
        self._bytes = 0
        self._writers = 0
        self._writes = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._lock:
            self._writers += 1
            self._forget()
        try:
            yield
        finally:
            with self._lock:
                self._writers -= 1
                self._writes += 1
                self._forget()

    def of(self, question: str, ask: Callable[[], "pa.Table"]) -> "pa.Table":
        with self._lock:
            writes, settled = self._writes, not self._writers
            found = self._kept.get(question)
            if found is not None:
                self._kept.move_to_end(question)
                return found
        found = ask()
        with self._lock:
            if settled and not self._writers and writes == self._writes:
                self._keep(question, found)
        return found

    def _keep(self, question: str, found: "pa.Table") -> None:
        size = found.get_total_buffer_size()
        if size > LARGEST_BYTES or question in self._kept:
            return
        self._kept[question] = found
        self._bytes += size
        while self._bytes > MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.get_total_buffer_size()

    def _forget(self) -> None:
        self._kept.clear()
        self._bytes = 0
