"""Derived rows of some days, made anew; what they told before is kept beside them, since and until when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from src.core.engine.port import Params, Publication
from src.core.step.books.rules import Derived
from src.core.step.books.telling import By


@dataclass(frozen=True, slots=True)
class Derivation:
    rows: int
    """Of the days made anew, as they are now."""
    changed: frozenset[date]
    """The days that do not say what they said, or said nothing."""


def derive(publication: Publication, derived: Derived, days: Iterable[date], by: By, each: Sequence[Params] = ({},)) -> Derivation:
    """`each` is what the fill is asked with, once for each."""
    asked: dict[str, Any] = {**span_of(days), "told_at": by.at, "run_id": by.run_id}
    table, clear, retelling = derived.table, derived.clear, derived.retelling
    told_before = retelling.before.name
    if not publication.query(retelling.held, asked).num_rows:
        # also where it takes nothing away: of two publications that fill the same days one has to begin anew
        publication.execute(clear, asked)
        first = sum(publication.insert(table, retelling.first, {**asked, **which}) for which in each)
        return Derivation(first, frozenset(days))
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
    return Derivation(filled, frozenset(changed))


def span_of(days: Iterable[date]) -> Mapping[str, Any]:
    ordered = sorted(days)
    return {"days": ordered, "first": ordered[0], "last": ordered[-1]}
