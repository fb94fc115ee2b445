"""What the traps print beside our answers is what the package that is here says."""

from tests.package_claims import TRAPS, of_genai_prices
from tests.trap_answers import Answer, claimed, shown


def test_genai_prices_says_what_is_kept_of_it():
    kept = {name: dict(says) for name, says in claimed().items()}

    assert {name: says for name, says in of_genai_prices().items() if says is not None} == {
        name: figure for name, says in kept.items() for package, figure in says.items() if package.startswith("genai-prices")
    }
    assert kept.keys() == {name for name, one in TRAPS.items() if one.measure == "computed"}


def test_a_package_is_right_or_wrong_like_anybody():
    trap = TRAPS["US inference"]
    told = shown([Answer(trap, trap.right)])

    assert f"litellm 1.110.2: {trap.right.normalize():f}, right" in told
    assert "genai-prices 0.2.3: 4.9766232, wrong" in told
