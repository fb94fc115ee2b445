"""What an engine cannot show under its contract, and why. A gap that closes turns the run red: it is to be taken out here."""

import re

NO_ROLLBACK = "a BigQuery statement is committed when it ends; what several would undo together, their order makes harmless instead"

NO_LOCK = "BigQuery locks nothing between statements: which of two open publications is first is said when one commits (decision 13)"

# (engine, part of the test's name): reason
GAPS: dict[tuple[str, str], str] = {
    ("bigquery", "test_an_exception_leaves_all_as_it_was"): NO_ROLLBACK,
    ("bigquery", "test_a_process_killed_inside_a_unit_leaves_nothing"): NO_ROLLBACK,
    ("bigquery", "test_when_what_follows_breaks_nothing_was_dropped"): NO_ROLLBACK,
    ("bigquery", "test_what_is_committed_is_seen_by_others_and_what_is_not_is_not"): NO_ROLLBACK,
    ("bigquery", "test_while_a_newer_one_is_open_an_older_one_is_superseded"): NO_LOCK,
    ("bigquery", "test_while_an_older_one_is_open_a_newer_one_may_try_again"): NO_LOCK,
    ("bigquery", "test_while_an_earlier_try_of_the_same_step_is_open_the_next_one_may_try_again"): NO_LOCK,
    ("bigquery", "test_missing_fields_of_structs_are_added"): "the emulator adds columns to a table and no fields to a struct",
    ("bigquery", "test_bytes_come_back_as_they_went_in"): "the emulator's Parquet load takes BYTES for base64 text and decodes them",
    ("bigquery", "test_a_reading_unit_sees_one_moment"): "each statement sees BigQuery as it is when that statement begins",
}


def gap_of(name: str) -> str | None:
    """Of a test by its whole name, as in `test_orgs.py::test_erased[bigquery]`."""
    for (engine, part), reason in GAPS.items():
        # other parameters may stand before or after the engine's
        if part in name and re.search(rf"\[(.*-)?{engine}[-\]]", name):
            return reason
    return None
