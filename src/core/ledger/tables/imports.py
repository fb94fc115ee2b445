"""Files that were sent for an import, until it has ended well: in the ledger, where whichever worker has the run finds them."""

import base64
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Delete, Select, Update, bindparam, delete, select, update

from src.core.ledger.unit import Tables, Unit

PIECE = 192 * 1024
"""Of base64: a value that every engine takes in one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    org_slug: str
    import_id: str
    provider: str
    credential_name: str
    file_name: str | None
    exported_on: date | None
    content: bytes


FACTS = ("provider", "credential_name", "file_name", "exported_on")


def keep(unit: Unit, file: ImportedFile, at: datetime) -> bool:
    """False where the same was there already; it is kept as long as if it had come now."""
    text = base64.b64encode(zlib.compress(file.content)).decode()
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    same = {"org_slug": file.org_slug, "import_id": file.import_id, **{name: getattr(file, name) for name in FACTS}}
    table, new = unit.tables["org_imported_files"], False
    for number, content in enumerate(pieces):
        new |= unit.insert_once(table, {**same, "piece": number, "pieces": len(pieces), "content": content, "received_at": at})
    if not new:
        unit.change(_sent_again, {"of_org": file.org_slug, "of_import": file.import_id, "at": at})
    return new


def find(unit: Unit, org_slug: str, import_id: str) -> ImportedFile | None:
    """None also where a piece of it lacks."""
    rows = unit.rows(unit.prepared(_pieces), {"of_org": org_slug, "of_import": import_id})
    if not rows or len(rows) < rows[0][0]:
        return None
    facts = dict(zip(FACTS, rows[0][1:-1], strict=True))
    content = zlib.decompress(base64.b64decode("".join(row[-1] for row in rows)))
    return ImportedFile(org_slug=org_slug, import_id=import_id, content=content, **facts)


def forget(unit: Unit, org_slug: str, import_id: str) -> int:
    return unit.change(_forgotten, {"of_org": org_slug, "of_import": import_id})


def forget_before(unit: Unit, org_slug: str, at: datetime) -> int:
    """Those of imports that did not end well, and that nobody sent again."""
    return unit.change(_old, {"of_org": org_slug, "at": at})


def _pieces(tables: Tables) -> Select[Any]:
    file = tables["org_imported_files"].c
    return select(file.pieces, *(file[name] for name in FACTS), file.content).where(*_named(tables)).order_by(file.piece)


def _forgotten(tables: Tables) -> Delete:
    return delete(tables["org_imported_files"]).where(*_named(tables))


def _sent_again(tables: Tables) -> Update:
    files = tables["org_imported_files"]
    return update(files).where(*_named(tables)).values(received_at=bindparam("at", type_=files.c.received_at.type))


def _old(tables: Tables) -> Delete:
    files = tables["org_imported_files"]
    return delete(files).where(
        files.c.org_slug == bindparam("of_org"), files.c.received_at < bindparam("at", type_=files.c.received_at.type)
    )


def _named(tables: Tables) -> tuple[Any, ...]:
    file = tables["org_imported_files"].c
    return file.org_slug == bindparam("of_org"), file.import_id == bindparam("of_import")
