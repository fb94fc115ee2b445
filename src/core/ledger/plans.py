from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from src.core.base.documents import Document, read_document
from src.core.base.faults import Rejected
from src.core.base.redaction import redacted_text


@dataclass(frozen=True, slots=True)
class Plan:
    name: str
    daily_runs: int
    monthly_runs: int
    concurrent_runs: int


class PlanFacts(Document):
    daily_runs: int = Field(ge=0)
    monthly_runs: int = Field(ge=0)
    concurrent_runs: int = Field(ge=0)
    default: bool = False


class PlansDocument(Document):
    plans: dict[str, PlanFacts]

    @model_validator(mode="after")
    def _one_default(self) -> Self:
        chosen = [name for name, plan in self.plans.items() if plan.default]
        if len(chosen) != 1:
            raise ValueError(f"exactly one plan is the default; found {', '.join(chosen) or 'none'}")
        return self


@dataclass(frozen=True, slots=True)
class Plans:
    by_name: Mapping[str, Plan]
    default: Plan

    @classmethod
    def load(cls, path: Path) -> Self:
        document = read_document(path, PlansDocument)
        by_name = {name: Plan(name, facts.daily_runs, facts.monthly_runs, facts.concurrent_runs) for name, facts in document.plans.items()}
        return cls(by_name, next(by_name[name] for name, facts in document.plans.items() if facts.default))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_name)

    def get(self, name: str) -> Plan:
        if name not in self.by_name:
            raise Rejected(f"there is no plan {redacted_text(name)[:40]!r}; the plans are {', '.join(self.by_name)}")
        return self.by_name[name]
