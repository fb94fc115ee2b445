"""What `configs/system/dataset_types.yml` says of the two kinds of dataset."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from src.core.base.documents import Document, read_document
from src.core.base.names import Environment, OrgSlug

# of the release and not of CONFIGS_DIR: datasets that stand are named by it
FILE = Path(__file__).resolve().parents[3] / "configs" / "system" / "dataset_types.yml"
NAMED_BY = ("{org_slug}", "{env}")


class RowsTaken(Document):
    takes: Literal["rows"]
    keeps: dict[str, str] = Field(default_factory=dict)
    """By table, why its rows stay."""


class DatasetTaken(Document):
    takes: Literal["dataset"]


class OwnTables(Document):
    prefix: str = Field(min_length=1)
    profile: str
    validation: str


class CentralDataset(Document):
    description: str
    name: str
    location: Literal["BIGQUERY_LOCATION"]
    folder: Path
    erasing: RowsTaken


class OrganizationDataset(Document):
    description: str
    name: str
    location: Literal["BIGQUERY_LOCATION"]
    folder: Path
    housekeeping: OwnTables
    erasing: DatasetTaken

    @field_validator("name")
    @classmethod
    def _is_of_one_organisation(cls, name: str) -> str:
        lacking = [part for part in NAMED_BY if part not in name]
        if lacking:
            raise ValueError(f"{' and '.join(lacking)} must stand in it: two organisations or two environments would share a dataset")
        return name

    def named(self, slug: OrgSlug, environment: Environment) -> str:
        return self.name.replace(NAMED_BY[0], slug).replace(NAMED_BY[1], environment.suffix)


class DatasetTypes(Document):
    central: CentralDataset
    organization: OrganizationDataset


@cache
def dataset_types() -> DatasetTypes:
    return read_document(FILE, DatasetTypes, "configs/system/dataset_types.yml")
