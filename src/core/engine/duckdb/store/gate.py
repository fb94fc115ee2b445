import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ListGate:
    """Publications pass it at will, and keep out who changes the list of raw rows on his own. He is kept out only while one is open, and
    what he prepares meanwhile gives way to them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._held = False
        self._give_way: Callable[[], None] | None = None

    @contextmanager
    def publishing(self) -> Iterator[None]:
        with self._changed:
            if self._give_way:
                self._give_way()
            self._changed.wait_for(lambda: not self._held)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1

    @contextmanager
    def preparing(self, give_way: Callable[[], None]) -> Iterator[None]:
        with self._changed:
            self._give_way = give_way
        try:
            yield
        finally:
            with self._changed:
                self._give_way = None

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no publication is open; none begins before the block has ended."""
        with self._changed:
            free = self._held = not self._inside
        try:
            yield free
        finally:
            if free:
                with self._changed:
                    self._held = False
                    self._changed.notify_all()
