"""Arrays and JSON that sqlglot renders for DuckDB otherwise than BigQuery means them."""

from sqlglot import exp

from src.core.engine.dialect.edits import Rule, fails_when, put, refused, whole_number, wrap
from src.core.engine.dialect.types import Kinds

SAME_IN_JSON = {
    *exp.DataType.TEXT_TYPES,
    *exp.DataType.INTEGER_TYPES,
    exp.DataType.Type.BOOLEAN,
    exp.DataType.Type.DATE,
    exp.DataType.Type.JSON,
}
# Where a subquery is one value; in FROM, IN, ANY or UNION it is rows.
VALUE_PLACES = (exp.Alias, exp.Coalesce, exp.Binary, exp.Paren, exp.Cast, exp.Neg)


def _unnest(node: exp.Expr, _: Kinds) -> None:
    """WITH OFFSET counts from 0, WITH ORDINALITY from 1."""
    if not node.args.get("offset"):
        return
    value, *rest = node.args["alias"].columns
    offset = rest[0] if rest else node.args["offset"]
    if not isinstance(offset, exp.Identifier):
        offset = exp.to_identifier("offset")
    # sqlglot adds this beside an UNNEST alone, and a subquery is about to stand here
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
    put(node, exp.Anonymous(this="LIST_SUM", expressions=[values]))


def _is_value(node: exp.Expr) -> bool:
    return isinstance(node.parent, VALUE_PLACES) or (isinstance(node.parent, exp.Select) and node.arg_key == "expressions")


def _given(node: exp.Expr) -> list[str]:
    return [name for name, value in node.args.items() if value not in (None, [], False)]


def _element(node: exp.Expr, _: Kinds) -> None:
    """Beyond the end BigQuery fails where DuckDB answers NULL, and DuckDB counts negative places from the end."""
    # a text is a key of JSON and no place
    if len(node.expressions) != 1 or node.expressions[0].is_string:
        return
    place, first, safe = node.expressions[0], node.args.get("offset") or 0, node.args.get("safe")
    number = whole_number(place)
    if number is not None and number >= first and safe:
        return
    length = exp.Anonymous(this="LEN", expressions=[node.this.copy()])
    low = exp.LT(this=exp.Paren(this=place.copy()), expression=exp.Literal.number(first))
    beyond = (exp.GT if first else exp.GTE)(this=exp.Paren(this=place.copy()), expression=length)
    outside = exp.Or(this=low, expression=beyond)
    if safe:
        wrap(node, lambda whole: exp.Paren(this=exp.Case(ifs=[exp.If(this=outside, true=exp.Null())], default=whole)))
    else:
        wrap(node, fails_when(outside, "array index out of bounds"))


def _to_json_text(node: exp.Expr, kinds: Kinds) -> None:
    """NULL is the text null in BigQuery; how it writes fractions and moments is not how DuckDB does. A whole row is a record to be kept,
    not to be compared: its text is the engine's own."""
    declared = kinds.type_of(node.this)
    if not _is_row(node.this) and (declared is None or not _same_in_json(declared)):
        raise refused(node, "engines write fractions, moments and bytes differently in JSON; cast them to STRING first")
    wrap(node, lambda whole: exp.Coalesce(this=whole, expressions=[exp.Literal.string("null")]))


def _is_row(value: exp.Expr) -> bool:
    select = value.find_ancestor(exp.Select)
    if select is None or not isinstance(value, exp.Column) or value.table:
        return False
    sources = [*select.find_all(exp.From), *select.find_all(exp.Join)]
    return any(source.parent is select and source.this.alias_or_name == value.name for source in sources)


def _same_in_json(declared: exp.DataType) -> bool:
    inner = [part.args.get("kind") if isinstance(part, exp.ColumnDef) else part for part in declared.expressions]
    if declared.this in (exp.DataType.Type.ARRAY, exp.DataType.Type.LIST, exp.DataType.Type.STRUCT):
        return bool(inner) and all(isinstance(part, exp.DataType) and _same_in_json(part) for part in inner)
    return declared.this in SAME_IN_JSON


def _json(node: exp.Expr, kinds: Kinds) -> None:
    if kinds.of(node.this) == "text":
        raise refused(node, "engines read a text as JSON differently; use a JSON column")


def _series(node: exp.Expr, _: Kinds) -> None:
    step = node.args.get("step")
    if step is not None and not whole_number(step):
        raise refused(node, "the step is a number other than zero, written out")


RULES: dict[type[exp.Expr], Rule] = {
    exp.Unnest: _unnest,
    exp.Subquery: _array_sum,
    exp.Bracket: _element,
    exp.JSONFormat: _to_json_text,
    exp.JSONExtract: _json,
    exp.JSONExtractScalar: _json,
    exp.JSONExtractArray: _json,
    exp.JSONValueArray: _json,
    exp.GenerateSeries: _series,
}
