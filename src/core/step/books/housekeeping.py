"""What is kept of every provider's books alike: its tables, and the questions asked of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from src.core.base.documents import read_document
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.schema import TableSchema
from src.core.step.books.placing import question_text
from src.core.step.books.retelling import RETELLING
from src.core.step.onboarding.plan import DatasetConfig

OWN_QUESTIONS = ("slices", "looks", "shares", "said_days", "said_months", "restated_by")
OWN_TABLES = ("x_source_slices", "x_source_looks", "x_cost_daily", "x_cost_monthly", "x_cost_history", "x_load_manifests")
OF_EVERY_PROVIDER = (
    "write_one",
    "write_many",
    "rows_of_slices",
    "rows_of_days",
    "rows_that_count",
    "touched",
    "days_of_rows",
    "loaded",
    "made_before",
    "made_before_all",
    "told_by_others",
    "spans",
    "accounts",
    "account_days",
    "clear",
    "days",
    "months",
    "months_touched",
    "days_held",
    "figures_of_days",
    "figures_of_months",
    "uses",
    "unpriced",
    "book_unchanged",
    *RETELLING,
)


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """The housekeeping tables of every dataset and the questions asked of them, whatever the provider."""

    schemas: tuple[TableSchema, ...]
    questions: Mapping[str, str]
    templates: Mapping[str, str]
    """Questions asked of every provider's tables, whose names are put in."""

    @classmethod
    def read(cls, configs: Path) -> "Housekeeping":
        folder = configs / "setup" / "organizations" / "onboarding"
        tables = read_document(folder / "config.yml", DatasetConfig).tables
        absent = [name for name in OWN_TABLES if name not in tables]
        # at the start, and not with the first load: books that have nowhere to be kept are no books
        if absent:
            raise Misconfigured(
                "books cannot be kept",
                flaws=[Flaw(f"the table {name} is not listed", "tables", str(folder / "config.yml")) for name in absent],
            )
        questions = configs / "system" / "books"
        return cls(
            tuple(tables[name].with_columns(folder, name) for name in OWN_TABLES),
            {name: question_text(questions / f"{name}.sql") for name in OWN_QUESTIONS},
            {name: question_text(questions / f"{name}.sql") for name in OF_EVERY_PROVIDER},
        )
