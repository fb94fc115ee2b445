"""Accounts by chance: what was used, what the report makes of it, and what that is to be told as. Nothing here is read from the SQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any

from tests.core.step.reconciliation.both_sides import DAY, MILLION, BothSides

OPEN = date(2026, 11, 20)
KINDS = {"input": "input", "cached_input": "cached input", "output": "output"}
Key = tuple[str, str, str]


@dataclass
class Account:
    """One model's usage by kind, tier and key; `charge` says what the report takes for a million, `told` which quantity it has."""

    name: str
    chance: Random
    sides: BothSides
    day: date = DAY
    digits: int = 8
    expected: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    used: dict[Key, int] = field(default_factory=dict)
    prices: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    @classmethod
    def by_chance(cls, name: str, chance: Random, sides: BothSides) -> "Account":
        made = cls(name, chance, sides, digits=chance.randint(7, 10))
        base = Decimal(chance.randint(50, 5000)) / 100
        times = {"standard": Decimal(1), "batch": Decimal("0.5"), "flex": Decimal("0.46"), "priority": Decimal("2.3")}
        of_kind = {"input": Decimal(1), "cached_input": Decimal(chance.randint(5, 30)) / 100, "output": Decimal(chance.randint(3, 6))}
        made.prices = {(tier, kind): base * time * of for tier, time in times.items() for kind, of in of_kind.items()}
        for (tier, kind), price in made.prices.items():
            sides.rate(name, tier, kind, price)
        return made

    def use(self, kind: str, tier: str = "standard", keys: int = 0) -> None:
        for number in range(keys or self.chance.randint(1, 3)):
            self.used[kind, tier, f"key-{number}"] = self.chance.randint(300_000, 90_000_000)

    def price(self, kind: str, tier: str) -> Decimal:
        return self.prices[tier, kind]

    def write(self, **more: Any) -> None:
        for (kind, tier, key), quantity in self.used.items():
            price = None if more.get("unpriced") else self.price(kind, tier)
            extra = {"cost_if_long": quantity * price * 2 / MILLION} if more.get("long") and price else {}
            self.sides.use(
                kind,
                quantity,
                price,
                model=self.name,
                account=self.name,
                service_tier=tier,
                api_key_id=key,
                usage_date=self.day,
                **extra,
            )

    def tell(
        self,
        charge: Callable[[str, str], Decimal],
        told: Callable[[int], int | None] = lambda quantity: quantity,
        line: Callable[[str], str] = lambda kind: kind,
    ) -> None:
        """A row of the report for each kind and key, rounded to its decimals."""
        amounts: dict[tuple[str, str], list[Decimal]] = {}
        for (kind, tier, key), quantity in self.used.items():
            counted = told(quantity)
            at = amounts.setdefault((line(kind), key), [Decimal(0), Decimal(0)])
            at[0] += (quantity if counted is None else counted) * charge(kind, tier) / MILLION
            at[1] += counted or 0
        for (kind, key), (amount, counted_in_all) in amounts.items():
            self.sides.tell(
                f"{self.name}, {KINDS[kind]}",
                amount.quantize(Decimal(1).scaleb(-self.digits), ROUND_HALF_EVEN),
                None if told(1) is None else counted_in_all,
                account=self.name,
                api_key_id=key,
                usage_date=self.day,
            )

    def cost(self, kind: str, charge: Callable[[str, str], Decimal] | None = None, tier: str | None = None) -> Decimal:
        by = charge or self.price
        return sum(
            (quantity * by(of, at) / MILLION for (of, at, _), quantity in self.used.items() if of == kind and tier in (None, at)),
            Decimal(0),
        )

    def plant(self, kind: str, **parts: Decimal) -> None:
        self.expected[kind] = {name: part for name, part in parts.items() if part}


def agreeing(one: Account) -> None:
    for kind in KINDS:
        one.use(kind, one.chance.choice(["standard", "batch", "priority"]))
    one.write()
    one.tell(one.price)


def cached_as_input(one: Account) -> None:
    one.use("input")
    one.use("cached_input")
    one.use("cached_input", "batch")
    one.write()
    charge = lambda kind, tier: one.price("input", tier)  # noqa: E731
    one.tell(charge)
    one.plant("cached_input", cause_cache=one.cost("cached_input", charge) - one.cost("cached_input"))


def cached_among_input(one: Account) -> None:
    one.use("input")
    one.use("cached_input")
    one.write()
    charge = lambda kind, tier: one.price("input", tier)  # noqa: E731
    one.tell(charge, line=lambda _: "input")
    one.plant("input", cause_cache=one.cost("cached_input", charge))
    one.plant("cached_input", cause_cache=-one.cost("cached_input"))


def input_as_cached(one: Account) -> None:
    one.use("input", one.chance.choice(["standard", "batch", "priority"]))
    one.write()
    charge = lambda kind, tier: one.price("cached_input", tier)  # noqa: E731
    one.tell(charge)
    one.plant("input", cause_cache=one.cost("input", charge) - one.cost("input"))


def tiers_as_standard(one: Account) -> None:
    kind = one.chance.choice([*KINDS])
    tiers = one.chance.sample(["batch", "flex", "priority"], one.chance.randint(1, 3))
    tiers = [tier for tier in tiers if len(tiers) < 3 or tier != "flex"]
    one.use(kind)
    for tier in tiers:
        one.use(kind, tier)
    one.write()
    charge = lambda of, _: one.price(of, "standard")  # noqa: E731
    one.tell(charge)
    batch = one.cost(kind, charge, "batch") - one.cost(kind, tier="batch")
    others = one.cost(kind, charge) - one.cost(kind) - batch
    one.plant(kind, cause_batch=batch, cause_tier=others)


def standard_as_tier(one: Account) -> None:
    kind, tier = one.chance.choice([*KINDS]), one.chance.choice(["batch", "flex", "priority"])
    one.use(kind)
    one.write()
    charge = lambda of, _: one.price(of, tier)  # noqa: E731
    one.tell(charge)
    one.plant(kind, **{"cause_batch" if tier == "batch" else "cause_tier": one.cost(kind, charge) - one.cost(kind)})


def long_requests(one: Account) -> None:
    kinds = one.chance.sample([*KINDS], 2)
    for kind in kinds:
        one.use(kind, keys=1)
    one.write(long=True)
    # two ratios: one alone would be a price
    share = dict(zip(kinds, (1 + Decimal(number) / 1000 for number in one.chance.sample(range(20, 999), 2)), strict=True))
    one.tell(lambda kind, tier: one.price(kind, tier) * share[kind])
    for kind in kinds:
        one.plant(kind, cause_long_context=one.cost(kind) * (share[kind] - 1))


def discounted(one: Account) -> None:
    ratio = one.chance.choice([Decimal("0.85"), Decimal("0.9"), Decimal("1.1"), Decimal("0.77")])
    kinds = one.chance.sample([*KINDS], one.chance.randint(2, 3))
    for kind in kinds:
        one.use(kind, one.chance.choice(["standard", "batch"]))
    one.write(long=one.chance.random() < 0.5)
    one.tell(lambda kind, tier: one.price(kind, tier) * ratio)
    for kind in kinds:
        one.plant(kind, cause_rate_differs=one.cost(kind) * (ratio - 1))


def another_price(one: Account) -> None:
    ratio = one.chance.choice([Decimal("0.81"), Decimal("1.13"), Decimal("3.1")])
    kind, other = one.chance.sample([*KINDS], 2)
    one.use(kind)
    one.use(other)
    one.write()
    one.tell(lambda of, tier: one.price(of, tier) * (ratio if of == kind else 1))
    one.plant(kind, cause_rate_differs=one.cost(kind) * (ratio - 1))


def without_quantity(one: Account) -> None:
    one.use("output")
    one.write()
    one.tell(lambda kind, tier: one.price(kind, tier) * Decimal("0.81"), told=lambda _: None)
    one.plant("output", unexplained=-one.cost("output") * Decimal("0.19"))


def unknown_model(one: Account) -> None:
    one.use("input")
    one.use("output")
    one.write(unpriced=True)
    one.tell(one.price)
    for kind in ("input", "output"):
        one.plant(kind, cause_model_unknown=one.cost(kind))


def beside_usage(one: Account) -> None:
    agreeing(one)
    amount = Decimal(one.chance.randint(1, 10**6)) / 10**4
    for item, line, signed in (("training", f"{one.name}, training", amount), ("promotional credit", "Promotional credit", -amount)):
        one.sides.tell(line, signed, account=one.name, usage_date=one.day)
        one.plant(item, cause_not_in_usage=signed)
    one.sides.tell(f"{one.name}, bees", amount, 12, account=one.name, usage_date=one.day)
    one.plant("bees", unexplained=amount)


def grown(one: Account) -> None:
    one.day = one.chance.choice([DAY, OPEN])
    kind, share = one.chance.choice([*KINDS]), Decimal(one.chance.randint(2, 9)) / 10
    one.use(kind)
    one.use(kind, "batch")
    one.write()
    one.tell(one.price, told=lambda quantity: int(quantity * share))
    told = sum((int(number * share) * one.price(of, tier) / MILLION for (of, tier, _), number in one.used.items()), Decimal(0))
    one.plant(kind, **{"cause_late_data" if one.day == OPEN else "unexplained": told - one.cost(kind)})


def one_side(one: Account) -> None:
    one.day = one.chance.choice([DAY, OPEN])
    name = "cause_late_data" if one.day == OPEN else "unexplained"
    one.use("input")
    one.use("output", "priority")
    ours = one.chance.random() < 0.5
    if ours:
        one.write()
    else:
        one.tell(one.price)
    for kind in ("input", "output"):
        one.plant(kind, **{name: one.cost(kind) * (-1 if ours else 1)})


PLANTS: Mapping[str, Callable[[Account], None]] = {
    plant.__name__: plant
    for plant in (
        agreeing,
        cached_as_input,
        cached_among_input,
        input_as_cached,
        tiers_as_standard,
        standard_as_tier,
        long_requests,
        discounted,
        another_price,
        without_quantity,
        unknown_model,
        beside_usage,
        grown,
        one_side,
    )
}


def accounts(seed: int, number: int) -> tuple[BothSides, list[Account]]:
    chance, sides, made = Random(seed), BothSides(), []
    for count in range(number):
        plant = chance.choice([*PLANTS])
        one = Account.by_chance(f"{plant}-{count}x", Random(chance.random()), sides)
        PLANTS[plant](one)
        made.append(one)
    return sides, made
