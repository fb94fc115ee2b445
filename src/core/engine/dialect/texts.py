"""Functions of texts that sqlglot renders for DuckDB otherwise than BigQuery means them."""

from sqlglot import exp

from src.core.engine.dialect.edits import Rule, fails_when, put, refused, whole_number, wrap
from src.core.engine.dialect.types import Kinds

# what BigQuery trims where no characters are named: Unicode's white space, of which DuckDB trims some
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
COUNTS: dict[type[exp.Expr], str] = {exp.Left: "expression", exp.Right: "expression", exp.Repeat: "times", exp.Pad: "expression"}


def _never_negative(node: exp.Expr, count: exp.Expr | None) -> None:
    """A negative length is an error in BigQuery; DuckDB counts it from the other end."""
    number = whole_number(count)
    if count is None or (number is not None and number >= 0):
        return
    wrap(node, fails_when(exp.LT(this=exp.Paren(this=count.copy()), expression=exp.Literal.number(0)), "a length may not be negative"))


def _counted(node: exp.Expr, kinds: Kinds) -> None:
    _no_bytes(node, kinds)
    _never_negative(node, node.args[COUNTS[type(node)]])


def _substring(node: exp.Expr, kinds: Kinds) -> None:
    """BigQuery takes place 0, and a place before the first, for the first."""
    _no_bytes(node, kinds)
    start, number = node.args["start"], whole_number(node.args["start"])
    if number is None or number < 1:
        length = exp.Neg(this=exp.Length(this=node.this.copy()))
        zero = exp.EQ(this=exp.Paren(this=start.copy()), expression=exp.Literal.number(0))
        before = exp.LT(this=exp.Paren(this=start.copy()), expression=length)
        node.set("start", exp.Case(ifs=[exp.If(this=exp.Or(this=zero, expression=before), true=exp.Literal.number(1))], default=start))
    _never_negative(node, node.args.get("length"))


def _no_bytes(node: exp.Expr, kinds: Kinds) -> None:
    if kinds.of(node.this) == "bytes":
        raise refused(node, "this function takes texts alone in every engine; cast to STRING first")


def _trim(node: exp.Expr, _: Kinds) -> None:
    if not node.args.get("expression"):
        node.set("expression", exp.Literal.string(WHITE_SPACE))


def _byte_length(node: exp.Expr, kinds: Kinds) -> None:
    kind = kinds.of(node.this)
    if kind not in ("text", "bytes"):
        raise refused(node, "what is measured has no type known here; cast it to STRING or BYTES")
    put(node, exp.Anonymous(this="STRLEN" if kind == "text" else "OCTET_LENGTH", expressions=[node.this]))


def _like(node: exp.Expr, _: Kinds) -> None:
    """A backslash quotes the next character of a pattern; DuckDB has no such character unless it is named."""
    pattern = node.expression
    if isinstance(pattern, exp.Any | exp.All):
        if any("\\" in literal.name for literal in pattern.find_all(exp.Literal)):
            raise refused(node, "a backslash in LIKE ANY or LIKE ALL is not served; write LIKE ... OR LIKE ...")
    elif not isinstance(pattern, exp.Literal) or "\\" in pattern.name:
        wrap(node, lambda whole: exp.Escape(this=whole, expression=exp.Literal.string("\\")))


def _joined(node: exp.Expr, _: Kinds) -> None:
    if node.find(exp.Limit):
        raise refused(node, "LIMIT inside an aggregate is not served; limit the rows in a subquery")


RULES: dict[type[exp.Expr], Rule] = {
    **dict.fromkeys(COUNTS, _counted),
    exp.Substring: _substring,
    exp.Trim: _trim,
    exp.ByteLength: _byte_length,
    exp.Like: _like,
    exp.GroupConcat: _joined,
}
