"""What a schema file cannot say about a table: the keys of every `config.yml` that lists tables and views."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from src.core.base.documents import Document
from src.core.base.names import identifier
from src.core.base.schema import Granularity, Partition, TableSchema, read_columns


class PartitionFacts(Document):
    field: str
    granularity: Granularity = "day"


class TableFacts(Document):
    description: str
    partition: PartitionFacts | None = None
    cluster: tuple[str, ...] = ()

    def with_columns(self, folder: Path, name: str) -> TableSchema:
        """These facts with the columns of `schemas/{name}.json`."""
        path = folder / "schemas" / f"{name}.json"
        return self.table(name, read_columns(path), str(path))

    def table(self, name: str, columns: Sequence[Mapping[str, Any]], file: str) -> TableSchema:
        """These facts with columns as a schema file has them."""
        return TableSchema.parse(
            columns,
            file,
            name=identifier(name),
            description=self.description,
            partition=Partition(self.partition.field, self.partition.granularity) if self.partition else None,
            cluster=self.cluster,
        )


class ViewFacts(Document):
    description: str
