"""Dates and moments that sqlglot renders for DuckDB otherwise than BigQuery means them."""

from sqlglot import exp

from src.core.base.faults import Rejected
from src.core.engine.dialect.edits import Rule, as_type, put, refused, wrap
from src.core.engine.dialect.types import Kinds

# strftime elements that both engines render alike
FORMAT_ELEMENTS = frozenset("YmdHMSyjBbAaIpFT")
FRACTIONS = {"MILLISECOND": 1_000, "MICROSECOND": 1_000_000}
PLAIN_PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "ISOYEAR"})


def _stays_date(node: exp.Expr, kinds: Kinds) -> None:
    # of a DATE too DuckDB makes a TIMESTAMP
    if kinds.of(node.this) not in ("timestamp", "datetime"):
        wrap(node, as_type("DATE"))


def _extract(node: exp.Expr, _: Kinds) -> None:
    if not isinstance(node.this, exp.Var):
        raise refused(node, "weeks differ between engines; ISOWEEK does not")
    part = node.name.upper()
    # a type known to sqlglot makes it refuse what DuckDB does right: its instances keep UTC
    node.set("expression", exp.Paren(this=node.expression))
    if part in PLAIN_PARTS:
        return
    if part == "DATE":
        put(node, as_type("DATE")(node.expression))
    elif part == "TIME":
        put(node, as_type("TIME")(as_type("TIMESTAMP")(node.expression)))
    elif part in FRACTIONS:  # BigQuery gives the fraction of the second alone
        modulus = exp.Literal.number(FRACTIONS[part])
        wrap(node, lambda whole: exp.Mod(this=whole, expression=modulus))
    elif part == "DAYOFWEEK":  # 1 is Sunday; DuckDB counts from 0
        wrap(node, lambda whole: exp.Paren(this=exp.Add(this=whole, expression=exp.Literal.number(1))))
    elif part in ("ISOWEEK", "DAYOFYEAR"):
        node.set("this", exp.var("WEEK" if part == "ISOWEEK" else "DOY"))
    else:
        raise Rejected(f"EXTRACT({part}) differs between engines; use another part")


def _timestamp_diff(node: exp.Expr, _: Kinds) -> None:
    """Whole elapsed units, where DuckDB's DATE_DIFF counts the boundaries passed."""
    unit = exp.Literal.string(node.args["unit"].name.lower())
    put(node, exp.Anonymous(this="DATE_SUB", expressions=[unit, node.expression, node.this]))


def _instant(node: exp.Expr, _: Kinds) -> None:
    # most of DuckDB's functions for this make a TIMESTAMP without a zone
    wrap(node, as_type("TIMESTAMPTZ"))


def _date(node: exp.Expr, _: Kinds) -> None:
    wrap(node, as_type("DATE"))


def _unix_seconds(node: exp.Expr, _: Kinds) -> None:
    """BigQuery rounds down, also before 1970."""
    seconds = exp.Floor(this=exp.Anonymous(this="EPOCH", expressions=[node.this]))
    put(node, as_type("BIGINT")(seconds))


def _parse_timestamp(node: exp.Expr, kinds: Kinds) -> None:
    _format(node, kinds)
    if node.args.get("zone"):
        raise refused(node, "a zone beside the format is not served; write it into the text, or use TIMESTAMP(datetime, zone)")
    _instant(node, kinds)


def _format_moment(node: exp.Expr, kinds: Kinds) -> None:
    _format(node, kinds)
    zone = node.args.get("zone")
    # sqlglot would leave it out without a word, for STRFTIME takes none
    if zone:
        node.set("zone", None)
        node.this.set("this", exp.AtTimeZone(this=node.this.this, zone=zone))


def _interval(node: exp.Expr, _: Kinds) -> None:
    if isinstance(node.parent, exp.Alias | exp.Select):
        raise refused(node, "an INTERVAL is no value of a table; add it to a date")


def _format(node: exp.Expr, _: Kinds) -> None:
    text = node.args["format"]
    if not isinstance(text, exp.Literal):
        raise Rejected("a date format is written out, not computed")
    parts = text.name.replace("%%", "").split("%")[1:]
    unknown = [f"%{part[:1]}" for part in parts if part[:1] not in FORMAT_ELEMENTS]
    if unknown:
        raise Rejected(f"the date format element {unknown[0]} differs between engines")


RULES: dict[type[exp.Expr], Rule] = {
    exp.DateAdd: _stays_date,
    exp.DateSub: _stays_date,
    exp.DateTrunc: _stays_date,
    exp.DateFromUnixDate: _date,
    exp.Extract: _extract,
    exp.Interval: _interval,
    exp.TimestampDiff: _timestamp_diff,
    exp.UnixToTime: _instant,
    exp.UnixSeconds: _unix_seconds,
    exp.TimeToStr: _format_moment,
    exp.StrToDate: _format,
    exp.StrToTime: _parse_timestamp,
}
