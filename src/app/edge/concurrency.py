from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from src.core.base.faults import Throttled, Unavailable

RETRY_SECONDS = 5.0


@dataclass(slots=True)
class Places:
    """How many calls of a kind each organisation may have open, and all of them together. Lives on the event loop."""

    limit: int
    full: str
    together: int | None = None
    crowded: str = ""
    _places: Counter[str] = field(default_factory=Counter)

    def of(self, org_slug: str) -> int:
        return self._places[org_slug]

    @contextmanager
    def place(self, org_slug: str) -> Iterator[None]:
        if self._places[org_slug] >= self.limit:
            raise Throttled(self.full.format(limit=self.limit, org=org_slug), retry_after=RETRY_SECONDS, limit=self.limit)
        if self.together is not None and self._places.total() >= self.together:
            raise Unavailable(self.crowded.format(limit=self.together), retry_after=RETRY_SECONDS, limit=self.together)
        self._places[org_slug] += 1
        try:
            yield
        finally:
            self._places[org_slug] -= 1
            # a Counter keeps its zeros: every organisation that ever called would stay in memory
            if not self._places[org_slug]:
                del self._places[org_slug]
