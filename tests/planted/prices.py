"""What plans come to, and what a change of prices would do."""

from tests.planted.defect import Defect

DEFECTS = (
    Defect(
        "plans",
        "the parts of a month that was cut add up to another month than the whole",
        "src/core/step/prices/plan_months.py",
        "        before = so_far",
        "        total = before",
        ("tests/core/step/prices/test_plan_months.py::test_every_month_of_any_book_is_its_days_added_up",),
    ),
    Defect(
        "plans",
        "a plan whose seats nobody has said costs nothing",
        "src/core/step/prices/plan_months.py",
        '[f"nobody has said how many {rate.unit}s there are"] if rate.seats is None else []',
        '[f"nobody has said how many {rate.unit}s there are"] if rate.seats == 0 else []',
        ("tests/core/step/prices/test_plan_months.py::test_what_is_not_known_is_said_and_is_not_nothing",),
    ),
    Defect(
        "plans",
        "a plan that begins at noon is charged for the day before it came",
        "src/core/step/prices/plan_months.py",
        "return within.date() if within.time() == time() else within.date() + DAY",
        "return within.date()",
        ("tests/core/step/prices/test_plan_months.py::test_every_month_of_any_book_is_its_days_added_up",),
    ),
    Defect(
        "prices",
        "of a change that begins within a day it is not said that the day would have no price",
        "src/core/step/prices/effects.py",
        "days = max(looked[0], since.date()), min(looked[1], until.date())",
        "days = max(looked[0], (since + LONGEST / 365).date()), min(looked[1], until.date())",
        ("tests/core/step/prices/test_effects.py",),
        only="what_has_no_price",
    ),
    Defect(
        "prices",
        "a rate that covers a use which had none is told as a rise of its price",
        "configs/system/prices/effect.sql",
        "    GREATEST(unpriced_now - unpriced_then, 0) AS rows_priced,",
        "    0 AS rows_priced,",
        ("tests/core/step/prices/test_effects.py",),
        only="what_a_change_would_do and duckdb",
    ),
    Defect(
        "prices",
        "a change that was written is answered with a fault, and made again",
        "src/app/answers/prices.py",
        "        if not written:",
        "        if written:",
        ("tests/app/test_prices.py::test_a_change_that_was_written_is_answered_though_its_costs_cannot_be_asked",),
    ),
)
