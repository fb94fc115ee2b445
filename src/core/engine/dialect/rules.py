"""What sqlglot renders for DuckDB otherwise than BigQuery means it. Each rule names BigQuery's documented behaviour."""

from sqlglot import exp

from src.core.base.faults import Rejected
from src.core.engine.dialect import arrays, casts, dates, texts
from src.core.engine.dialect.edits import Rule, as_type, fails_when, put, refused, whole, wrap
from src.core.engine.dialect.types import BIGNUMERIC_SCALE, NUMERIC_SCALE, NUMERICS, Kinds

DIVIDE = "x_numeric_divide"

# DuckDB divides DECIMAL as DOUBLE; BigQuery keeps NUMERIC: 9 decimals, half away from zero. HUGEINT holds a dividend up to 8e19.
DIVIDE_MACRO = f"""CREATE MACRO IF NOT EXISTS {DIVIDE}(a, b) AS
CASE WHEN CAST(b AS DECIMAL(38, 9)) = 0 THEN error('division by zero')
ELSE CAST(CAST(
  (2 * CAST(CAST(abs(a) AS DECIMAL(38, 9)) * 1000000000 AS HUGEINT) * 1000000000
    + CAST(CAST(abs(b) AS DECIMAL(38, 9)) * 1000000000 AS HUGEINT))
  // (2 * CAST(CAST(abs(b) AS DECIMAL(38, 9)) * 1000000000 AS HUGEINT))
  AS DECIMAL(38, 0)) * CAST(0.000000001 AS DECIMAL(9, 9)) * CAST(sign(a) * sign(b) AS DECIMAL(1, 0)) AS DECIMAL(38, 9)) END"""


def mended(root: exp.Expr, kinds: Kinds) -> exp.Expr:
    # children before parents, so that a rule never meets what another rule made
    for node in reversed(list(root.walk())):
        rule = RULES.get(type(node))
        if rule is not None:
            rule(node, kinds)
    return root


def _numeric(scale: int) -> str:
    return f"DECIMAL(38, {scale})"


def _data_type(node: exp.Expr, _: Kinds) -> None:
    # plain sqlglot: NUMERIC becomes DECIMAL(18, 3)
    if node.this == exp.DataType.Type.BIGDECIMAL:
        node.set("this", exp.DataType.Type.DECIMAL)
        if not node.expressions:
            node.set("expressions", _precision(BIGNUMERIC_SCALE))
    elif node.this == exp.DataType.Type.DECIMAL and not node.expressions:
        node.set("expressions", _precision(NUMERIC_SCALE))


def _precision(scale: int) -> list[exp.Expr]:
    return [exp.DataTypeParam(this=exp.Literal.number(38)), exp.DataTypeParam(this=exp.Literal.number(scale))]


def _is_numeric(left: exp.Expr, right: exp.Expr, kinds: Kinds) -> bool:
    """NUMERIC wins over integers, unknown parameters and literals; FLOAT64 wins over NUMERIC."""
    sides = [("int" if isinstance(side.unnest(), exp.Literal) else kinds.of(side)) for side in (left, right)]
    return any(side in NUMERICS for side in sides) and "float" not in sides


def _refuse_bignumeric(node: exp.Expr, kinds: Kinds) -> None:
    if "bignumeric" in (kinds.of(node.this), kinds.of(node.expression)):
        raise refused(node, "BIGNUMERIC is not divided exactly by every engine; cast to NUMERIC first")


def _divide(node: exp.Expr, kinds: Kinds) -> None:
    """BigQuery fails on division by zero, DuckDB answers infinity; and NUMERIC stays NUMERIC."""
    left, right = node.this, node.expression
    if _is_numeric(left, right, kinds):
        _refuse_bignumeric(node, kinds)
        put(node, exp.Anonymous(this=DIVIDE, expressions=[left, right]))
        return
    literal = right.unnest()
    if isinstance(literal, exp.Literal) and not literal.is_string and float(literal.name) != 0:
        return
    zero = exp.EQ(this=right.copy(), expression=exp.Literal.number(0))
    wrap(node, fails_when(zero, "division by zero"))


def _safe_divide(node: exp.Expr, kinds: Kinds) -> None:
    left, right = node.this, node.expression
    if _is_numeric(left, right, kinds):
        _refuse_bignumeric(node, kinds)
        exact = exp.Anonymous(this=DIVIDE, expressions=[left.copy(), right.copy()])
        some = exp.NEQ(this=right.copy(), expression=exp.Literal.number(0))
        put(node, exp.Case(ifs=[exp.If(this=some, true=exact)]))


def _multiply(node: exp.Expr, kinds: Kinds) -> None:
    """Each NUMERIC product is rounded to 9 decimals; unrounded, a chain of them outgrows DECIMAL(38)."""
    _widen(node, kinds)
    if _is_numeric(node.this, node.expression, kinds):
        wide = "bignumeric" in (kinds.of(node.this), kinds.of(node.expression))
        wrap(node, as_type(_numeric(BIGNUMERIC_SCALE if wide else NUMERIC_SCALE)))


def _average(node: exp.Expr, kinds: Kinds) -> None:
    """AVG of NUMERIC is NUMERIC in BigQuery and DOUBLE in DuckDB."""
    if kinds.of(node.this) not in NUMERICS:
        return
    if whole(node) is not node or isinstance(node.this, exp.Distinct):
        raise Rejected("AVG of NUMERIC with OVER, FILTER or DISTINCT is not exact in every engine; divide SUM by COUNT")
    # of no rows the average is NULL, and no division by zero
    total, count = exp.Sum(this=node.this.copy()), exp.Nullif(this=exp.Count(this=node.this.copy()), expression=exp.Literal.number(0))
    put(node, exp.Anonymous(this=DIVIDE, expressions=[total, count]))


def _sum(node: exp.Expr, kinds: Kinds) -> None:
    summed = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if kinds.of(summed) == "int":
        wrap(whole(node), as_type("BIGINT"))  # DuckDB answers HUGEINT


def _count_if(node: exp.Expr, _: Kinds) -> None:
    """Of no rows BigQuery counts 0, DuckDB answers NULL."""
    wrap(whole(node), lambda counted: exp.Coalesce(this=as_type("BIGINT")(counted), expressions=[exp.Literal.number(0)]))


def _widen(node: exp.Expr, kinds: Kinds) -> None:
    """A whole literal is INT64, where DuckDB's is INT32 and overflows beside another."""
    left, right = node.this, node.expression
    if kinds.of(left) == kinds.of(right) == "int":
        for side in (left, right):
            if isinstance(side.unnest(), exp.Literal):
                wrap(side, as_type("BIGINT"))
                return


def _subtract(node: exp.Expr, kinds: Kinds) -> None:
    if kinds.of(node.this) == "date" and kinds.of(node.expression) == "date":
        raise refused(node, "the difference of two dates is an INTERVAL; write DATE_DIFF(..., DAY)")
    _widen(node, kinds)


def _whole_division(node: exp.Expr, kinds: Kinds) -> None:
    if {kinds.of(node.this), kinds.of(node.expression)} & set(NUMERICS):
        raise refused(node, "DIV of NUMERIC differs between engines; TRUNC the quotient")
    # a function becomes an operator, which would take what stands beside it
    for side in (node.this, node.expression):
        if isinstance(side, exp.Binary):
            wrap(side, lambda inner: exp.Paren(this=inner))
    wrap(node, lambda quotient: exp.Paren(this=quotient))


def _rounded(node: exp.Expr, kinds: Kinds) -> None:
    """Rounding keeps NUMERIC, and makes FLOAT64 of integers; DuckDB drops the decimals of the type."""
    kind = kinds.of(node.this)
    if kind in NUMERICS:
        wrap(node, as_type(_numeric(BIGNUMERIC_SCALE if kind == "bignumeric" else NUMERIC_SCALE)))
    elif kind == "int":
        wrap(node, as_type("DOUBLE"))


def _sign(node: exp.Expr, kinds: Kinds) -> None:
    kind = kinds.of(node.this)
    wrap(node, as_type("BIGINT" if kind == "int" else _numeric(NUMERIC_SCALE) if kind in NUMERICS else "DOUBLE"))


def _literal(node: exp.Expr, kinds: Kinds) -> None:
    """A literal with a point is FLOAT64 in BigQuery; beside a NUMERIC it counts as NUMERIC, which DuckDB's DECIMAL does too."""
    if node.is_string or node.name.isdigit():
        return
    outer = node
    while isinstance(outer.parent, exp.Neg | exp.Paren):
        outer = outer.parent
    place = outer.parent
    if place is None or isinstance(place, exp.Cast | exp.TryCast | exp.Predicate | exp.In | exp.Limit | exp.Interval):
        return
    beside = place.parent if isinstance(place, exp.If) and isinstance(place.parent, exp.Case) else place
    if isinstance(beside, exp.Alias | exp.Select) or not _may_be_exact(beside, outer, kinds):
        wrap(node, as_type("DOUBLE"))


def _may_be_exact(place: exp.Expr, outer: exp.Expr, kinds: Kinds) -> bool:
    """Whether what stands beside is NUMERIC, or may be: a parameter has the type it is given."""
    sides = [side for side in place.iter_expressions() if side is not outer]
    values = [value for side in sides for value in ([side.args["true"]] if isinstance(side, exp.If) else [side])]
    return any(kinds.of(value) in NUMERICS or isinstance(value.unnest(), exp.Parameter) for value in values)


RULES: dict[type[exp.Expr], Rule] = {
    exp.DataType: _data_type,
    exp.Div: _divide,
    exp.SafeDivide: _safe_divide,
    exp.Mul: _multiply,
    exp.Add: _widen,
    exp.Sub: _subtract,
    exp.IntDiv: _whole_division,
    exp.Round: _rounded,
    exp.Trunc: _rounded,
    exp.Ceil: _rounded,
    exp.Floor: _rounded,
    exp.Sign: _sign,
    exp.Avg: _average,
    exp.Sum: _sum,
    exp.CountIf: _count_if,
    exp.Literal: _literal,
    **casts.RULES,
    **dates.RULES,
    **texts.RULES,
    **arrays.RULES,
}
