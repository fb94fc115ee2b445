"""Which providers tell what models cost, and the tables and questions in which they do."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from src.core.base.documents import read_text
from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean, identifier
from src.core.costs.reader import CostReader
from src.core.providers.directory import known_providers
from src.core.step.reconciliation import rules

# a dataset of an earlier release has tables without them
LATER_COLUMNS: Final = ("cost_least", "cost_most", "cost_if_uncached", "cost_if_standard")
NOT_KNOWN: Final = "CAST(NULL AS BIGNUMERIC)"
OWN: Final = "asked_provider"
NEEDED: Final = ("x_cost_daily", "x_load_manifests")
Puts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LeftOut:
    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelTables:
    """What the organisation's dataset has of one provider."""

    provider: str
    told: bool
    """Whether use and bill are there."""
    seats: bool

    @classmethod
    def of(cls, reader: CostReader, provider: str) -> Self:
        housekept = reader.has(*NEEDED)
        told = housekept and reader.has(f"{provider}_cost_daily", f"{provider}_bill_daily")
        return cls(provider, told, reader.has(f"{provider}_subscriptions_monthly") and housekept)


@dataclass(frozen=True, slots=True)
class ModelSources:
    names: tuple[str, ...]
    tables: tuple[ModelTables, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    """A provider that told nothing is no provider that cost nothing."""

    @classmethod
    def of(cls, configs: Path, said: str | None) -> Self:
        """Every provider of models whose use is priced and held against its report, or the one that is named."""
        directory = known_providers(configs)
        models = [one.name for one in directory.by_name.values() if one.kind == "model"]
        if said is not None:
            named = directory.spelled.get(said.casefold())
            if named not in models:
                hint = did_you_mean(said.casefold(), models) or f"; providers of models are {', '.join(models)}"
                raise Rejected(f"{said[:60]!r} provides no models{hint}", flaws=[Flaw("provides no models", "provider")])
            models = [named]
        reconciled = rules.reconciled(configs)
        silent = tuple(LeftOut(name, "this release does not load it") for name in models if name not in reconciled)
        return cls(tuple(name for name in models if name in reconciled), left_out=silent)

    @property
    def told(self) -> tuple[str, ...]:
        return tuple(one.provider for one in self.tables if one.told)

    def found_in(self, reader: CostReader) -> Self:
        found = tuple(ModelTables.of(reader, name) for name in self.names)
        slug = reader.tenant.org_slug
        silent = tuple(
            LeftOut(
                one.provider,
                f"nothing of it was loaded for {slug} yet: POST /api/v1/pipelines/run/{slug}/{one.provider}/usage_cost",
            )
            for one in found
            if not one.told
        )
        return replace(self, tables=tuple(one for one in found if one.told or one.seats), left_out=(*self.left_out, *silent))

    def statement(self, reader: CostReader) -> str:
        seats = [one.provider for one in self.tables if one.seats]
        parts = {
            "uses": _parts(reader, "models_uses", self.told, lambda name: _uses(reader, name)),
            "bills": _parts(reader, "models_bill", self.told, lambda name: {"asked_bill": _quoted(f"{name}_bill_daily")}),
            "requests": _own_parts(reader, "requests", self.told),
            "apart": _own_parts(reader, "apart", self.told),
            "apart_looked": _own_parts(reader, "apart_looked", self.told),
            "seats": _parts(reader, "models_seats", seats, lambda name: {"asked_seats": _quoted(f"{name}_subscriptions_monthly")}),
        }
        return _put(reader.statement("models"), {f"{{{place}}}": text for place, text in parts.items()})


def tell_apart(configs: Path, providers: Iterable[str]) -> tuple[str, ...]:
    """Those that tell use that is no cost of their API."""
    return tuple(name for name in providers if any(configs.glob(f"{name}/**/books/apart_looked.sql")))


def _uses(reader: CostReader, provider: str) -> Puts:
    table = f"{provider}_cost_daily"
    known = reader.warehouse.columns(reader.tenant, table)
    later = {f"{{{name}}}": name if name in known else NOT_KNOWN for name in LATER_COLUMNS}
    return {"asked_cost": _quoted(table), **later}


def _own_parts(reader: CostReader, question: str, providers: Iterable[str]) -> str:
    """Of the providers whose books have this question, and whose tables that it names are there: a later release may name more."""
    found: dict[str, Puts] = {}
    for name in providers:
        for path in sorted(reader.configs.glob(f"{name}/**/books/{question}.sql")):
            text = read_text(path, str(path))
            # a provider's tables begin with its name
            if reader.has(*sorted(set(re.findall(rf"\b{name}_[a-z0-9_]+", text)))):
                found[name] = {f"asked_{question}": text}
    return _parts(reader, f"models_{question}", found, lambda name: found[name])


def _parts(reader: CostReader, statement: str, providers: Iterable[str], puts: Callable[[str], Puts]) -> str:
    text = reader.statement(statement)
    made = [_put(text, {OWN: identifier(name), **puts(name)}) for name in providers]
    return "\nUNION ALL\n".join(made) or reader.statement(f"{statement}_none")


def _put(text: str, puts: Puts) -> str:
    for place, put in puts.items():
        text = text.replace(place, put)
    return text


def _quoted(table: str) -> str:
    return f"`{identifier(table)}`"
