from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from src.core.base.documents import Document, read_document
from src.core.base.faults import Missing, Rejected
from src.core.base.names import did_you_mean


class ProviderFacts(Document):
    title: str
    kind: Literal["cloud", "model"]
    aliases: tuple[str, ...] = ()
    served: bool = True


class ProvidersDocument(Document):
    providers: dict[str, ProviderFacts] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        taken: set[str] = set()
        for name in [*self.providers, *(alias for facts in self.providers.values() for alias in facts.aliases)]:
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


@dataclass(frozen=True, slots=True)
class Providers:
    by_name: Mapping[str, Provider]
    spelled: Mapping[str, str]

    @classmethod
    def load(cls, path: Path) -> Self:
        facts = read_document(path, ProvidersDocument).providers
        spelled = {spelling.casefold(): name for name, one in facts.items() for spelling in (name, *one.aliases)}
        return cls({name: Provider(name, one.title, one.kind, one.served) for name, one in facts.items()}, spelled)

    def get(self, said: str) -> Provider:
        """By its name or an alias, in any case."""
        name = self.spelled.get(said.casefold())
        if name is None:
            hint = did_you_mean(said.casefold(), self.spelled) or f"; known are {', '.join(self.by_name)}"
            raise Missing(f"there is no provider {said[:40]!r}{hint}")
        return self.by_name[name]

    def served(self, said: str) -> Provider:
        provider = self.get(said)
        if not provider.served:
            ready = ", ".join(one.name for one in self.by_name.values() if one.served)
            raise Rejected(f"{provider.name} ({provider.title}) is not served by this release yet; served: {ready}")
        return provider


@lru_cache(maxsize=8)
def known_providers(configs_dir: Path) -> Providers:
    return Providers.load(configs_dir / "system" / "providers.yml")
