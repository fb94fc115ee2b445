"""What a schema file cannot say about a table: the keys of every `config.yml` that lists tables and views."""

from pathlib import Path

from src.core.base.documents import Document
from src.core.base.names import identifier
from src.core.base.schema import Granularity, Partition, TableSchema


class PartitionFacts(Document):
    field: str
    granularity: Granularity = "day"


class TableFacts(Document):
    description: str
    partition: PartitionFacts | None = None
    cluster: tuple[str, ...] = ()

    def with_columns(self, folder: Path, name: str) -> TableSchema:
        """These facts with the columns of `schemas/{name}.json`."""
        return TableSchema.load(
            folder / "schemas" / f"{name}.json",
            name=identifier(name),
            description=self.description,
            partition=Partition(self.partition.field, self.partition.granularity) if self.partition else None,
            cluster=self.cluster,
        )


class ViewFacts(Document):
    description: str
