"""The page that people read says what the table holds."""

from src.core.base.settings import ROOT
from tests.core.providers.faults.table import TABLE, WireFault

PAGE = ROOT / "docs" / "reference" / "provider-faults.md"
STAYS = {"VALID": "stays", None: "-"}


def test_the_page_tells_each_row_as_the_table_has_it():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    told = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]

    assert [(cells[0].partition(" (")[0], *cells[1:6]) for cells in told] == [_cells(row) for row in TABLE]
    assert all(cells[6].endswith(".") for cells in told)


def _cells(row: WireFault) -> tuple[str, ...]:
    if row.fault is None:
        return row.name, "-", "-", "-", STAYS.get(row.run, row.run), STAYS.get(row.validate) or str(row.validate)
    again = "yes" if row.retried else "no"
    return row.name, row.fault.code, f"`{row.says}`", again, STAYS.get(row.run, row.run), STAYS.get(row.validate) or str(row.validate)
