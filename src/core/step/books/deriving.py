"""Derived rows of some days, made anew; what they told before is kept beside them, since and until when."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from src.core.engine.port import Params, Publication
from src.core.step.books.rules import Derived
from src.core.step.books.telling import By


def derive(publication: Publication, derived: Derived, days: Iterable[date], by: By, each: Sequence[Params] = ({},)) -> int:
    """The number of rows that these days have now. `each` is what the fill is asked with, once for each."""
    asked: dict[str, Any] = {**span_of(days), "told_at": by.at, "run_id": by.run_id}
    table, clear, retelling = derived.table, derived.clear, derived.retelling
    told_before = retelling.before.name
    if not publication.query(retelling.held, asked).num_rows:
        # also where it takes nothing away: of two publications that fill the same days one has to begin anew
        publication.execute(clear, asked)
        return sum(publication.insert(table, retelling.first, {**asked, **which}) for which in each)
    filled = sum(publication.insert(told_before, retelling.now, {**asked, **which}) for which in each)
    changed = [row["usage_date"] for row in publication.query(retelling.changed, asked).to_pylist()]
    if changed:
        anew = {**asked, **span_of(changed)}
        publication.insert(told_before, retelling.was, anew)
        publication.execute(clear, anew)
        publication.insert(table, retelling.again, anew)
        publication.insert(told_before, retelling.no_more, anew)
    # the marked rows are of this publication's work alone: left there, they would be told as what was said before
    publication.execute(retelling.clear, asked)
    return filled


def span_of(days: Iterable[date]) -> Mapping[str, Any]:
    ordered = sorted(days)
    return {"days": ordered, "first": ordered[0], "last": ordered[-1]}
