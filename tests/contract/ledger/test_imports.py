import random
from dataclasses import replace
from datetime import date, timedelta

from src.core.ledger.tables import imports
from src.core.ledger.tables.imports import PIECE, ImportedFile
from tests.contract.ledger.samples import AT

FILE = ImportedFile(
    org_slug="acme",
    import_id="i1",
    provider="deepseek",
    credential_name="default",
    file_name="amount-2026-11.csv",
    exported_on=date(2026, 11, 20),
    # what cannot be pressed together, so that it takes several pieces
    content=random.Random(1).randbytes(PIECE * 2),
)


def test_a_file_is_found_as_it_was_sent_and_gone_once_it_is_forgotten(ledger):
    other = replace(FILE, org_slug="beta", content=b"other", file_name=None, exported_on=None)
    assert ledger.write(imports.keep, FILE, AT)
    assert ledger.write(imports.keep, other, AT)
    assert not ledger.write(imports.keep, FILE, AT)
    assert ledger.read(imports.find, "acme", "i1") == FILE
    assert ledger.read(imports.find, "beta", "i1") == other
    assert ledger.read(imports.find, "acme", "i2") is None
    assert ledger.write(imports.forget, "acme", "i1") == 3
    assert ledger.read(imports.find, "acme", "i1") is None
    assert ledger.read(imports.find, "beta", "i1") == other


def test_files_that_nobody_sent_again_go(ledger):
    week = timedelta(7)
    for name in ("old", "again"):
        ledger.write(imports.keep, replace(FILE, import_id=name, content=b"x"), AT)
    ledger.write(imports.keep, replace(FILE, import_id="again", content=b"x"), AT + week)
    assert ledger.write(imports.forget_before, "acme", AT + week) == 1
    assert ledger.read(imports.find, "acme", "old") is None
    assert ledger.read(imports.find, "acme", "again") is not None
