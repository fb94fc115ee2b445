from datetime import datetime

from pydantic import Field

from src.app.models.organizations import Answer
from src.core.costs.proof import ProofState
from src.core.engine.port import FileState


class ObjectProof(Answer):
    """What a slice came in."""

    name: str = Field(description="As the source calls it: a partition, a day, a file")
    etag: str | None = Field(description="Its version as the source tells it; null where it tells none")
    bytes: int | None = Field(description="Its size; null where the source tells none")
    sha256: str | None = Field(description="Of its bytes as they came or were written; null of rows that were read where they lie")
    rows: int | None = Field(description="Counted before they were a file, or listed by the source; null of a file among several")


class SliceProof(Answer):
    source: str = Field(description="As its rows name it")
    slice: str = Field(description="A load day, a day of use, a month: the least that the source gives whole")
    state: ProofState
    says: str = Field(description="The state in words")
    rows_stand: int = Field(description="Rows of it in the table now; of a table with a lost file, those of the files that are whole")
    rows_named: int | None = Field(description="Rows that the newest manifest names; null where none names it")
    manifest_id: str | None = Field(description="That manifest, in x_load_manifests")
    pipeline_logging_id: str | None = Field(description="The run that left it")
    published_at: datetime | None = Field(description="When what it names became visible")
    objects: list[ObjectProof] = Field(description="What it came in, as that manifest names it")


class FileProof(Answer):
    name: str = Field(description="Its path below the folder raw/ of the dataset")
    bytes: int = Field(description="As it was kept")
    sha256: str = Field(description="Of the bytes that were kept")
    state: FileState = Field(description="Whether its bytes, read again now, are those")
    as_it_came: bool = Field(description="Whether it is an object of a manifest, byte for byte; folded and copied files are not")


class ProofAnswer(Answer):
    org_slug: str
    table: str
    checked_at: datetime = Field(description="When it was asked")
    state: ProofState = Field(description="The worst of its slices")
    says: str = Field(description="The state in words, with what helps")
    counts: dict[ProofState, int] = Field(description="How many slices are what")
    slices: list[SliceProof] = Field(description="The worst first")
    slices_left_off: int = Field(description="Further ones, no worse than those shown")
    files: list[FileProof] | None = Field(description="Each read again; null where the warehouse keeps no files of ours")
    files_left_off: int = Field(description="Further ones")
