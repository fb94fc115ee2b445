"""A result held against the template of its destination, before a row of it is paid for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from src.core.base.faults import Flaw, Rejected
from src.core.base.schema import SPELLINGS, Field, TableSchema
from src.core.engine.port import Scalar
from src.core.engine.reader.port import RemoteColumn, Selection

RECORD = "record"
# Types besides its own that a column takes. Others are not cast here: engines would not all cast them alike, and the query can.
TAKES = {"NUMERIC": {"INT64", "FLOAT64"}, "BIGNUMERIC": {"INT64", "NUMERIC"}, "JSON": {"STRING"}}


@dataclass(frozen=True, slots=True)
class Fitted:
    selection: Selection
    shape: TableSchema
    """The columns of the destination that are written."""
    absent: tuple[str, ...]
    unknown: tuple[str, ...]


def fit_result(result: Sequence[RemoteColumn], template: TableSchema, given: Mapping[str, Scalar]) -> Fitted:
    """`given` are values for columns that the template has and the result may lack."""
    # in small letters: to BigQuery a column is the same in any case
    columns = {column.name.lower(): column for column in result}
    known = {field.name.lower(): field for field in template.fields}
    added = {name: value for name, value in given.items() if name.lower() in known and name.lower() not in columns}
    as_record = RECORD in known and known[RECORD].type == "JSON" and RECORD not in columns
    written = {*columns, *map(str.lower, added), *([RECORD] if as_record else [])}
    absent = [field for name, field in known.items() if name not in written]
    flaws = [flaw for name, field in known.items() if name in columns for flaw in _type_flaws(columns[name], field)]
    flaws += [Flaw("the template requires it, and the query does not give it", field.name) for field in absent if field.mode == "REQUIRED"]
    if not written & {*known}:
        flaws.append(Flaw(f"none of its columns is one of the template's, which are {', '.join(template.columns)}"))
    if flaws:
        raise Rejected(f"what source_query gives does not fit the template {template.name}: {flaws[0]}", flaws=flaws)
    return Fitted(
        Selection(tuple(column.name for name, column in columns.items() if name in known), RECORD if as_record else None, added),
        replace(template, fields=tuple(field for name, field in known.items() if name in written)),
        absent=tuple(field.name for field in absent),
        # the record holds whole rows, so no column of them is left out
        unknown=() if as_record else tuple(column.name for name, column in columns.items() if name not in known),
    )


def _type_flaws(column: RemoteColumn, field: Field, at: str = "") -> Iterator[Flaw]:
    path = at + field.name
    kind = SPELLINGS.get(column.type, column.type)
    if column.repeated != (field.mode == "REPEATED"):
        yield Flaw("is an array at one of the two and not at the other", path)
    elif kind != field.type and kind not in TAKES.get(field.type, ()):
        yield Flaw(f"is {kind} and goes to {field.type}; cast it in source_query", path)
    children = {child.name.lower(): child for child in column.fields}
    for child in field.fields if kind == "STRUCT" else ():
        if child.name.lower() in children:
            yield from _type_flaws(children[child.name.lower()], child, f"{path}.")
