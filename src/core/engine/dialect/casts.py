"""Casts that sqlglot renders for DuckDB otherwise than BigQuery means them."""

from sqlglot import exp

from src.core.engine.dialect.edits import Rule, put, refused
from src.core.engine.dialect.types import NUMERICS, Kind, Kinds

SAFE_TO_CAST = (exp.Parameter, exp.Null, exp.Literal, exp.Round, exp.Ceil, exp.Floor, exp.Trunc)
# DuckDB also reads '12.5', '1e3' and '1_000' as whole numbers, and 'yes' as true
WHOLE_NUMBER = r"\s*[+-]?(\d+|0[xX][0-9a-fA-F]+)\s*"
TRUTH = r"(?i)\s*(true|false)\s*"


def _cast(node: exp.Expr, kinds: Kinds) -> None:
    to, kind = node.args["to"], kinds.of(node.this)
    if node.args.get("format"):
        raise refused(node, "CAST with FORMAT differs between engines; use FORMAT_DATE, FORMAT_TIMESTAMP or PARSE_DATE")
    if to.this in exp.DataType.INTEGER_TYPES:
        _cast_to_int(node, kind)
    elif to.this == exp.DataType.Type.DECIMAL and kind == "float" and not isinstance(node.this, exp.Literal):
        # DuckDB's own cast multiplies a DOUBLE as one: 71192484.68 becomes 71192484.680000008
        node.set("this", exp.cast(node.this, exp.DataType.Type.TEXT))
    elif to.this in exp.DataType.TEXT_TYPES:
        _cast_to_text(node, kind)
    elif to.this == exp.DataType.Type.BOOLEAN and kind == "text":
        _spelled(node, TRUTH, "BOOL")
    elif to.this in (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY) and kind == "text":
        node.set("this", exp.Anonymous(this="ENCODE", expressions=[node.this]))


def _cast_to_int(node: exp.Expr, kind: Kind | None) -> None:
    """BigQuery rounds halves away from zero, DuckDB rounds a DOUBLE's halves to even."""
    if kind == "float" and not isinstance(node.this, exp.Literal):
        node.set("this", exp.Round(this=node.this))
    elif kind == "text":
        _spelled(node, WHOLE_NUMBER, "INT64")
    elif kind is None and not isinstance(node.this.unnest(), SAFE_TO_CAST):
        raise refused(node, "what is cast has no type known here; write ROUND(...) inside the cast")


def _spelled(node: exp.Expr, pattern: str, name: str) -> None:
    """Texts are cast only as BigQuery spells the type."""
    text = node.this
    well = exp.Anonymous(this="REGEXP_FULL_MATCH", expressions=[text.copy(), exp.Literal.string(pattern)])
    ifs = [exp.If(this=well, true=text.copy())]
    # SAFE_CAST makes NULL of what does not fit; CAST fails, but not of NULL, which matches no pattern either
    if type(node) is exp.Cast:
        ifs.insert(0, exp.If(this=exp.Is(this=text.copy(), expression=exp.Null()), true=exp.Null()))
        said = exp.Concat(expressions=[exp.Literal.string(f"Bad {name} value: '"), text.copy(), exp.Literal.string("'")])
        ifs.append(exp.If(this=exp.true(), true=exp.Anonymous(this="ERROR", expressions=[said])))
    node.set("this", exp.Case(ifs=ifs))


def _cast_to_text(node: exp.Expr, kind: Kind | None) -> None:
    if kind in NUMERICS:
        # BigQuery drops trailing zeros of NUMERIC
        zeros, point = exp.Literal.string("0"), exp.Literal.string(".")
        inner = exp.Anonymous(this="RTRIM", expressions=[node.copy(), zeros])
        put(node, exp.Anonymous(this="RTRIM", expressions=[inner, point]))
    elif kind == "float" and not _becomes_decimal(node):
        raise refused(node, "engines print floats differently; cast to NUMERIC first")
    elif kind in ("timestamp", "datetime"):
        raise refused(node, "engines print fractions of a second differently; use FORMAT_TIMESTAMP or FORMAT_DATETIME")
    elif kind == "bytes" and isinstance(node, exp.TryCast):
        raise refused(node, "engines differ on bytes that are no text; use CAST")
    elif kind == "bytes":
        node.set("this", exp.Anonymous(this="DECODE", expressions=[node.this]))


def _becomes_decimal(node: exp.Expr) -> bool:
    """How a float is printed does not matter where the text is read as a number at once."""
    above = node.parent
    return isinstance(above, exp.Cast) and above.to.this == exp.DataType.Type.DECIMAL


RULES: dict[type[exp.Expr], Rule] = {exp.Cast: _cast, exp.TryCast: _cast}
