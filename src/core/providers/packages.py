"""From a provider's name to what its package says of credentials: `src/core/providers/<name>/credential.py`."""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from src.core.base.discovery import file_of, folders_with
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean
from src.core.base.secret import Secret
from src.core.providers.link import ProviderLink

PREFIX = "src.core.providers"
MODULE = "credential"


@dataclass(frozen=True, slots=True)
class CredentialVerdict:
    """What the provider said, or what the credential says of itself. Not valid: `error` says why and what to do, and the rest is empty."""

    valid: bool
    subject: str | None = None
    error: str | None = None
    flaws: Sequence[Flaw] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What it opens; stored beside it, and no secret."""
    secret: Secret | None = None
    """The credential as it is kept, without what nobody needs."""
    fingerprint: str = ""
    expires_at: datetime | None = None


class ShownConnection(BaseModel):
    """Of the facts stored beside a credential those that `/integrations` shows.

    A field that comes later has a default: what was stored before lacks it.
    """

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


Probe = Callable[[ProviderLink, Secret, Mapping[str, Any]], CredentialVerdict]
"""A credential and the caller's settings, shown to the provider. What it refuses is a Rejected; what cannot be asked is no verdict."""


Recognise = Callable[[Secret, Mapping[str, Any]], CredentialVerdict]
"""What a credential and the caller's settings say by themselves; nobody is asked. What cannot be one is a Rejected."""


Sources = Callable[[Sequence[Mapping[str, Any]]], Mapping[str, tuple[str, int]]]
"""Of what is stored beside credentials: the sources whose money counts, each with its account and the place of its credential."""


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    kinds: str
    """What it takes, in words for people: "the JSON key of a service account"."""
    connection: type[ShownConnection]
    probe: Probe
    recognise: Recognise | None
    """None of a provider whose credentials cannot be told by themselves: they are not kept without asking."""
    sources: Sources | None = None
    """None where each credential opens one account, which its subject names."""


@dataclass(frozen=True)
class ProviderPackages:
    prefix: str = PREFIX

    @cached_property
    def names(self) -> tuple[str, ...]:
        return folders_with(self.prefix, MODULE)

    def credential(self, name: str) -> CredentialFacts:
        # checked against the folders that are there before it becomes part of what is imported
        if name not in self.names:
            known = did_you_mean(name, self.names) or f"; known are {', '.join(self.names)}"
            raise Misconfigured(f"nothing is known of asking {name[:40]}{known}; {self._file(name)} would say it")
        try:
            module = vars(importlib.import_module(f"{self.prefix}.{name}.{MODULE}"))
        except (ImportError, SyntaxError) as wrong:
            raise Misconfigured(f"{self._file(name)} cannot be imported: {wrong}") from wrong
        kinds, connection, probe, recognise = (module.get(each) for each in ("KINDS", "Connection", "probe", "recognise"))
        if not isinstance(kinds, str) or not kinds:
            raise Misconfigured(f"{self._file(name)} has no KINDS: what a credential of {name} is, in words for people")
        if not inspect.isclass(connection) or not issubclass(connection, ShownConnection):
            raise Misconfigured(
                f"{self._file(name)} has no class Connection(packages.ShownConnection): what /integrations shows of a credential"
            )
        if not callable(probe):
            raise Misconfigured(f"{self._file(name)} has no `probe(link, secret, settings)` that answers a CredentialVerdict")
        return CredentialFacts(kinds, connection, probe, recognise, module.get("sources"))

    def _file(self, name: str) -> str:
        return file_of(self.prefix, name[:40], MODULE)


PACKAGES = ProviderPackages()
