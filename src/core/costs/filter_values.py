"""A filter by what was never told of is a mistake; by what the days asked for happen to lack, it is none. Asked where nothing was found."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from src.core.base.faults import Flaw, Rejected
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean
from src.core.base.redaction import redacted_text
from src.core.base.window import EARLIEST, Window
from src.core.costs.models import ModelFilters, ModelGroup, ModelQuestion, read_models
from src.core.costs.question import Filters
from src.core.costs.reader import COSTS_VIEW, CostReader
from src.core.costs.reconciliation import ReconciledGroup, ReconciliationQuestion, read_reconciliation
from src.core.providers.directory import known_providers

MOST_VALUES: Final = 1000
SHOWN: Final = 20
RECONCILED_FILTERS: Final[tuple[ReconciledGroup, ...]] = ("project", "model")
MODEL_FILTERS: Final[tuple[ModelGroup, ...]] = ("model", "token_kind", "project", "key")


def require_known(reader: CostReader, filters: Filters) -> None:
    loaded = reader.has(COSTS_VIEW)
    for name, value in filters.values.items():
        if value is None:
            continue
        known = _values(reader, name) if loaded else []
        if name == "provider" and value not in known:
            # it may be one that has told nothing yet
            known_providers(reader.configs).get(value)
        elif name != "provider":
            require_value(reader.tenant, name, value, known)


def require_known_models(reader: CostReader, question: ModelQuestion) -> None:
    ever = replace(question, window=Window(EARLIEST, max(question.window.end, reader.now.date())), filters=ModelFilters())
    for name in MODEL_FILTERS:
        value = question.filters.values[name]
        if value is not None:
            found = read_models(reader, replace(ever, groups=(name,)), MOST_VALUES)
            require_value(reader.tenant, name, value, [said for line in found.lines if (said := line.keys[name])])
    if question.filters.currency is not None:
        require_value(reader.tenant, "currency", question.filters.currency, [one.currency for one in read_models(reader, ever, 1).totals])


def require_known_reconciled(reader: CostReader, question: ReconciliationQuestion) -> None:
    ever = replace(question, window=Window(EARLIEST, max(question.window.end, reader.now.date())), filters={})
    for name in RECONCILED_FILTERS:
        value = question.filters.get(name)
        if value is not None:
            found = read_reconciliation(reader, replace(ever, groups=(name,)), MOST_VALUES)
            require_value(reader.tenant, name, value, [line.keys[name] for line in found.lines])
    currency = question.filters.get("currency")
    if currency is not None:
        months = read_reconciliation(reader, replace(ever, groups=("month",)), 1).months
        require_value(reader.tenant, "currency", currency, [month.currency for month in months])


def require_value(tenant: Tenant, name: str, value: str, known: Iterable[str | None]) -> None:
    there = sorted({one for one in known if one})
    # of an organisation that nothing was loaded for nobody can say what there is
    if not there or value in there:
        return
    shown = redacted_text(value)[:60]
    mend = did_you_mean(value, there) or f"; there is {_listed(there)}"
    raise Rejected(f"nothing of {tenant.org_slug} was ever told by the {name} {shown!r}{mend}", flaws=[Flaw("is not known here", name)])


def _values(reader: CostReader, name: str) -> list[str | None]:
    rows = reader.warehouse.query(reader.tenant, reader.statement("filter_values"), {"filter": name}).to_pylist()
    return [row["value"] for row in rows]


def _listed(there: Sequence[str]) -> str:
    more = f" and {len(there) - SHOWN:,} more" if len(there) > SHOWN else ""
    return ", ".join(there[:SHOWN]) + more
