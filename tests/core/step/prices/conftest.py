from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from src.core.step.prices.rates import Rate
from src.core.step.prices.seeds import PriceSeed

SEED = Path(__file__).resolve().parents[4] / "configs/openai/seed"


@pytest.fixture(scope="session")
def seeded() -> PriceSeed:
    return PriceSeed.load(SEED / "data")


@pytest.fixture(scope="session")
def seed(seeded: PriceSeed) -> Sequence[Rate]:
    return seeded.rates


@pytest.fixture(scope="session")
def aliases(seeded: PriceSeed) -> Mapping[str, str]:
    return seeded.aliases
