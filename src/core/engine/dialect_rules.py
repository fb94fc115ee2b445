"""What sqlglot renders for DuckDB otherwise than BigQuery means it. Each rule names BigQuery's documented behaviour."""

from collections.abc import Callable

from sqlglot import exp

from src.core.base.faults import Rejected
from src.core.engine.dialect_types import BIGNUMERIC_SCALE, NUMERIC_SCALE, TAG, Kind, Kinds

Rule = Callable[[exp.Expr, Kinds], None]

# strftime elements that both engines render alike
FORMAT_ELEMENTS = frozenset("YmdHMSyjBbAaIpFT")
FRACTIONS = {"MILLISECOND": 1_000, "MICROSECOND": 1_000_000}
PLAIN_PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "ISOYEAR"})
NUMERICS: tuple[Kind, ...] = ("numeric", "bignumeric")
# Where a subquery is one value; in FROM, IN, ANY or UNION it is rows.
VALUE_PLACES = (exp.Alias, exp.Coalesce, exp.Binary, exp.Paren, exp.Cast, exp.Neg)
SAFE_TO_CAST = (exp.Parameter, exp.Null, exp.Literal, exp.Round, exp.Ceil, exp.Floor, exp.Trunc)
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


def _put(node: exp.Expr, other: exp.Expr) -> None:
    """What stands in a node's place means what the node meant, so it keeps the node's kind."""
    other.meta[TAG] = node.meta.get(TAG, -1)
    node.replace(other)


def _wrap(node: exp.Expr, build: Callable[[exp.Expr], exp.Expr]) -> None:
    place = exp.Null()
    _put(node, place)
    _put(place, build(node))


def _whole(aggregate: exp.Expr) -> exp.Expr:
    """The aggregate with the OVER, FILTER and null treatment that belong to it."""
    node = aggregate
    while isinstance(node.parent, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls) and node.parent.this is node:
        node = node.parent
    return node


def _as(kind: str) -> Callable[[exp.Expr], exp.Expr]:
    return lambda node: exp.Cast(this=node, to=exp.DataType.build(kind, dialect="duckdb"))


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


def _cast(node: exp.Expr, kinds: Kinds) -> None:
    to, kind = node.args["to"], kinds.of(node.this)
    if to.this in exp.DataType.INTEGER_TYPES:
        _cast_to_int(node, kind)
    elif to.this in exp.DataType.TEXT_TYPES:
        _cast_to_text(node, kind)
    elif to.this in (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY) and kind == "text":
        node.set("this", exp.Anonymous(this="ENCODE", expressions=[node.this]))


def _cast_to_int(node: exp.Expr, kind: Kind | None) -> None:
    """BigQuery rounds halves away from zero, DuckDB rounds a DOUBLE's halves to even."""
    if kind == "float" and not isinstance(node.this, exp.Literal):
        node.set("this", exp.Round(this=node.this))
    elif kind is None and not isinstance(node.this.unnest(), SAFE_TO_CAST):
        raise Rejected(f"{node.sql(dialect='bigquery')[:120]}: what is cast has no type known here; write ROUND(...) inside the cast")


def _cast_to_text(node: exp.Expr, kind: Kind | None) -> None:
    if kind in NUMERICS:
        # BigQuery drops trailing zeros of NUMERIC
        zeros, point = exp.Literal.string("0"), exp.Literal.string(".")
        inner = exp.Anonymous(this="RTRIM", expressions=[node.copy(), zeros])
        _put(node, exp.Anonymous(this="RTRIM", expressions=[inner, point]))
    elif kind == "float":
        raise Rejected(f"{node.sql(dialect='bigquery')[:120]}: engines print floats differently; cast to NUMERIC first")
    elif kind == "bytes":
        node.set("this", exp.Anonymous(this="DECODE", expressions=[node.this]))


def _is_numeric(left: exp.Expr, right: exp.Expr, kinds: Kinds) -> bool:
    """NUMERIC wins over integers, unknown parameters and literals; FLOAT64 wins over NUMERIC."""
    sides = [("int" if isinstance(side.unnest(), exp.Literal) else kinds.of(side)) for side in (left, right)]
    return any(side in NUMERICS for side in sides) and "float" not in sides


def _refuse_bignumeric(node: exp.Expr, kinds: Kinds) -> None:
    if "bignumeric" in (kinds.of(node.this), kinds.of(node.expression)):
        raise Rejected(f"{node.sql(dialect='bigquery')[:120]}: BIGNUMERIC is not divided exactly by every engine; cast to NUMERIC first")


def _divide(node: exp.Expr, kinds: Kinds) -> None:
    """BigQuery fails on division by zero, DuckDB answers infinity; and NUMERIC stays NUMERIC."""
    left, right = node.this, node.expression
    if _is_numeric(left, right, kinds):
        _refuse_bignumeric(node, kinds)
        _put(node, exp.Anonymous(this=DIVIDE, expressions=[left, right]))
        return
    literal = right.unnest()
    if isinstance(literal, exp.Literal) and not literal.is_string and float(literal.name) != 0:
        return
    failure = exp.Anonymous(this="ERROR", expressions=[exp.Literal.string("division by zero")])
    zero = exp.EQ(this=right.copy(), expression=exp.Literal.number(0))
    _wrap(node, lambda whole: exp.Paren(this=exp.Case(ifs=[exp.If(this=zero, true=failure)], default=whole)))


def _safe_divide(node: exp.Expr, kinds: Kinds) -> None:
    left, right = node.this, node.expression
    if _is_numeric(left, right, kinds):
        _refuse_bignumeric(node, kinds)
        exact = exp.Anonymous(this=DIVIDE, expressions=[left.copy(), right.copy()])
        some = exp.NEQ(this=right.copy(), expression=exp.Literal.number(0))
        _put(node, exp.Case(ifs=[exp.If(this=some, true=exact)]))


def _multiply(node: exp.Expr, kinds: Kinds) -> None:
    """Each NUMERIC product is rounded to 9 decimals; unrounded, a chain of them outgrows DECIMAL(38)."""
    if _is_numeric(node.this, node.expression, kinds):
        wide = "bignumeric" in (kinds.of(node.this), kinds.of(node.expression))
        _wrap(node, _as(_numeric(BIGNUMERIC_SCALE if wide else NUMERIC_SCALE)))


def _average(node: exp.Expr, kinds: Kinds) -> None:
    """AVG of NUMERIC is NUMERIC in BigQuery and DOUBLE in DuckDB."""
    if kinds.of(node.this) not in NUMERICS:
        return
    if _whole(node) is not node or isinstance(node.this, exp.Distinct):
        raise Rejected("AVG of NUMERIC with OVER, FILTER or DISTINCT is not exact in every engine; divide SUM by COUNT")
    total, count = exp.Sum(this=node.this.copy()), exp.Nullif(this=exp.Count(this=node.this.copy()), expression=exp.Literal.number(0))
    _put(node, exp.Anonymous(this=DIVIDE, expressions=[total, count]))


def _sum(node: exp.Expr, kinds: Kinds) -> None:
    summed = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    if kinds.of(summed) == "int":
        _wrap(_whole(node), _as("BIGINT"))  # DuckDB answers HUGEINT


def _count_if(node: exp.Expr, _: Kinds) -> None:
    _wrap(_whole(node), _as("BIGINT"))


def _stays_date(node: exp.Expr, kinds: Kinds) -> None:
    if kinds.of(node.this) not in ("timestamp", "datetime"):
        _wrap(node, _as("DATE"))


def _extract(node: exp.Expr, _: Kinds) -> None:
    if not isinstance(node.this, exp.Var):
        raise Rejected(f"{node.sql(dialect='bigquery')[:120]}: weeks differ between engines; ISOWEEK does not")
    part = node.name.upper()
    if part in PLAIN_PARTS:
        return
    if part in ("DATE", "TIME"):
        _put(node, _as(part)(node.expression))
    elif part in FRACTIONS:  # BigQuery gives the fraction of the second alone
        modulus = exp.Literal.number(FRACTIONS[part])
        _wrap(node, lambda whole: exp.Mod(this=whole, expression=modulus))
    elif part == "DAYOFWEEK":  # 1 is Sunday; DuckDB counts from 0
        _wrap(node, lambda whole: exp.Paren(this=exp.Add(this=whole, expression=exp.Literal.number(1))))
    elif part in ("ISOWEEK", "DAYOFYEAR"):
        node.set("this", exp.var("WEEK" if part == "ISOWEEK" else "DOY"))
    else:
        raise Rejected(f"EXTRACT({part}) differs between engines; use another part")


def _timestamp_diff(node: exp.Expr, _: Kinds) -> None:
    """Whole elapsed units, where DuckDB's DATE_DIFF counts the boundaries passed."""
    unit = exp.Literal.string(node.args["unit"].name.lower())
    _put(node, exp.Anonymous(this="DATE_SUB", expressions=[unit, node.expression, node.this]))


def _instant(node: exp.Expr, _: Kinds) -> None:
    _wrap(node, _as("TIMESTAMPTZ"))


def _format(node: exp.Expr, _: Kinds) -> None:
    text = node.args["format"]
    if not isinstance(text, exp.Literal):
        raise Rejected("a date format is written out, not computed")
    parts = text.name.replace("%%", "").split("%")[1:]
    unknown = [f"%{part[:1]}" for part in parts if part[:1] not in FORMAT_ELEMENTS]
    if unknown:
        raise Rejected(f"the date format element {unknown[0]} differs between engines")


def _unnest(node: exp.Expr, _: Kinds) -> None:
    """WITH OFFSET counts from 0, WITH ORDINALITY from 1."""
    if not node.args.get("offset"):
        return
    value, *rest = node.args["alias"].columns
    offset = rest[0] if rest else node.args["offset"]
    if not isinstance(offset, exp.Identifier):
        offset = exp.to_identifier("offset")
    if isinstance(node.parent, exp.Join) and node.parent.side and not node.parent.args.get("on"):
        node.parent.set("on", exp.true())
    place, ordinal = exp.Null(), exp.Column(this=offset.copy())
    node.replace(place)
    less = exp.alias_(exp.Sub(this=ordinal, expression=exp.Literal.number(1)), offset.name, quoted=True)
    rows = exp.select(exp.Column(this=value.copy()), less).from_(node)
    place.replace(exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(f"x_{value.name}"))))


def _array_sum(node: exp.Expr, _: Kinds) -> None:
    """A sum over the row's own array: DuckDB would join it back to its row, at three times the cost of a list function."""
    select = node.this
    if (
        not _is_value(node)
        or not isinstance(select, exp.Select)
        or set(_given(select)) != {"expressions", "from_"}
        or len(select.expressions) != 1
    ):
        return
    total, unnest = select.expressions[0], select.args["from_"].this
    if not isinstance(total, exp.Sum) or not isinstance(unnest, exp.Unnest) or unnest.args.get("offset") or len(unnest.expressions) != 1:
        return
    summed, names = total.this, unnest.alias_column_names
    if len(names) != 1 or not isinstance(summed, exp.Column) or summed.table != names[0]:
        return
    name = exp.to_identifier(names[0])
    each = exp.Lambda(this=exp.Dot(this=name.copy(), expression=summed.this.copy()), expressions=[name])
    values = exp.Anonymous(this="LIST_TRANSFORM", expressions=[unnest.expressions[0].copy(), each])
    _put(node, exp.Anonymous(this="LIST_SUM", expressions=[values]))


def _is_value(node: exp.Expr) -> bool:
    return isinstance(node.parent, VALUE_PLACES) or (isinstance(node.parent, exp.Select) and node.arg_key == "expressions")


def _given(node: exp.Expr) -> list[str]:
    return [name for name, value in node.args.items() if value not in (None, [], False)]


def _literal(node: exp.Expr, _: Kinds) -> None:
    """A literal with a point is FLOAT64 in BigQuery; beside a NUMERIC it counts as NUMERIC, which DuckDB's DECIMAL does too."""
    shown = node.parent.parent if isinstance(node.parent, exp.Alias) else node.parent
    if isinstance(shown, exp.Select) and not node.is_string and not node.name.isdigit():
        _wrap(node, _as("DOUBLE"))


RULES: dict[type[exp.Expr], Rule] = {
    exp.DataType: _data_type,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Div: _divide,
    exp.SafeDivide: _safe_divide,
    exp.Mul: _multiply,
    exp.Avg: _average,
    exp.Sum: _sum,
    exp.CountIf: _count_if,
    exp.DateAdd: _stays_date,
    exp.DateSub: _stays_date,
    exp.DateTrunc: _stays_date,
    exp.Extract: _extract,
    exp.TimestampDiff: _timestamp_diff,
    exp.UnixToTime: _instant,
    exp.TimeToStr: _format,
    exp.StrToDate: _format,
    exp.StrToTime: _format,
    exp.Unnest: _unnest,
    exp.Subquery: _array_sum,
    exp.Literal: _literal,
}
