"""The management tables as their schema files and `config.yml` describe them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field as Key
from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table

from src.core.base.documents import Document, read_document
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean, identifier
from src.core.base.schema import TableSchema
from src.core.base.table_facts import TableFacts, ViewFacts
from src.core.ledger.columns import column_type

Columns = tuple[str, ...]

NAME_LIMIT = 63  # PostgreSQL cuts longer names, and then two may be one


class KeyedTableFacts(TableFacts):
    key: Columns = Key(min_length=1)
    unique: tuple[Columns, ...] = ()
    indexes: tuple[Columns, ...] = ()


class LedgerConfig(Document):
    tables: dict[str, KeyedTableFacts]
    views: dict[str, ViewFacts] = Key(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    name: str
    description: str
    sql: str


@dataclass(frozen=True, slots=True)
class LedgerModel:
    """The customer's tables and views first, then the platform's own, which `platform` names."""

    schemas: Mapping[str, TableSchema]
    facts: Mapping[str, KeyedTableFacts]
    tables: Mapping[str, Table]
    views: tuple[View, ...]
    platform: frozenset[str]


@dataclass(frozen=True, slots=True)
class LedgerPart:
    """One folder of them."""

    schemas: Mapping[str, TableSchema]
    facts: Mapping[str, KeyedTableFacts]
    tables: Mapping[str, Table]
    views: tuple[View, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.tables, *(view.name for view in self.views))


def load_model(folder: Path) -> LedgerModel:
    """Reads the bootstrap folder: the customer's tables and views, and those of `platform/` in it."""
    metadata = MetaData()
    own, platform = _part(folder, metadata), _part(folder / "platform", metadata)
    return LedgerModel(
        schemas={**own.schemas, **platform.schemas},
        facts={**own.facts, **platform.facts},
        tables={**own.tables, **platform.tables},
        views=(*own.views, *platform.views),
        platform=frozenset(platform.names),
    )


def _part(folder: Path, metadata: MetaData) -> LedgerPart:
    """Of `config.yml`, `schemas/*.json` and `views/*.sql`; all of them must agree."""
    config = read_document(folder / "config.yml", LedgerConfig)
    flaws = [*_unpaired(config.tables, folder / "schemas", "json"), *_unpaired(config.views, folder / "views", "sql")]
    if flaws:
        raise Misconfigured("config.yml and the files beside it do not agree", flaws=flaws)
    # the files are paired first: reading one that is not there would tell of that one alone
    schemas = {name: facts.with_columns(folder, name) for name, facts in config.tables.items()}
    flaws = [flaw for name, facts in config.tables.items() for flaw in _unknown_columns(schemas[name], facts, folder)]
    if flaws:
        raise Misconfigured("config.yml names columns that are not there", flaws=flaws)
    return LedgerPart(
        schemas=schemas,
        facts=config.tables,
        tables={name: _table(metadata, schemas[name], facts, folder) for name, facts in config.tables.items()},
        views=tuple(
            View(identifier(name), facts.description, (folder / "views" / f"{name}.sql").read_text().strip())
            for name, facts in config.views.items()
        ),
    )


def _unpaired(named: Mapping[str, Document], folder: Path, suffix: str) -> list[Flaw]:
    there = {path.stem for path in folder.glob(f"*.{suffix}")}
    absent = [Flaw("is named in config.yml and not there", file=str(folder / f"{name}.{suffix}")) for name in sorted(set(named) - there)]
    unnamed = [
        Flaw(f"is not named in config.yml{did_you_mean(name, named)}", file=str(folder / f"{name}.{suffix}"))
        for name in sorted(there - set(named))
    ]
    return absent + unnamed


def _unknown_columns(schema: TableSchema, facts: KeyedTableFacts, folder: Path) -> list[Flaw]:
    named = {column for columns in (facts.key, *facts.unique, *facts.indexes) for column in columns}
    return [
        Flaw(f"{column!r} is not a column{did_you_mean(column, schema.columns)}", f"tables.{schema.name}", str(folder / "config.yml"))
        for column in sorted(named - set(schema.columns))
    ]


def _table(metadata: MetaData, schema: TableSchema, facts: KeyedTableFacts, folder: Path) -> Table:
    file = str(folder / "schemas" / f"{schema.name}.json")
    return Table(
        schema.name,
        metadata,
        *(Column(field.name, column_type(field, file), nullable=field.mode != "REQUIRED") for field in schema.fields),
        PrimaryKeyConstraint(*facts.key),
        *(Index(_index_name("uq", schema.name, columns), *columns, unique=True) for columns in facts.unique),
        *(Index(_index_name("ix", schema.name, columns), *columns) for columns in facts.indexes),
        # ids are made here, never by the engine; a RETURNING for them would only cost
        implicit_returning=False,
    )


def _index_name(kind: str, table: str, columns: Columns) -> str:
    name = f"{kind}_{table}__{'_'.join(columns)}"
    if len(name) <= NAME_LIMIT:
        return name
    # nine are the underscore and eight digits, by which two names that are cut alike still differ
    return f"{name[: NAME_LIMIT - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
