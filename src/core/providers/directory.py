"""Who an organisation may pay, and where each is asked: `configs/system/providers.yml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from src.core.base.documents import Document, read_document
from src.core.base.faults import Missing, Rejected
from src.core.base.names import did_you_mean, url_flaw
from src.core.base.redaction import redacted_text

ENDPOINT = re.compile(r"[a-z][a-z0-9_]*")


class PaceDocument(Document):
    """How fast a run may ask it."""

    per_second: float = Field(gt=0, le=1_000)
    burst: int = Field(ge=1, le=10_000)
    at_once: int = Field(ge=1, le=16)
    guesses: bool = True


class ProviderFacts(Document):
    title: str
    kind: Literal["cloud", "model"]
    aliases: tuple[str, ...] = ()
    served: bool = True
    endpoints: dict[str, str] = Field(default_factory=dict)
    pace: PaceDocument | None = None
    invoice_zone: str = "UTC"

    @field_validator("invoice_zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        try:
            return ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError(f"{zone!r} is no IANA time zone") from unknown

    @field_validator("endpoints")
    @classmethod
    def _addresses(cls, endpoints: dict[str, str]) -> dict[str, str]:
        for name, url in endpoints.items():
            flaw = url_flaw(url)
            if flaw or not ENDPOINT.fullmatch(name):
                raise ValueError(f"{name}: {flaw or 'a name is lower case, digits and _'}")
        return endpoints


class ProvidersDocument(Document):
    providers: dict[str, ProviderFacts] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        taken: set[str] = set()
        for name in [*self.providers, *(alias for facts in self.providers.values() for alias in facts.aliases)]:
            # names are asked for in any case, so two that differ by it alone would be one
            if name.casefold() in taken:
                raise ValueError(f"{name!r} names two providers")
            taken.add(name.casefold())
        return self


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    title: str
    kind: str
    served: bool
    invoice_zone: str
    """By whose days its invoices cut their months."""


@dataclass(frozen=True, slots=True)
class Providers:
    by_name: Mapping[str, Provider]
    spelled: Mapping[str, str]
    endpoints: Mapping[str, str]
    """The address of each, by provider and name: `openai.api`."""
    paces: Mapping[str, PaceDocument]
    """Of those that are asked no faster."""

    @classmethod
    def load(cls, path: Path) -> Self:
        facts = read_document(path, ProvidersDocument).providers
        spelled = {spelling.casefold(): name for name, one in facts.items() for spelling in (name, *one.aliases)}
        endpoints = {f"{name}.{part}": url for name, one in facts.items() for part, url in one.endpoints.items()}
        paces = {name: one.pace for name, one in facts.items() if one.pace is not None}
        known = {name: Provider(name, one.title, one.kind, one.served, one.invoice_zone) for name, one in facts.items()}
        return cls(known, spelled, endpoints, paces)

    def get(self, said: str) -> Provider:
        """By its name or an alias, in any case."""
        name = self.spelled.get(said.casefold())
        if name is None:
            hint = did_you_mean(said.casefold(), self.spelled) or f"; known are {', '.join(self.by_name)}"
            raise Missing(f"there is no provider {redacted_text(said)[:40]!r}{hint}")
        return self.by_name[name]

    def named(self, said: str) -> str:
        """What is no name of a provider stays as it is, for whoever asks by it to refuse."""
        return self.spelled.get(said.casefold(), said)

    def served(self, said: str) -> Provider:
        provider = self.get(said)
        if not provider.served:
            ready = ", ".join(one.name for one in self.by_name.values() if one.served)
            raise Rejected(f"{provider.name} ({provider.title}) is not served by this release yet; served: {ready}")
        return provider

    def flaw(self, said: str) -> str | None:
        """What keeps a document from naming it."""
        try:
            self.served(said)
        except Rejected as wrong:
            return wrong.detail
        return None


@lru_cache(maxsize=8)
def known_providers(configs_dir: Path) -> Providers:
    return Providers.load(configs_dir / "system" / "providers.yml")
