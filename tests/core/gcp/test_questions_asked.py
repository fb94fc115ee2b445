"""What a load leaves unasked because its answer is known."""

from collections.abc import Callable
from typing import Any

import pytest

from src.core.step.books.questions import Asking
from tests.core.gcp.handmade import Hand, load, row
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import Billing

Asked = list[str]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The questions of `causes` and `months_of`, in turn."""
    found: Asked = []

    def noted(name: str, question: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*given: Any) -> Any:
            found.append(name)
            return question(*given)

        return ask

    for name in ("causes", "months_of"):
        monkeypatch.setattr(Asking, name, noted(name, getattr(Asking, name)))
    return found


def test_days_read_for_the_first_time_have_no_causes_to_ask_for(bare: Billing, asked: Asked):
    load(bare, day(1, 10), day(3, 10), Hand("costs", [row(one) for one in days(1, 3, 10)]))
    assert asked == ["months_of", "months_of"]


def test_a_day_read_again_as_it_was_is_asked_for_its_months_once(bare: Billing, asked: Asked):
    source = Hand("costs", [row(one) for one in days(1, 3, 10)])
    load(bare, day(1, 10), day(3, 10), source)
    asked.clear()
    load(bare, day(2, 10), day(2, 10), source, reload=True)
    assert asked == ["causes", "months_of"]


def test_rows_that_leave_an_invoice_month_take_their_money_along(bare: Billing, asked: Asked):
    source = Hand("costs", [row(one, 100) for one in days(1, 3, 10)])
    load(bare, day(1, 10), day(3, 10), source)
    asked.clear()
    source.rows[1]["invoice"] = {"month": "202611"}
    load(bare, day(2, 10), day(2, 10), source, reload=True)

    assert asked[:3] == ["causes", "months_of", "months_of"]
    told = bare.ask("SELECT invoice_month AS month, net_cost AS net FROM x_cost_monthly ORDER BY 1")
    assert [(one["month"], int(one["net"])) for one in told] == [("202610", 200), ("202611", 100)]
