"""Books that hold costs against a report: the questions that are asked of every such provider, and what its own say of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from src.core.base.documents import Located
from src.core.base.faults import Flaw
from src.core.base.names import did_you_mean
from src.core.base.schema import TableSchema
from src.core.step.books.document import BooksDocument, ReconciledFacts
from src.core.step.books.placing import QuestionPlaces, question_file, question_text

FOLDER: Final = "system/reconciliation"
PROOFS: Final = (f"{FOLDER}/money.sql", f"{FOLDER}/rows.sql")
DOUBTS: Final = f"{FOLDER}/doubts.sql"
DUE: Final = f"{FOLDER}/due.sql"
TELLS: Final = f"{FOLDER}/tells.sql"
# of the column told_model: what a model is called without the owner and the day that its name has
FAMILY: Final = r"""REGEXP_REPLACE(
  COALESCE(REGEXP_EXTRACT(LOWER(TRIM(told_model)), r'^(ft:[^:]+):'), LOWER(TRIM(told_model))),
  r'-([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4})$', ''
)"""
# where both sides of a day stand beside each other, whatever the kind of use
PLACE: Final = r"""CONCAT(
  CAST(usage_date AS STRING), '\n', account, '\n', COALESCE(project_id, ''), '\n', COALESCE(model_family, ''), '\n', currency
)"""
REPORT, FURTHER = "report", "further"
NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "costs": frozenset({"model_told", "service_tier", "token_kind", "region", "price_window", "cost", "cost_least", "cost_most"}),
    "told": frozenset({"source", "usage_date", "currency", "amount"}),
    "compared": frozenset({"account", "line_item", "computed", "reported", "cause_not_in_report", "unexplained", "remainder_state"}),
    "bill": frozenset({"account", "api_key_id", "model", "line_item", "figure", "allocation", "unpriced_rows"}),
}
TIER: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")


@dataclass(frozen=True, slots=True)
class ReportQuestions:
    """What the shared questions of one provider's books stand for."""

    facts: ReconciledFacts
    provider: str
    configs: Path
    folder: Path

    def named(self, places: QuestionPlaces) -> QuestionPlaces:
        """With all that its tables have to say by then: of each, what the provider's own name for it stands for."""
        facts = self.facts
        texts = {
            "provider": f"'{self.provider}'",
            "tells_kinds": str(facts.tells_kinds).upper(),
            "tells_quantities": str(facts.tells_quantities).upper(),
            # a tier has a name, so that of none no use is
            "untold_tiers": ", ".join(f"'{tier}'" for tier in facts.untold_tiers) or "''",
            "family": FAMILY,
            "place": PLACE,
            "parents": question_text(self.configs / FOLDER / "parents.sql"),
        }
        tables = {"costs": facts.costs, "told": facts.told, "compared": facts.compared, "bill": facts.bill}
        for name, text in texts.items():
            places = places.with_text(name, text)
        for name, table in tables.items():
            places = places.with_name(name, table) if table in places.texts else places
        return places.with_text(REPORT, places.put_into(question_file(self.configs, self.folder, facts.report)))

    def billing(self, places: QuestionPlaces) -> QuestionPlaces:
        """And what there is beside both figures."""
        return places.with_text(FURTHER, places.put_into(question_file(self.configs, self.folder, self.facts.further)))


def with_reconciled(document: BooksDocument) -> BooksDocument:
    """The books with the questions that come with a report."""
    if document.reconciled is None:
        return document
    return document.model_copy(
        update={
            "proofs": (*document.proofs, *PROOFS),
            "doubts": (*document.doubts, DOUBTS),
            "due": (*document.due, DUE),
            "tells": document.tells or TELLS,
        }
    )


def reconciled_flaws(
    document: BooksDocument, raw: Mapping[str, TableSchema], derived: Mapping[str, TableSchema], located: Located[BooksDocument]
) -> Iterator[Flaw]:
    facts = document.reconciled
    if facts is None:
        return
    if document.prices is None:
        yield located.flaw("needs `prices`: what costs are held against a report is made of use", "reconciled")
    for key, needed in NEEDED.items():
        name, tables = getattr(facts, key), raw if key == "told" else derived
        what = "table of raw rows" if key == "told" else "derived table"
        if name not in tables:
            yield located.flaw(f"{name!r} is no {what}{did_you_mean(name, tables)}", "reconciled", key)
        elif absent := sorted(needed - set(tables[name].columns)):
            yield located.flaw(f"{name} lacks {', '.join(absent)}, which the comparison needs", "reconciled", key)
    order = [name for name in derived if name in (facts.costs, facts.compared, facts.bill)]
    if not list(_unknown(order, derived)) and order != [facts.costs, facts.compared, facts.bill]:
        yield located.flaw(
            "`derived` names costs, what compares them and the bill in this order: each is made of those before it", "reconciled"
        )
    for tier in facts.untold_tiers:
        if not TIER.fullmatch(tier):
            yield located.flaw(f"{tier[:40]!r} is no tier; it takes up to 60 of a-z, 0-9, '.', '_' and '-'", "reconciled", "untold_tiers")


def _unknown(names: Iterable[str], known: Mapping[str, TableSchema]) -> Iterator[str]:
    return (name for name in names if name not in known)
