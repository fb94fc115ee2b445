import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Misconfigured, Rejected
from src.core.step.placeholders import Identifier, Value, bind_sql, fill, sql_flaws, text_flaws

HOSTILE = ["'; DROP TABLE org_profiles; --", "x' OR '1'='1", "\\", "`", '"', "{date}", "}}", "@other", "a\nb", "\x00", "*/ 1", "${x}", "%s"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("sql", ["SELECT * FROM t WHERE a = {name}", "SELECT {name}", "SELECT f({name},{name})/*{name}*/"])
def test_a_value_never_becomes_text_of_the_statement(value, sql):
    bound, params = bind_sql(sql, {"name": value})

    assert params == {"name": value}
    assert bound == re.sub(r"(?<!\*)\{name\}", "@name", sql)


@given(st.text())
def test_whatever_the_value_the_statement_is_the_same(value):
    assert bind_sql("SELECT * FROM `t` WHERE a = {v} AND b = 'x'", {"v": value}) == (
        "SELECT * FROM `t` WHERE a = @v AND b = 'x'",
        {"v": value},
    )


@given(st.text())
def test_an_identifier_is_a_name_or_nothing(text):
    try:
        name = Identifier(text)
    except Rejected:
        return
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
    assert bind_sql("SELECT * FROM {t}", {"t": name}) == (f"SELECT * FROM `{name}`", {})


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("FROM {table}", "FROM `cost`"),
        ("FROM {table}_daily d", "FROM `cost_daily` d"),
        ("FROM x_{table}", "FROM `x_cost`"),
        ("FROM `{table}_daily`", "FROM `cost_daily`"),
        ("FROM {dataset}.{table}", "FROM `acme`.`cost`"),
        ("SELECT '{table}'", "SELECT 'cost'"),
        ("-- about {day} and {what}\nSELECT {day}", "-- about {day} and {what}\nSELECT @day"),
        ("# {day}\nSELECT 1", "# {day}\nSELECT 1"),
        ("/* {day} */ SELECT {day}", "/* {day} */ SELECT @day"),
        ("SELECT r'\\d{{4}}', '''it's {{}}''', \"a'b\"", "SELECT r'\\d{4}', '''it's {}''', \"a'b\""),
        ("SELECT STRUCT({{x}})", "SELECT STRUCT({x})"),
        ("SELECT 'it\\'s', {day}", "SELECT 'it\\'s', @day"),
        ("WHERE d BETWEEN {day} AND {day}", "WHERE d BETWEEN @day AND @day"),
        ("SELECT ({day})::x", "SELECT (@day)::x"),
    ],
)
def test_sql_is_read_as_googlesql_reads_it(sql, bound):
    values: dict[str, Value] = {"table": Identifier("cost"), "dataset": Identifier("acme"), "day": date(2026, 11, 20)}
    text, params = bind_sql(sql, values)

    assert text == bound
    assert params == ({"day": date(2026, 11, 20)} if "@day" in bound else {})


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT '{day}'", "take it out of the quotes"),
        ('SELECT "{day}"', "take it out of the quotes"),
        ("SELECT '''a {day}'''", "take it out of the quotes"),
        ("SELECT 'open {day}", "take it out of the quotes"),
        ("FROM `{day}`", "kind: identifier"),
        ("FROM t_{day}", "it cannot be part of the word"),
        ("FROM {table}_{day}", "it cannot be part of the word"),
        ("SELECT @{day}", "it cannot be part of the word"),
        ("SELECT {dya}", "did you mean 'day'"),
        ("SELECT {x}", "known here: day, table"),
        ("SELECT {Day}", "is not a variable"),
        ("SELECT {", "a single '{'"),
        ("SELECT }", "a single '}'"),
        ("SELECT r'\\d{4}'", "is not a variable; write {{ and }} for braces"),
    ],
)
def test_what_cannot_be_bound_is_told_before_any_value_is_there(sql, told):
    assert any(told in flaw for flaw in sql_flaws(sql, {"day": "value", "table": "identifier"}))
    with pytest.raises(Misconfigured, match="a text with variables is wrong"):
        bind_sql(sql, {"day": "2026", "table": Identifier("t")})


@given(st.text(alphabet="ab'\"`\\{}-#/*\n @.rb", max_size=40))
def test_any_text_is_bound_or_refused_and_keeps_values_out(sql):
    values = {"a": "CANARY'", "b": Identifier("name")}
    try:
        bound, params = bind_sql(sql, values)
    except Misconfigured:
        return
    assert "CANARY" not in bound
    assert set(params) <= {"a"}


def test_a_text_is_filled():
    values: dict[str, Value] = {"day": date(2026, 11, 20), "n": 3, "yes": True, "t": Identifier("cost")}

    assert fill("{t}/{day}/{n}/{yes}/{{t}}", values) == "cost/2026-11-20/3/true/{t}"
    assert fill("{{{n}}}", values) == "{3}"
    assert fill("}}{{", values) == "}{"


@given(st.text())
def test_a_text_without_variables_survives_escaping(text):
    assert fill(text.replace("{", "{{").replace("}", "}}"), {}) == text


def test_a_variable_without_a_value_is_asked_for():
    with pytest.raises(Rejected, match="start_date is needed here"):
        fill("{start_date}", {"start_date": None})
    with pytest.raises(Rejected, match="start_date is needed here"):
        bind_sql("SELECT {start_date}", {"start_date": None})
    assert text_flaws("{start_date}", {"start_date": "value"}) == []
