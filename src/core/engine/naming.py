"""What may be named how in a dataset, on every engine."""

import re
from collections.abc import Iterable
from typing import Final

from src.core.base.faults import Conflict, Flaw, Rejected
from src.core.base.identity import Tenant
from src.core.base.schema import Field, TableSchema

DATASET: Final = re.compile(r"[a-z0-9_]{3,60}")
FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


def dataset_of(tenant: Tenant) -> str:
    if not DATASET.fullmatch(tenant.dataset):
        raise Rejected(f"{tenant.dataset[:80]!r} is not a dataset name")
    return tenant.dataset


def file_name(text: str) -> str:
    if not FILE_NAME.fullmatch(text):
        raise Rejected(f"{text[:80]!r} is not a file name: letters, digits, . _ and -, starting with a letter or digit")
    return text


def check_free(name: str, held: Iterable[str]) -> None:
    # to DuckDB the two are one name, to BigQuery two tables
    other = next((one for one in held if one.lower() == name.lower() and one != name), None)
    if other:
        raise Conflict(f"{name} differs from {other} by case alone; one of them needs another name")


def check_names(schema: TableSchema) -> None:
    flaws = [Flaw(f"{name!r} stands twice; names differ by more than case", field=schema.name) for name in _doubled(schema.fields)]
    if flaws:
        raise Rejected(f"the schema of {schema.name} cannot become a table", flaws=flaws)


def _doubled(fields: Iterable[Field]) -> list[str]:
    seen: set[str] = set()
    doubled = []
    for field in fields:
        if field.name.lower() in seen:
            doubled.append(field.name)
        seen.add(field.name.lower())
        doubled += _doubled(field.fields)
    return doubled
