"""Which figure is the bill, from which remainder on a day is warned of or held, and since when a provider is used: the platform's rules and
an organisation's own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from src.core.base.cost_settings import BillRule
from src.core.base.documents import read_document
from src.core.base.faults import Conflict, Flaw, Missing, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.names import did_you_mean
from src.core.base.settings import Settings
from src.core.engine.port import Params
from src.core.ledger.store import Unit
from src.core.ledger.tables import cost_rules, orgs
from src.core.step import audit_trail
from src.core.step.books.document import BooksDocument
from src.core.step.context import Services

BILL_RULES: Final = get_args(BillRule)
BOOKS: Final = "*/**/books.yml"
USED_SINCE: Final = "used_since"
"""Beside the rules of a provider's bill, and told by a call of its own: every provider is used, and few are reconciled."""
Owner = Literal["organisation", "platform"]


@dataclass(frozen=True, slots=True)
class CostRules:
    bill: BillRule
    warn_share: Decimal
    hold_share: Decimal
    least_amount: Decimal

    @classmethod
    def of_platform(cls, settings: Settings) -> Self:
        return cls(
            settings.bill_rule,
            settings.reconciliation_warn_share,
            settings.reconciliation_hold_share,
            settings.reconciliation_least_amount,
        )

    @property
    def asked(self) -> Params:
        """As the questions of books name them."""
        return {"bill": self.bill, "warn_share": self.warn_share, "hold_share": self.hold_share, "least": self.least_amount}


NAMES: Final = tuple(field.name for field in fields(CostRules))


@dataclass(frozen=True, slots=True)
class RulesInForce:
    provider: str
    rules: CostRules
    whose: Mapping[str, Owner]


@dataclass(frozen=True, slots=True)
class RulesChange:
    """`told` has the rules that become another; None gives one back to the platform."""

    provider: str
    told: Mapping[str, Any]


def reconciled(configs: Path) -> tuple[str, ...]:
    """The providers that are reconciled: whose books say what costs are held against."""
    told = (_held_against(path, path.stat().st_mtime_ns) for path in configs.glob(BOOKS))
    return tuple(sorted(provider for provider in told if provider))


@lru_cache(maxsize=64)  # calls that are waited for ask it, and to read a document takes longer than to look at its file
def _held_against(path: Path, _written_at: int) -> str | None:
    document = read_document(path, BooksDocument)
    return document.provider if document.reconciled else None


def require_reconciled(configs: Path, provider: str) -> str:
    known = reconciled(configs)
    if provider not in known:
        hint = did_you_mean(provider, known) or f"; reconciled are {', '.join(known)}"
        raise Rejected(f"costs of {provider[:60]!r} are held against no report{hint}", flaws=[Flaw("is not reconciled", "provider")])
    return provider


def asked(services: Services, tenant: Tenant, provider: str) -> Params:
    """What a provider's source engine gives the questions of its books."""
    return services.ledger.read(in_force, services.settings, tenant.org_slug, provider).rules.asked


def in_force(unit: Unit, settings: Settings, slug: str, provider: str) -> RulesInForce:
    return _merged(settings, provider, _told(cost_rules.get(unit, slug)).get(provider, {}))


def used_since(unit: Unit, slug: str) -> dict[str, date]:
    """By provider, where the organisation said it."""
    every = _told(cost_rules.get(unit, slug))
    return {provider: date.fromisoformat(own[USED_SINCE]) for provider, own in every.items() if USED_SINCE in own}


def change(services: Services, actor: Actor, tenant: Tenant, asked_for: RulesChange) -> RulesInForce:
    return services.ledger.write(_change, services, actor, tenant, asked_for)


def _change(unit: Unit, services: Services, actor: Actor, tenant: Tenant, asked_for: RulesChange) -> RulesInForce:
    slug, settings, provider = tenant.org_slug, services.settings, asked_for.provider
    # a slug may have been given to somebody else while this was on its way
    if not orgs.lives(unit, slug, tenant.generation):
        raise orgs.off_boarded(slug)
    if orgs.holder(unit, slug) is None:
        raise Missing(f"there is no organisation {slug!r}; GET /api/v1/organizations lists them")
    text = cost_rules.get(unit, slug)
    every = _told(text)
    before = every.get(provider, {})
    own = {name: value for name, value in {**before, **_texts(asked_for.told)}.items() if value is not None}
    _require_order(_rules(settings, own))
    if not cost_rules.put(unit, slug, text, json.dumps({**every, provider: own}, sort_keys=True), services.clock.now()):
        raise Conflict("the rules were changed by somebody else in between; read them again and send the change once more")
    details = {"before": before, "after": own}
    audit_trail.note(unit, services, actor, "costs.rules", f"costs/{slug}/rules/{provider}", org_slug=slug, details=details)
    return _merged(settings, provider, own)


def _require_order(rules: CostRules) -> None:
    if rules.hold_share < rules.warn_share:
        raise Rejected(
            f"a day is warned of before it is held, and hold_share {rules.hold_share:f} is below warn_share {rules.warn_share:f}; "
            "raise hold_share, or lower warn_share too",
            flaws=[Flaw("is below warn_share", "hold_share")],
        )


def _rules(settings: Settings, own: Mapping[str, str]) -> CostRules:
    given: dict[str, Any] = {name: value if name == "bill" else Decimal(value) for name, value in own.items() if name in NAMES}
    return replace(CostRules.of_platform(settings), **given)


def _merged(settings: Settings, provider: str, own: Mapping[str, str]) -> RulesInForce:
    rules = _rules(settings, own)
    # the platform may have changed its own since: what warns never lies above what holds
    rules = replace(rules, hold_share=max(rules.hold_share, rules.warn_share))
    return RulesInForce(provider, rules, {name: "organisation" if name in own else "platform" for name in NAMES})


def _told(text: str | None) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(text) if text else {}
    return found


def _texts(rules: Mapping[str, Any]) -> dict[str, str | None]:
    # shares as texts: a number of JSON may come back as a float
    return {
        name: None if value is None else format(value, "f") if isinstance(value, Decimal) else str(value) for name, value in rules.items()
    }
