import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from src.core.step.prices.forms import read_csv
from src.core.step.prices.rates import Rate

SEED = Path(__file__).resolve().parents[4] / "configs/openai/seed"


@pytest.fixture(scope="session")
def seed() -> Sequence[Rate]:
    rates, flaws = read_csv(Rate, (SEED / "data/default_pricing.csv").read_text(), "default_pricing.csv")
    assert not flaws
    return rates


@pytest.fixture(scope="session")
def aliases() -> Mapping[str, str]:
    with (SEED / "data/model_aliases.csv").open() as file:
        return {line["alias"]: line["model"] for line in csv.DictReader(file)}
