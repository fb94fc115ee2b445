"""Files of a console and samples of a balance: each day told once, no further than it is known, and no spend made of what is none."""

from tests.planted.defect import Defect

IMPORTS, EXPORT = "tests/core/deepseek/test_imports.py", "tests/core/providers/deepseek/test_export.py"
BALANCE, HOURS = "tests/core/deepseek/test_balance.py", "tests/core/deepseek/test_hours.py"

DEFECTS = (
    Defect(
        "imports",
        "an older file cuts a day short that a later one told to its end",
        "src/core/imports/console.py",
        "        if until == at and seen is not None and seen > at:",
        "        if until == at and seen is not None and seen < at:",
        (f"{IMPORTS}::test_a_months_file_tells_its_days_once_whatever_is_sent_twice",),
    ),
    Defect(
        "imports",
        "a month's file takes back the days of later months that other files told",
        "src/core/imports/files.py",
        "max(told.last, min(told.end, exported_on - timedelta(1)))",
        "max(told.last, exported_on - timedelta(1))",
        (f"{IMPORTS}::test_days_before_it_was_exported_are_known_to_their_end",),
    ),
    Defect(
        "imports",
        "the file of another account is added to this one's days",
        "src/core/imports/console.py",
        "        if users:",
        "        if not known:",
        (f"{IMPORTS}::test_what_cannot_be_imported_is_refused_at_once_and_nothing_is_kept",),
    ),
    Defect(
        "imports",
        "files that were imported stay in the ledger for a week",
        "src/core/processors/deepseek/cost.py",
        "        if import_id is not None and context.tenant is not None:",
        "        if import_id is None and context.tenant is not None:",
        (f"{IMPORTS}::test_a_months_file_tells_its_days_once_whatever_is_sent_twice",),
    ),
    Defect(
        "imports",
        "a small file that stands for gigabytes is unpacked",
        "src/core/providers/deepseek/export.py",
        "                if left < 0:",
        "                if left < -MOST_BYTES * 1024:",
        (f"{EXPORT}::test_a_small_file_that_stands_for_much_is_read_no_further",),
    ),
    Defect(
        "imports",
        "a gift that expired is told as spend",
        "configs/deepseek/books/balance.sql",
        "      WHEN looks_expired THEN CAST(0 AS BIGNUMERIC)",
        "      WHEN looks_expired THEN granted",
        (f"{BALANCE}::test_a_gift_that_expired_is_no_spend_and_one_that_was_spent_is",),
    ),
    Defect(
        "imports",
        "spend has an upper bound although a top-up hides what was spent",
        "configs/deepseek/books/balance.sql",
        "(paid_more > 0 AND granted_balance = 0)",
        "(paid_more < 0 AND granted_balance < 0)",
        (f"{BALANCE}::test_a_top_up_between_two_samples_is_no_negative_spend_and_leaves_it_open_above",),
    ),
    Defect(
        "imports",
        "a poll loses the samples of the day before it",
        "src/core/providers/deepseek/samples.py",
        "        for row in [*(known or last_before), *new]:",
        "        for row in [*last_before, *new]:",
        (f"{BALANCE}::test_polls_of_one_day_are_kept_beside_each_other",),
    ),
    Defect(
        "imports",
        "records of requests count beside what the console told of the same day",
        "configs/deepseek/books/meters.sql",
        "  WHERE console.account IS NULL",
        "  WHERE records.source IS NOT NULL",
        (f"{HOURS}::test_records_tell_the_hour_and_count_on_days_that_the_console_did_not_tell",),
    ),
    Defect(
        "imports",
        "holidays in China are charged by peak rates",
        "configs/deepseek/books/meters.sql",
        "        OR usage_date BETWEEN DATE '2026-10-01' AND DATE '2026-10-07'",
        "        OR usage_date BETWEEN DATE '2026-10-01' AND DATE '2026-10-01'",
        (f"{HOURS}::test_the_hours_that_a_day_may_hold_are_those_of_its_date",),
    ),
)
