"""Comparisons with a value that is NULL: GoogleSQL refuses the word NULL as an operand, though what comes of it is known."""

import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from src.core.base.faults import Rejected

COMPARED = re.compile(r"[=<>]\s*@(\w+)|(?<!@)@(\w+)\s*[=<>!]")
COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


@lru_cache(maxsize=512)
def without_comparisons(sql: str, nulls: frozenset[str]) -> str:
    """With each comparison with one of these parameters as the NULL that it comes to; the text as it is where there is none."""
    compared = {name for pair in COMPARED.findall(sql) for name in pair if name in nulls}
    if not compared:
        return sql
    try:
        statements = sqlglot.parse(sql, dialect="bigquery")
    except SqlglotError as wrong:
        raise Rejected("this is not GoogleSQL") from wrong
    return ";\n".join(_rendered(statement, compared) for statement in statements if statement)


def _rendered(statement: exp.Expr, compared: set[str]) -> str:
    for value in list(statement.find_all(exp.Parameter)):
        if value.name in compared and isinstance(value.parent, COMPARISONS):
            value.parent.replace(exp.cast(exp.null(), "BOOLEAN"))
    return statement.sql(dialect="bigquery")
