"""From a query at an organisation's source to a table of its dataset."""

from tests.planted.defect import BIGQUERY, Defect

PUBLICATION = "src/core/step/etl/publication.py"
ETL = "tests/core/gcp/test_etl.py"

DEFECTS = (
    Defect(
        "queries",
        "a run that is taken over after its commit adds its rows again",
        "src/core/step/etl/engine.py",
        "        if before is not None:",
        "        if before is not None and context.generation:",
        (f"{ETL}::test_a_run_that_is_taken_over_after_its_commit_writes_nothing_twice",),
    ),
    Defect(
        "queries",
        "overwriting one window takes away every other",
        "src/core/step/etl/engine.py",
        'same_source) if mode == "overwrite" else WHOLE_TABLE,',
        'same_source) if mode == "append" else WHOLE_TABLE,',
        (f"{ETL}::test_overwrite_replaces_the_days_of_its_window_whatever_windows_were_run_before",),
    ),
    Defect(
        "queries",
        "two documents that share a table take away each other's rows",
        "src/core/step/etl/engine.py",
        "same_source = {SOURCE: name} if SOURCE in template.columns else None",
        "same_source = None",
        (f"{ETL}::test_overwrite_leaves_alone_what_another_step_has_written",),
    ),
    Defect(
        "queries",
        "days of a window that had rows are lost, because all new rows are put on its last day",
        "src/core/step/etl/engine.py",
        "window.start != window.end:",
        "window.start > window.end:",
        (f"{ETL}::test_overwrite_of_several_days_asks_for_the_day_of_a_row",),
    ),
    Defect(
        "queries",
        "a source that has nothing to say for a moment empties a table",
        PUBLICATION,
        "    if answer.rows or loading.may_be_empty:",
        "    if answer.rows or loading.part:",
        (f"{ETL}::test_an_empty_result_empties_a_table_only_where_that_is_declared",),
    ),
    Defect(
        "queries",
        "a worker that has lost its run publishes all the same",
        PUBLICATION,
        "        context.still_wanted()",
        "        context.progress()",
        (f"{ETL}::test_a_run_whose_lease_is_lost_while_it_writes_leaves_all_as_it_was",),
    ),
    Defect(
        "queries",
        "a copy of a table makes stale costs look as if they had just been read",
        PUBLICATION,
        'PROVIDER: Final = "bigquery"',
        'PROVIDER: Final = "gcp"',
        (f"{ETL}::test_a_copy_says_nothing_about_when_costs_were_last_read",),
    ),
    Defect(
        "queries",
        "a query of a document writes into the raw rows that books close over",
        "src/core/step/etl/protected_tables.py",
        "    if name.lower() in kept:",
        "    if name in kept and name.isupper():",
        (f"{ETL}::test_raw_rows_of_books_are_not_written_to", "tests/core/gcp/test_etl_checks.py"),
    ),
    Defect(
        "queries",
        "an amount that is text at the source is cast as each engine likes",
        "src/core/step/etl/fit.py",
        "    elif kind != field.type and kind not in TAKES.get(field.type, ()):",
        '    elif kind != field.type and field.type == "STRUCT":',
        (f"{ETL}::test_what_does_not_fit_the_template_is_refused_before_it_is_paid_for",),
    ),
    Defect(
        "queries",
        "an input of a run chooses the table of somebody's books",
        "src/core/pipeline/preparation.py",
        "    for check in entry.checks:",
        "    for check in entry.checks[1:]:",
        ("tests/core/gcp/test_etl_checks.py::test_what_variables_make_of_a_config_is_judged_when_a_run_is_accepted",),
    ),
    Defect(
        "queries",
        "a statement writes more rows at once than it was told to",
        "src/core/engine/reader/queries.py",
        "        if self._in_file >= self._rows_at_once:",
        "        if self._in_file > self._rows_at_once:",
        ("tests/core/gcp/test_bigquery_queries.py::test_many_rows_come_through_the_storage_api_in_files_of_so_many",),
        needs=BIGQUERY,
    ),
)
