"""What a use of a model is charged."""

from tests.planted.defect import Defect

PRICED = ("tests/core/step/prices/test_pricing.py",)
CARD = ("tests/core/step/prices/test_rate_card.py",)
METERS, COST, RATE_CARD = "configs/openai/books/meters.sql", "configs/system/prices/cost.sql", "src/core/step/prices/rate_card.py"

DEFECTS = (
    Defect(
        "pricing",
        "cached tokens are charged as input too",
        METERS,
        "COALESCE(input_uncached_tokens, input - cached - written)",
        "COALESCE(input_uncached_tokens, input - written)",
        PRICED,
        only="last_digit and duckdb",
    ),
    Defect(
        "pricing",
        "tokens that are in no part of the input are charged nothing and told nowhere",
        METERS,
        "WHEN 'input_unknown' THEN input - text",
        "WHEN 'input_unknown' THEN 0 * input - 0 * text",
        PRICED,
        only="last_digit and duckdb",
    ),
    Defect(
        "pricing",
        "the last digit of a cost is cut and not rounded",
        COST,
        "      rest * (DIV(quantity, rest_of)) + DIV((2 * rest * MOD(quantity, rest_of) + rest_of), (2 * rest_of))",
        "      rest * (DIV(quantity, rest_of)) + DIV((2 * rest * MOD(quantity, rest_of)), (2 * rest_of))",
        PRICED,
        only="ends and duckdb",
    ),
    Defect(
        "pricing",
        "a day on which the rate changed is charged by the old one",
        COST,
        "WHEN r.rate_until < m.bucket_end THEN r.change_reason",
        "WHEN r.rate_until < m.bucket_start THEN r.change_reason",
        PRICED,
        only="last_digit and duckdb",
    ),
    Defect(
        "pricing",
        "images are charged as text before the day from which the book has a rate for them",
        RATE_CARD,
        "if use.kind_else in known and use.token_kind not in known else",
        "if use.kind_else in known else",
        CARD,
        only="another_kind",
    ),
    Defect(
        "pricing",
        "what long prompts cost is told although one of their rates is missing",
        RATE_CARD,
        "        if any(one.exact is None for one in longer):",
        "        if all(one.exact is None for one in longer):",
        PRICED,
        only="last_digit and duckdb",
    ),
    Defect(
        "pricing",
        "a whole division takes what stands beside it",
        "src/core/engine/dialect/rules.py",
        "    wrap(node, lambda quotient: exp.Paren(this=quotient))",
        "    whole(node)",
        ("tests/core/engine/test_goldens.py",),
        only="DIV",
    ),
)
