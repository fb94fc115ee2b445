"""Inputs of a run as the queue keeps them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from src.core.base.faults import Flaw, Rejected
from src.core.base.window import Window
from src.core.ledger.store import Unit
from src.core.pipeline.catalog import CatalogEntry
from src.core.pipeline.preparation import PreparedRun
from src.core.step import credentials

CREDENTIAL: Final = "credential_name"


def check_queueable(entry: CatalogEntry, prepared: PreparedRun) -> None:
    """The queue keeps inputs as they were given until the run is over, so none of them may be a secret."""
    asked = entry.document.inputs
    flaws = [
        Flaw("is an object, and a run that waits in the queue takes plain values only", field=name)
        for name, spec in asked.items()
        if spec.type == "object" and prepared.inputs.get(name) is not None
    ]
    flaws += [
        # parameters are masked by now: one that is not as it was given was taken for a secret; personal ones are masked always
        Flaw("looks like a secret; store it as a credential of the integration instead", field=name)
        for name, value in prepared.inputs.items()
        if value is not None and asked[name].type != "object" and not asked[name].personal and prepared.parameters[name] != _plain(value)
    ]
    if flaws:
        raise Rejected(f"this run cannot wait in the queue: {flaws[0].field} {flaws[0].message}", flaws=flaws)


def given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in inputs.items() if value is not None}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else str(value)


class OnlyCredential(Exception):
    """Of the provider the organisation has one, not of the usual name; who names none means that one."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def names_none(entry: CatalogEntry, inputs: Mapping[str, Any]) -> bool:
    return CREDENTIAL in entry.document.inputs and inputs.get(CREDENTIAL) is None


def see_only(unit: Unit, slug: str, provider: str | None) -> None:
    name = credentials.unnamed(unit, slug, provider) if provider else credentials.DEFAULT_NAME
    if name != credentials.DEFAULT_NAME:
        raise OnlyCredential(name)


def active_key(slug: str, document_id: str, window: Window | None, given: Mapping[str, Any]) -> str:
    """Of inputs as the queue keeps them. Two runs with one key are the same work, and one of them at most is not over."""
    digest = hashlib.sha256(json.dumps(dict(given), sort_keys=True).encode()).hexdigest()[:32]
    return f"{slug}|{document_id}|{window or 'none'}|{digest}"
