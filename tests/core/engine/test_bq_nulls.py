import pytest

from src.core.engine.bq_values import with_parameters
from tests.engines.analyzer.client import running_analyzer


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


@pytest.mark.parametrize("sql", [sql for sql, _ in texts()])
def test_the_analyzer_takes_what_is_written(analyzer_python, sql):
    rows = {"t": "SELECT 'a' AS x, DATE '2026-11-01' AS day"}
    values = {"a": None, "b": "2026-11-01"} if "@b" in sql else {"a": None}
    with running_analyzer(analyzer_python) as analyzer:
        assert "cannot be literal NULL" in str(analyzer.analyse(sql.replace("@a", "NULL"), rows, {"b": "DATE"}))
        assert analyzer.analyse(with_parameters(sql, values)[0], rows, {"b": "DATE"}) is None
