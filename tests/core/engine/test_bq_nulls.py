import pytest

from src.core.engine.bigquery.values import with_parameters


def texts():
    return [
        ("SELECT 1 AS n FROM t WHERE @a IS NULL OR COALESCE(x, '') = @a", "NULL IS NULL OR CAST(NULL AS BOOL)"),
        ("SELECT 1 AS n FROM t WHERE (@a IS NULL OR day < @a)", "(NULL IS NULL OR CAST(NULL AS BOOL))"),
        ("SELECT 1 AS n FROM t WHERE @a<=day OR day >= @b", "CAST(NULL AS BOOL) OR day >= @b"),
        ("SELECT 1 AS n FROM t WHERE x <> @a AND x = '= @a'", "CAST(NULL AS BOOL) AND x = '= @a'"),
    ]


@pytest.mark.parametrize(("sql", "where"), texts())
def test_a_comparison_with_null_is_written_as_what_comes_of_it(sql, where):
    values = {"a": None, "b": 1} if "@b" in sql else {"a": None}
    text, _ = with_parameters(sql, values)

    assert text.endswith(f"WHERE {where}")


@pytest.mark.parametrize("sql", ["SELECT  1 AS n, @a   AS x", "SELECT 1 AS n FROM t WHERE @a IS NULL OR 1 = 1"])
def test_what_compares_nothing_with_null_goes_as_it_was_written(sql):
    assert with_parameters(sql, {"a": None})[0] == sql.replace("@a", "NULL")
