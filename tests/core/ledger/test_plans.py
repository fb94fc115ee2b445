import pytest

from src.core.base.faults import Misconfigured, Rejected
from src.core.base.settings import ROOT
from src.core.ledger.plans import Plan, Plans

FILE = ROOT / "configs" / "system" / "plans.yml"


def test_the_plans_are_those_of_the_design():
    plans = Plans.load(FILE)
    assert plans.names == ("STARTER", "PROFESSIONAL", "SCALE")
    assert plans.default == plans.get("STARTER") == Plan("STARTER", 6, 180, 1)
    assert plans.get("PROFESSIONAL") == Plan("PROFESSIONAL", 25, 750, 3)
    assert plans.get("SCALE") == Plan("SCALE", 100, 3000, 10)


def test_an_unknown_plan_is_refused_with_the_list():
    with pytest.raises(Rejected, match="no plan 'GOLD'; the plans are STARTER, PROFESSIONAL, SCALE"):
        Plans.load(FILE).get("GOLD")


@pytest.mark.parametrize("defaults", [(), ("A", "B")])
def test_exactly_one_plan_is_the_default(tmp_path, defaults):
    lines = [f"  {name}: {{daily_runs: 1, monthly_runs: 1, concurrent_runs: 1, default: {str(name in defaults).lower()}}}" for name in "AB"]
    file = tmp_path / "plans.yml"
    file.write_text("\n".join(["plans:", *lines]))
    with pytest.raises(Misconfigured, match="exactly one plan is the default"):
        Plans.load(file)
