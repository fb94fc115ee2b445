"""A price book in an organisation's dataset.

Two callers at once never lay two rates over each other: a change is reckoned from the book as it stood at one generation of its fence,
and published as the next one. Whoever was overtaken is refused by the fence and begins again from the book as it has become.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic
from weakref import WeakValueDictionary

from src.core.base.documents import read_text
from src.core.base.faults import Conflict, Fault, Flaw, Missing, Rejected, Superseded, Tampered, Throttled, TooLarge, first_flaws
from src.core.base.identity import Actor, Tenant
from src.core.base.names import did_you_mean, identifier
from src.core.base.redaction import redacted_text
from src.core.engine.port import Fence, TablePart
from src.core.ledger.store import Unit
from src.core.ledger.tables import orgs
from src.core.step import audit_trail
from src.core.step.context import Services, unheld
from src.core.step.prices.book import Book, BookChange, BookRequest, BookRow
from src.core.step.prices.changes import Add, Release, Reset, flaws_of
from src.core.step.prices.forms import BOOKKEEPING, to_row
from src.core.step.prices.kinds import BookKind, Seed
from src.core.step.prices.rates import Axes, D, columns_of

TRIES = 12
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0
RETRY_SECONDS = 5.0
TOLD_RATES = 50
"""Of one change, in its audit row."""
KEPT_RATES = 8192
MOST_ROWS = 100_000
"""Of one book, every edition counted: whoever asks for it has all of them in memory."""
MOST_OF_ONE = 500
"""Of one model and token kind, or whatever else tells rates apart."""
TURN_SECONDS = 30.0
QUERY = "system/prices/book.sql"

# of this process's callers each would else reckon a whole book only to be overtaken
_turns: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()
_making = threading.Lock()


@dataclass(frozen=True)
class Changed(Generic[D]):
    """What a request came to, or would come to."""

    book: Book[D]
    """As it stood before."""
    change: BookChange[D]


@dataclass(frozen=True)
class BookStore(Generic[D]):
    services: Services
    tenant: Tenant
    seed: Seed[D]
    most_rows: int = MOST_ROWS

    @property
    def scope(self) -> str:
        return f"prices/{self.seed.table}"

    @property
    def resource(self) -> str:
        """As audit rows name it."""
        return f"organizations/{self.tenant.org_slug}/integrations/{self.seed.provider}/{self.seed.kind.name}"

    def make(self) -> bool:
        """Whether the table was made by this call."""
        return self.services.warehouse.ensure_table(self.tenant, self.seed.schema).created

    def read(self) -> Book[D]:
        self._stands()
        query = read_text(self.services.settings.configs_dir / QUERY, f"configs/{QUERY}").format(book=identifier(self.seed.table))
        return Book(tuple(self._row(row) for row in self.services.warehouse.query(self.tenant, query).to_pylist()))

    def preview(self, request: BookRequest[D], actor: Actor) -> Changed[D]:
        book = self.read()
        return Changed(book, self._judged(book, request, actor))

    def change(self, request: BookRequest[D], actor: Actor, action: str, held: Callable[[], None] = unheld) -> Changed[D]:
        """`held` is asked just before it commits, and keeps it from that by raising."""
        turn = _turn(self.tenant.dataset, self.seed.table)
        # not for ever: a thread that waits serves nobody
        if not turn.acquire(timeout=TURN_SECONDS):
            raise Throttled("another change of this book takes its time; nothing was changed, try again", retry_after=RETRY_SECONDS)
        try:
            done = self._carried_out(request, actor, held)
        finally:
            turn.release()
        self._note(done.change, actor, action)
        return done

    def _carried_out(self, request: BookRequest[D], actor: Actor, held: Callable[[], None]) -> Changed[D]:
        lost: Fault | None = None
        for attempt in range(TRIES):
            if attempt:
                longest = min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2**attempt)
                time.sleep(random.uniform(PAUSE_SECONDS, longest))  # noqa: S311 - only so that two do not meet again
            try:
                return self._attempt(request, actor, held)
            except (Superseded, Throttled) as overtaken:
                lost = overtaken
        # a warehouse that is busy says so itself
        if isinstance(lost, Throttled):
            raise lost
        raise Throttled(
            f"others changed this book {TRIES} times while this was carried out; nothing was changed, try again", retry_after=RETRY_SECONDS
        ) from lost

    def _attempt(self, request: BookRequest[D], actor: Actor, held: Callable[[], None]) -> Changed[D]:
        # before the rows: what is published after this look is refused by the fence, whether the rows show it or not
        generation = self.services.warehouse.last_generation(self.tenant, self.scope)
        book = self.read()
        held()
        _require_few(Counter(rate.axes for rate in getattr(request, "rates", ())))
        change = self._judged(book, request, actor)
        # the seed is bounded by itself, and must be laid whatever was done to the book
        if not isinstance(request, Reset | Release):
            self._require_room(book, change)
        if change.changes:
            touched = {row.rate.rate_id for row in (*change.closed, *change.opened)}
            rows = [to_row(row) for row in book.after(change).rows if row.rate.rate_id in touched]
            part = TablePart(equal={"rate_id": tuple(sorted(touched))})
            fence = Fence(self.scope, generation + 1)
            with self.services.warehouse.publication(self.tenant, self.services.ids.new(), fence) as publication:
                publication.replace(self.seed.table, rows, part)
                self._require_holder()
                held()
        return Changed(book, change)

    def _require_room(self, book: Book[D], change: BookChange[D]) -> None:
        rows = len(book.rows) + len(change.opened)
        if change.opened and rows > self.most_rows:
            raise TooLarge(
                f"the book would have {rows:,} editions of rates, and {self.most_rows:,} is the most, for every one that ever stood is "
                "kept. Change fewer rates; a reset is still taken"
            )
        touched = {row.rate.axes for row in change.opened}
        _require_few(Counter(row.rate.axes for row in book.after(change).rows if row.rate.axes in touched))

    def _judged(self, book: Book[D], request: BookRequest[D], actor: Actor) -> BookChange[D]:
        change = book.change(request, self.services.clock.now(), told_of(actor))
        if change.flaws:
            raise self._refusal(book, request, change.flaws)
        # whatever a request does: what is written never has two rates at one moment
        wrong = list(book.after(change).flaws()) if change.changes else []
        if wrong:
            raise self._refusal(book, request, wrong)
        return change

    def _refusal(self, book: Book[D], request: BookRequest[D], wrong: Sequence[Flaw]) -> Rejected:
        flaws, left_out = first_flaws(wrong, lambda flaw: flaw)
        subject = self.seed.kind.subject
        named = getattr(request, "chosen", {}).get(subject)
        known = {str(getattr(rate, subject)) for rate in book.rates}
        if named is not None and named not in known:
            mend = did_you_mean(str(named), known) or f"; GET .../{self.seed.kind.name} lists them"
            return Missing(f"there is no {subject} {str(named)[:100]!r} in this book{mend}")
        # rates that are right by themselves can only be in the way of others
        kind = Conflict if isinstance(request, Add) and not flaws_of(request.rates) else Rejected
        return kind(f"nothing was changed: {flaws[0]}", flaws=flaws, left_out=left_out)

    def _row(self, row: Mapping[str, Any]) -> BookRow[D]:
        kind = self.seed.kind
        rate: D = _rate(kind, tuple(row[name] for name in _columns(kind)))
        # written back under another name it would stand twice
        if rate.rate_id != row["rate_id"]:
            raise Tampered(f"{self.seed.table} has a row under {row['rate_id']} that says what {rate.rate_id} says; restore the table")
        return BookRow(rate=rate, **{name: row[name] for name in BOOKKEEPING})

    def _stands(self) -> None:
        warehouse, provider, slug = self.services.warehouse, self.seed.provider, self.tenant.org_slug
        try:
            warehouse.columns(self.tenant, self.seed.table)
        except Missing as missing:
            at = f"/api/v1/integrations/{slug}/{provider}"
            made_by = f"POST {at}/setup makes it, and so does POST {at}/{self.seed.kind.name}/reset"
            raise Missing(f"organisation {slug} has no table {self.seed.table} yet; {made_by}") from missing

    def _note(self, change: BookChange[D], actor: Actor, action: str) -> None:
        details: dict[str, Any] = {"changed": change.changes, "opened": len(change.opened), "closed": len(change.closed)}
        for name, rows in (("opened_rates", change.opened), ("closed_rates", change.closed)):
            details[name] = [row.rate.rate_id for row in rows[:TOLD_RATES]]
        slug = self.tenant.org_slug

        def write(unit: Unit) -> None:
            # of an organisation that was erased meanwhile whoever has the slug next is told nothing
            if orgs.lives(unit, slug, self.tenant.generation):
                audit_trail.note(unit, self.services, actor, action, self.resource, org_slug=slug, details=details)

        self.services.ledger.write(write)

    def _require_holder(self) -> None:
        if self.tenant.generation is None:
            return
        holder = self.services.ledger.read(orgs.holder, self.tenant.org_slug)
        if holder is None or holder.generation != self.tenant.generation:
            raise orgs.off_boarded(self.tenant.org_slug)


def _require_few(editions: Counter[Axes]) -> None:
    """On one axis: to lay a rate there is to look at all of them."""
    axes, count = next(iter(editions.most_common(1)), ((), 0))
    if count > MOST_OF_ONE:
        name = "/".join(str(one) for one in axes)
        raise TooLarge(f"{name[:200]} would have {count:,} editions, and {MOST_OF_ONE:,} is the most; lay fewer rates of it")


def told_of(actor: Actor) -> str:
    """Who a row says laid it. The person is what the caller says."""
    return f"{actor.kind}:{redacted_text(actor.user_id)}" if actor.user_id else actor.kind


def _turn(dataset: str, table: str) -> threading.Lock:
    with _making:
        return _turns.setdefault((dataset, table), threading.Lock())


@lru_cache(maxsize=KEPT_RATES)
def _rate(kind: BookKind[Any], values: tuple[Any, ...]) -> Any:
    """The books of all organisations begin as the same seed, and its rates with their names are the most of what reading one takes."""
    told = dict(zip(_columns(kind), values, strict=True))
    return kind.rates(**{**told, "price": _short(told["price"])})


@lru_cache(maxsize=8)
def _columns(kind: BookKind[Any]) -> tuple[str, ...]:
    return columns_of(kind.rates)


def _short(price: Decimal | None) -> Decimal | None:
    """As it was told: a column of the warehouse fills all its decimals."""
    if price is None:
        return None
    text = format(price, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
