"""Schedules that come with a valid credential and go with it, as the pipelines of its provider say (`schedule:` in their documents)."""

import hashlib
from contextlib import suppress

from src.core.base.cron import spread
from src.core.base.faults import Conflict, Missing
from src.core.ledger.tables.configs import Schedule
from src.core.pipeline.catalog import CatalogEntry
from src.core.pipeline.document import UsualSchedule
from src.core.schedules.editing import AskedSchedule, ScheduleEditor
from src.core.schedules.parameters import WINDOW
from src.core.step.credentials import DEFAULT_NAME

CREDENTIAL = "credential_name"


def keep(editor: ScheduleEditor, provider: str, name: str) -> list[Schedule]:
    """Those that the credential brings. One that is there already stays as somebody has changed it."""
    made = []
    for entry, usual in _of_provider(editor, provider):
        named = {CREDENTIAL: name} if _takes_credential(entry) and name != DEFAULT_NAME else {}
        cron = spread(usual.cron, f"{editor.tenant.org_slug}|{entry.document_id}")
        asked = AskedSchedule(schedule_cron=cron, parameters={WINDOW: usual.window, **named})
        try:
            made.append(editor.create(entry, asked, config_id=_config_id(editor, entry, name)))
        except Conflict:
            # with as many as it may have, those that lack are its own to choose
            break
    return made


def drop(editor: ScheduleEditor, provider: str, name: str, *, last: bool) -> None:
    """`last`: the provider has no other credential, so what runs without one goes too."""
    for entry, _ in _of_provider(editor, provider):
        if _takes_credential(entry) or last:
            # somebody may have removed it before
            with suppress(Missing):
                editor.remove(_config_id(editor, entry, name))


def _of_provider(editor: ScheduleEditor, provider: str) -> list[tuple[CatalogEntry, UsualSchedule]]:
    return [
        (entry, entry.document.schedule)
        for entry in editor.catalog.entries.values()
        if entry.document.provider == provider and entry.document.schedule is not None
    ]


def _takes_credential(entry: CatalogEntry) -> bool:
    return CREDENTIAL in entry.document.inputs


def _config_id(editor: ScheduleEditor, entry: CatalogEntry, name: str) -> str:
    """The same each time, so that storing a credential anew makes no second one; one for all where the pipeline takes no name."""
    named = name if _takes_credential(entry) else ""
    return hashlib.sha256(f"{editor.tenant.org_slug}|{entry.document_id}|{named}".encode()).hexdigest()[:32]
