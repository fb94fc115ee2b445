"""Where an organisation's exports lie, by names that are checked here: they become part of addresses and paths."""

import re
from dataclasses import dataclass
from typing import ClassVar

from src.core.base.faults import Rejected
from src.core.base.identity import Tenant

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
GCS_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
REGION = re.compile(r"[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")
LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True)
class S3Place:
    title: ClassVar[str] = "S3"
    bucket: str
    region: str
    prefix: str = ""

    def __post_init__(self) -> None:
        _check(BUCKET, self.bucket, "a bucket of S3", "acme-billing")
        _check(REGION, self.region, "a region of AWS", "eu-central-1")
        _check_prefix(self.prefix)

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}"


@dataclass(frozen=True, slots=True)
class GcsPlace:
    title: ClassVar[str] = "Google Cloud Storage"
    bucket: str
    prefix: str = ""

    def __post_init__(self) -> None:
        _check(GCS_BUCKET, self.bucket, "a bucket of Google Cloud Storage", "acme-billing")
        _check_prefix(self.prefix)

    @property
    def address(self) -> str:
        return f"gs://{self.bucket}"


@dataclass(frozen=True, slots=True)
class AzurePlace:
    title: ClassVar[str] = "Azure Blob Storage"
    account: str
    container: str
    prefix: str = ""

    def __post_init__(self) -> None:
        _check(ACCOUNT, self.account, "a storage account of Azure", "acmebilling")
        _check(CONTAINER, self.container, "a container of Azure", "cost-exports")
        _check_prefix(self.prefix)

    @property
    def address(self) -> str:
        return f"az://{self.account}/{self.container}"


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """The organisation's own folder in OBJECT_FOLDER: no credential is asked for there, so the tenant alone says which."""

    title: ClassVar[str] = "the folder"
    tenant: Tenant
    prefix: str = ""

    def __post_init__(self) -> None:
        _check_prefix(self.prefix)

    @property
    def address(self) -> str:
        return f"folder://{self.tenant.org_slug}"


Place = S3Place | GcsPlace | AzurePlace | FolderPlace


def name_within(place: Place, told: str) -> str:
    """The name of an object as a manifest tells it, in full or as an address; refused where it leads out of the place."""
    name = told.removeprefix(f"{place.address}/")
    if "://" in name:
        raise Rejected(f"{told[:200]!r} is not in {place.address}: what a manifest names elsewhere is not read")
    flaw = _path_flaw(name)
    if flaw:
        raise Rejected(f"{told[:200]!r} is no name of an object: it {flaw}")
    if not is_within(place, name):
        raise Rejected(f"{told[:200]!r} is not below {place.prefix!r} of {place.address}, and nothing else is read")
    return name


def is_within(place: Place, name: str) -> bool:
    # a folder, not a beginning: cur-of-others is not in cur
    return not place.prefix or name.startswith(f"{place.prefix}/")


def _check(pattern: re.Pattern[str], text: str, what: str, example: str) -> None:
    if not pattern.fullmatch(text) or ".." in text:
        raise Rejected(f"{text[:80]!r} is not the name of {what}; write it like {example}")


def _check_prefix(prefix: str) -> None:
    flaw = _path_flaw(prefix) if prefix else None
    if flaw:
        raise Rejected(f"the prefix {prefix[:200]!r} is none that is read: it {flaw}; write it like exports/daily")


def _path_flaw(path: str) -> str | None:
    if not path or len(path.encode(errors="replace")) > LONGEST_NAME:
        return f"must have 1 to {LONGEST_NAME} bytes"
    if not path.isprintable():
        return "has a sign in it that cannot be printed"
    segments = path.split("/")
    if "" in segments:
        return "begins or ends with a slash, or has two in a row"
    if "." in segments or ".." in segments:
        return "has a step . or .. in it"
    return None
