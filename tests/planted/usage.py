"""What a provider tells of use by the day: each once, whole, by columns, and at the pace it asks for."""

from tests.planted.defect import Defect

DAYS = "tests/core/providers/openai/test_days.py"

DEFECTS = (
    Defect(
        "usage",
        "a refusal of costs by key has days told by key told again without: their money comes twice",
        "src/core/providers/openai/days.py",
        "                begins = piece[0] + timedelta(1)",
        "                begins = max(begins, window.start)",
        (f"{DAYS}::test_where_costs_by_key_are_refused_what_was_told_stays_and_the_rest_is_asked_coarsely",),
    ),
    Defect(
        "usage",
        "an organisation that is refused costs by key is refused them again with every run",
        "src/core/processors/openai/usage.py",
        "return cost_days(asking.link, asking.key, window, _refused_on(asking))",
        "return cost_days(asking.link, asking.key, window, None)",
        ("tests/core/providers/openai/test_usage_step.py::test_costs_that_were_refused_by_key_are_not_asked_by_key_again",),
    ),
    Defect(
        "usage",
        "a day of two prices is told whole, and charged by one of them",
        "src/core/providers/http/buckets.py",
        "        if into:",
        "        if into > DAY:",
        (f"{DAYS}::test_a_day_within_which_a_price_turns_is_told_in_buckets_of_one_price",),
    ),
    Defect(
        "usage",
        "a number that a new release of the API tells is dropped",
        "src/core/providers/told.py",
        "elif isinstance(value, int | Decimal) and not isinstance(value, bool) and value:",
        "elif isinstance(value, Decimal) and value:",
        (f"{DAYS}::test_what_this_release_does_not_know_is_kept_where_it_is_a_number",),
    ),
    Defect(
        "usage",
        "one page waits as it was asked to, and all others go on asking",
        "src/core/providers/http/pace.py",
        "            self.hold(wait)",
        "            self._rest(wait)",
        ("tests/core/providers/http/test_pace.py::test_a_page_that_is_refused_holds_the_others",),
    ),
    Defect(
        "usage",
        "a report that fails is told as one that ended because another did",
        "src/core/providers/http/side_by_side.py",
        "        except OtherFailed:",
        "        except NotImplementedError:",
        ("tests/core/providers/http/test_side_by_side.py::test_the_fault_of_one_ends_those_that_wait_and_is_the_one_that_is_told",),
    ),
    Defect(
        "usage",
        "what is refused leaves threads that go on asking the provider",
        "src/core/step/source/by_day.py",
        "            telling.close()",
        "            telling.gi_yieldfrom",
        ("tests/core/step/source/test_kinds.py::test_a_source_that_tells_of_days_it_was_not_asked_for_is_refused",),
    ),
    Defect(
        "usage",
        "a large organisation is never loaded: its month does not fit on a page",
        "src/core/providers/http/buckets.py",
        "                    size = self._fewer(large, min(size, len(wanted)))",
        "                    raise large",
        (f"{DAYS}::test_a_page_that_is_too_large_is_asked_for_with_fewer_days",),
    ),
    Defect(
        "usage",
        "a day whose rows come in another order is loaded anew with every run",
        "src/core/engine/files/rows.py",
        'plain.take(pc.sort_indices(plain, sort_keys=[(name, "ascending") for name in names]))',
        "plain.take(pa.array(range(plain.num_rows), pa.int64()))",
        ("tests/core/engine/test_digests.py",),
    ),
)
