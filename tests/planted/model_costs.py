"""What models cost, as callers read it."""

from tests.planted.defect import Defect

MODELS = "configs/costs/models.sql"
HELD = "tests/core/costs/test_models.py"

DEFECTS = (
    Defect(
        "costs of models",
        "use and its report are both counted",
        MODELS,
        "CASE WHEN computed.provider IS NOT NULL THEN uses.cost END AS cost,",
        "uses.cost AS cost,",
        (f"{HELD}::test_a_days_report_is_the_cost_of_its_tokens_and_a_computed_day_is_its_use",),
    ),
    Defect(
        "costs of models",
        "requests that nobody counted are taken for none",
        MODELS,
        "CASE WHEN COUNTIF(tokens IS NOT NULL AND requests IS NULL) = 0 THEN SUM(requests) END",
        "COALESCE(SUM(requests), 0)",
        (f"{HELD}::test_requests_are_told_where_the_provider_counts_all_of_them",),
    ),
    Defect(
        "costs of models",
        "what was written to caches does not count against what they saved",
        MODELS,
        "(STARTS_WITH(token_kind, 'cached_') OR STARTS_WITH(token_kind, 'cache_write')) AS of_cache",
        "STARTS_WITH(token_kind, 'cached_') AS of_cache",
        (f"{HELD}::test_what_caches_saved_is_net_of_what_was_written_to_them",),
    ),
    Defect(
        "costs of models",
        "what part of the caches saved is told as all of it",
        "src/core/costs/models.py",
        "    if unknown or not among:",
        "    if not among:",
        (f"{HELD}::test_what_caches_saved_is_net_of_what_was_written_to_them",),
    ),
    Defect(
        "costs of models",
        "a cost without its unpriced part is told as whole",
        "src/core/costs/models.py",
        'priced = not (row["ranged_rows"] or row["unpriced_rows"])',
        'priced = not row["ranged_rows"]',
        (f"{HELD}::test_what_has_no_price_or_one_of_several_is_not_told_as_whole",),
    ),
    Defect(
        "costs of models",
        "a provider that was never loaded is not named",
        "src/core/costs/model_sources.py",
        "left_out=(*self.left_out, *silent))",
        "left_out=self.left_out)",
        (f"{HELD}::test_a_provider_that_was_never_loaded_is_left_out_and_named",),
    ),
)
