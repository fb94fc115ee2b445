"""Price books and what became of them, as answers."""

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import Response

from src.app.answers.tables import MEDIA_TYPES
from src.app.models.llm_data import PricingAnswer, PricingChange, ResetAnswer, SubscriptionsAnswer, SubscriptionsChange
from src.app.models.organizations import Answer
from src.core.base.faults import Flaw, Rejected
from src.core.step.prices.book import BookRow
from src.core.step.prices.forms import to_row, write_csv
from src.core.step.prices.kinds import PRICING
from src.core.step.prices.listing import BookPage, BookQuestion, latest, listed, state_of
from src.core.step.prices.rates import D
from src.core.step.prices.store import BookStore, Changed

SHOWN_ROWS = 500
# no provider of models has costs in this release; what it does to them is unknown and not nothing
COSTS: Mapping[str, Any] = {"costs_known": False, "costs": []}


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
        **COSTS,
    }
    return _json((PricingChange if store.seed.kind.name == PRICING.name else SubscriptionsChange).model_validate(said))


def reset_answer(store: BookStore[D], told: Mapping[str, Any], run_id: str | None) -> ResetAnswer:
    said = {"status": "SUCCESS", **_of(store), "dry_run": run_id is None, "table_created": False, **told, **COSTS}
    return ResetAnswer.model_validate({**said, "pipeline_logging_id": run_id})


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
