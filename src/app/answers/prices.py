"""Price books and what became of them, as answers."""

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import Response

from src.app.answers.tables import MEDIA_TYPES
from src.app.models.llm_data import PricingAnswer, PricingChange, ResetAnswer, SubscriptionsAnswer, SubscriptionsChange
from src.app.models.organizations import Answer
from src.core.base.faults import Fault, Flaw, Missing, Rejected
from src.core.costs.amounts import EXACT, money
from src.core.step.prices.book import Book, BookRow
from src.core.step.prices.effects import CostEffects, price_effects
from src.core.step.prices.forms import to_row, write_csv
from src.core.step.prices.kinds import PRICING
from src.core.step.prices.listing import BookPage, BookQuestion, latest, listed, state_of
from src.core.step.prices.plan_effects import plan_effects
from src.core.step.prices.rates import D
from src.core.step.prices.store import BookStore, Changed

SHOWN_ROWS = 500
SHOWN_COSTS = 1000
FIGURES = ("usage_month", "currency", "days_priced", "rows_priced", "days_unpriced", "rows_unpriced", "unpriced_reason")
SUBJECTS = ("model", "plan_name", "billing_period")


def page_answer(store: BookStore[D], question: BookQuestion, limit: int, cursor: str | None) -> Response:
    page, now = _page(store, question, limit, cursor)
    said = {
        **_of(store),
        "as_of": page.as_of,
        "own": sum(row.rate.origin == "own" for row in page.rows),
        "next_cursor": page.next_cursor,
        "rows": _rows(page.rows, question.at or now),
    }
    return _json((PricingAnswer if store.seed.kind.name == PRICING.name else SubscriptionsAnswer).model_validate(said))


def file_page(store: BookStore[D], question: BookQuestion, limit: int | None, cursor: str | None) -> BookPage[D]:
    if question.history:
        flaws = [Flaw("is not taken with csv", "history")]
        raise Rejected("in a file rates that are dead would pass for living ones; ask for the history as JSON", flaws=flaws)
    return _page(store, question, limit, cursor)[0]


def file_pieces(store: BookStore[D], page: BookPage[D]) -> Generator[bytes, None, None]:
    """In the very form that a file is taken in."""
    yield write_csv(store.seed.kind.rates, [row.rate for row in page.rows]).encode()


def change_answer(store: BookStore[D], done: Changed[D], *, dry_run: bool) -> Response:
    change = done.change
    said = {
        "status": "SUCCESS",
        **_of(store),
        "dry_run": dry_run,
        "changed": change.changes,
        "at": change.at,
        "opened_count": len(change.opened),
        "closed_count": len(change.closed),
        "opened": _rows(change.opened[:SHOWN_ROWS], change.at),
        "closed": _rows(change.closed[:SHOWN_ROWS], change.at),
        **costs_of(store, done, written=not dry_run),
    }
    return _json((PricingChange if store.seed.kind.name == PRICING.name else SubscriptionsChange).model_validate(said))


def reset_answer(store: BookStore[D], told: Mapping[str, Any], run_id: str | None, effects: Mapping[str, Any]) -> ResetAnswer:
    said = {"status": "SUCCESS", **_of(store), "dry_run": run_id is None, "table_created": False, **told, **effects}
    return ResetAnswer.model_validate({**said, "pipeline_logging_id": run_id})


def book_before(store: BookStore[D]) -> Book[D]:
    """Of a reset, which makes a book where there is none."""
    try:
        return store.read()
    except Missing:
        return Book()


def effects_answer(store: BookStore[Any], books: Callable[[], tuple[Book[Any], Book[Any]]], *, written: bool) -> Mapping[str, Any]:
    """What becomes of told costs by the second of them. Where that was written already, no fault of the question hides it."""
    try:
        found = (price_effects if store.seed.kind.name == PRICING.name else plan_effects)(store, *books())
    except Fault as fault:
        if not written:
            raise
        found = CostEffects(unknown=f"the book is changed; what that does to costs could not be asked: {fault.detail}")
    looked, concerned = found.looked or (None, None), found.concerned
    path = f"/api/v1/pipelines/run/{store.tenant.org_slug}/{found.run}"
    return {
        "costs_known": found.unknown is None,
        "costs_unknown_because": found.unknown,
        "costs_from": looked[0],
        "costs_to": looked[1],
        "costs": [_effect(row) for row in found.rows[:SHOWN_COSTS]],
        "costs_left_out": max(len(found.rows) - SHOWN_COSTS, 0),
        "costs_run": concerned and {"method": "POST", "path": path, "start_date": concerned[0], "end_date": concerned[1]},
    }


def costs_of(store: BookStore[D], done: Changed[D], *, written: bool) -> Mapping[str, Any]:
    after = done.book.after(done.change) if done.change.changes else done.book
    return effects_answer(store, lambda: (done.book, after), written=written)


def _effect(row: Mapping[str, Any]) -> Mapping[str, Any]:
    now, then = row["cost_now"], row["cost_then"]
    amounts = {"cost_now": now, "cost_then": then, "difference": EXACT.subtract(then, now)}
    told = {name: row[name] for name in (*SUBJECTS, *FIGURES) if name in row}
    return {**told, "days": row["day_count"], "rows": row["row_count"], **{name: money(value) for name, value in amounts.items()}}


def _json(answer: Answer) -> Response:
    """Made in the caller's thread: of a thousand rows it takes too long for the event loop."""
    return Response(answer.model_dump_json(), media_type=MEDIA_TYPES["json"], headers={"Vary": "Accept"})


def _of(store: BookStore[D]) -> Mapping[str, Any]:
    return {"org_slug": store.tenant.org_slug, "provider": store.seed.provider, "table": store.seed.table}


def _page(store: BookStore[D], question: BookQuestion, limit: int | None, cursor: str | None) -> tuple[BookPage[D], datetime]:
    book, now = store.read(), store.services.clock.now()
    return listed(book, question, now, limit, cursor), latest(book, now)


def _rows(rows: Sequence[BookRow[D]], now: datetime) -> list[Mapping[str, Any]]:
    return [_row(row, now) for row in rows]


def _row(row: BookRow[D], now: datetime) -> Mapping[str, Any]:
    price = row.rate.price
    return {**to_row(row), "price": None if price is None else format(price, "f"), "state": state_of(row, now)}
