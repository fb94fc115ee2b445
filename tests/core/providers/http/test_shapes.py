from decimal import Decimal

import pytest

from src.core.base.faults import StepFailed, Unavailable
from src.core.providers.http.client import HttpAnswer
from src.core.providers.http.shapes import WireModel, read


class Price(WireModel):
    amount: Decimal


class Prices(WireModel):
    prices: list[Price]


def answered(body: object) -> HttpAnswer:
    return HttpAnswer(200, {}, body)


def test_what_is_named_is_read_and_the_rest_left():
    found = read(answered({"prices": [{"amount": "0.10", "unit": "hour"}], "more": 1}), Prices, "Acme", "v1/prices")

    assert found.prices[0].amount.as_tuple() == Decimal("0.10").as_tuple()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"prices": [{"amount": "sk-secret"}]}, "prices.0.amount"),
        ({"prices": [{"amount": "NaN"}]}, "prices.0.amount"),
        ([], "its root"),
    ],
)
def test_another_shape_is_refused_by_its_place_and_not_quoted(body: object, place: str):
    with pytest.raises(StepFailed) as refused:
        read(answered(body), Prices, "Acme", "v1/prices")

    assert refused.value.detail == f"Acme's answer to v1/prices is not of the shape it should have (at {place})"


def test_what_is_no_json_may_be_another_s_answer_and_is_asked_for_again():
    with pytest.raises(Unavailable, match="Acme's answer to v1/prices is no JSON"):
        read(answered(None), Prices, "Acme", "v1/prices")
