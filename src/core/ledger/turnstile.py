import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

NESTED = "a writing unit is open in this thread already; pass it on instead of opening another"


class Turnstile:
    """Lets one thread through at a time, in the order they came: nobody starves, nobody spins."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False
        self._inside: int | None = None

    def enter(self, timeout: float) -> bool:
        me = threading.get_ident()
        # needs no mutex: only this thread writes its own number there
        if self._inside == me:
            raise RuntimeError(NESTED)
        with self._mutex:
            if not self._taken:
                self._taken, self._inside = True, me
                return True
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if not ticket.acquire(timeout=timeout) and self._withdrawn(ticket):
            return False
        self._inside = me
        return True

    def _withdrawn(self, ticket: threading.Lock) -> bool:
        with self._mutex:
            if ticket not in self._waiting:
                return False  # the turn came between giving up and saying so
            self._waiting.remove(ticket)
            return True

    def leave(self) -> None:
        with self._mutex:
            self._inside = None
            if self._waiting:
                # it stays taken: a newcomer must not slip in before the one that is called
                self._waiting.popleft().release()
            else:
                self._taken = False


class OnePerThread(threading.local):
    """Threads need not wait for each other; one in itself would wait for itself, or see half of what it wrote."""

    _taken = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        if self._taken:
            raise RuntimeError(NESTED)
        self._taken = True
        try:
            yield
        finally:
            self._taken = False
