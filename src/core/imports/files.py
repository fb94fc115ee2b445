"""Files that a person exports of a provider's console: which provider has them, what one tells of, and where it waits for its run."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from src.core.base.faults import Flaw, Missing, Rejected
from src.core.base.identity import Tenant
from src.core.base.window import Window
from src.core.ledger.tables import imports
from src.core.ledger.tables.imports import ImportedFile
from src.core.providers.deepseek.export import console_export
from src.core.step import credentials
from src.core.step.context import Services

KEPT_DAYS = 7
"""So long a file is kept whose import did not end well."""


class Told(Protocol):
    """What a file of whichever provider says of itself."""

    @property
    def first(self) -> date: ...
    @property
    def last(self) -> date: ...
    @property
    def end(self) -> date: ...


@dataclass(frozen=True, slots=True)
class ImportKind:
    pipeline: str
    """The document that loads it; its input `import_id` names the file."""
    reads: Callable[[bytes, str | None], Told]
    """What is no such file is a Rejected, with line and column."""


KINDS: Mapping[str, ImportKind] = {"deepseek": ImportKind("deepseek/import", console_export)}


def kind_of(provider: str) -> ImportKind:
    if provider not in KINDS:
        raise Rejected(f"no file of {provider} is imported, for it is asked itself; files are imported of {', '.join(sorted(KINDS))}")
    return KINDS[provider]


@dataclass(frozen=True, slots=True)
class ReadFile:
    file: ImportedFile
    window: Window
    """The days that it tells of."""


def read(kind: ImportKind, file: ImportedFile, today: date) -> ReadFile:
    told = kind.reads(file.content, file.file_name)
    if told.last > today:
        raise Rejected(f"the file tells of {told.last}, which has not come yet", flaws=[Flaw(f"tells of {told.last}", "utc_date")])
    if file.exported_on is not None and not told.last <= file.exported_on <= today:
        said = f"{file.exported_on} is not from {told.last}, the last day that the file tells of, to {today}"
        raise Rejected(f"exported_on: {said}", flaws=[Flaw(said, "exported_on")])
    return ReadFile(file, Window(told.first, last_known(told, file.exported_on)))


def last_known(told: Told, exported_on: date | None) -> date:
    """Of the days after its last row a file tells that nothing was used, up to the day before it was exported or the end of its name."""
    return told.last if exported_on is None else max(told.last, min(told.end, exported_on - timedelta(1)))


def named(
    tenant: Tenant, provider: str, credential_name: str, *, content: bytes, name: str | None, exported_on: date | None
) -> ImportedFile:
    said = [provider, credential_name, name or "", str(exported_on or "")]
    digest = hashlib.sha256("\n".join(said).encode() + b"\0" + content)
    return ImportedFile(
        org_slug=str(tenant.org_slug),
        import_id=digest.hexdigest()[:32],
        provider=provider,
        credential_name=credential_name,
        file_name=name,
        exported_on=exported_on,
        content=content,
    )


def keep(services: Services, file: ImportedFile) -> bool:
    """Until its run has ended well; of the account of a credential that is stored. False where it waits already."""
    now = services.clock.now()
    with services.ledger.writing() as unit:
        credentials.existing(unit, file.org_slug, file.provider, file.credential_name)
        imports.forget_before(unit, file.org_slug, now - timedelta(KEPT_DAYS))
        return imports.keep(unit, file, now)


def find(services: Services, tenant: Tenant, import_id: str) -> ImportedFile:
    found = services.ledger.read(imports.find, str(tenant.org_slug), import_id)
    if found is None:
        raise Missing(f"no file waits under the import {import_id[:40]!r}: it was imported, or lies too long; send it again")
    return found


def forget(services: Services, file_of: Tenant, import_id: str) -> None:
    services.ledger.write(imports.forget, str(file_of.org_slug), import_id)
