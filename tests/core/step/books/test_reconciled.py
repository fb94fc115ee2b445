"""What a `books.yml` says of a report is checked before any run."""

import shutil
from pathlib import Path

import pytest

from src.core.base.faults import Misconfigured
from src.core.base.settings import ROOT
from src.core.step.books.housekeeping import Housekeeping
from src.core.step.books.rules import Books
from src.core.step.reconciliation.rules import reconciled

CONFIGS = ROOT / "configs"


def read(configs: Path) -> Books:
    return Books.read(configs, configs / "openai", {}, Housekeeping.read(configs))


def changed(tmp_path: Path, was: str, now: str) -> Path:
    configs = tmp_path / "configs"
    shutil.copytree(CONFIGS, configs)
    path = configs / "openai/books.yml"
    text = path.read_text()
    assert text.count(was) == 1
    path.write_text(text.replace(was, now))
    return configs


def test_the_questions_of_a_report_come_with_it() -> None:
    books = read(CONFIGS)

    assert list(books.proofs) == ["proof_usage.sql", "system/reconciliation/money.sql", "system/reconciliation/rows.sql"]
    assert (len(books.doubts), len(books.due), books.tells is not None, books.asks_settled) == (1, 1, True, True)
    assert "openai" in reconciled(CONFIGS)
    assert "gcp" not in reconciled(CONFIGS)


@pytest.mark.parametrize(
    ("was", "now", "at", "said"),
    [
        ("  costs: openai_cost_daily", "  costs: openai_cost_dayly", "costs", "did you mean 'openai_cost_daily'?"),
        ("  told: openai_costs_daily_raw", "  told: openai_usage_daily_raw", "told", "lacks amount, currency"),
        ("  told: openai_costs_daily_raw", "  told: openai_bill_daily", "told", "is no table of raw rows"),
        ("  bill: openai_bill_daily", "  bill: openai_cost_daily", "bill", "lacks allocation, figure, line_item, unpriced_rows"),
        ("  report: report.sql", '  untold_tiers: ["priority\'"]', "untold_tiers", "is no tier"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(tmp_path: Path, was: str, now: str, at: str, said: str) -> None:
    configs = changed(tmp_path, was, now)

    with pytest.raises(Misconfigured) as wrong:
        read(configs)

    flaw = next(flaw for flaw in wrong.value.flaws if flaw.field == f"reconciled.{at}")
    assert said in flaw.message
    assert flaw.line
    assert flaw.file == str(configs / "openai/books.yml")


def test_a_report_is_nothing_to_hold_costs_against_that_are_made_of_no_use(tmp_path: Path) -> None:
    configs = changed(tmp_path, "prices: {meters: meters.sql}\n", "")

    with pytest.raises(Misconfigured) as wrong:
        read(configs)

    assert [flaw.message for flaw in wrong.value.flaws] == ["needs `prices`: what costs are held against a report is made of use"]


def test_a_report_that_names_what_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    configs = changed(tmp_path, "  report: report.sql\n", "  report: report.sql\n  further: more.sql\n")
    more = configs / "openai/books/more.sql"
    more.write_text("SELECT *\nFROM {openai_bill_daily}\n")

    with pytest.raises(Misconfigured) as wrong:
        read(configs)

    assert [(flaw.file, flaw.line) for flaw in wrong.value.flaws] == [(str(more), 2)]
