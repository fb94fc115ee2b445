"""What opens a place. It is asked for before each use, so that one which lapses is made anew in the middle of a long read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from src.core.base.secret import Secret


@dataclass(frozen=True, slots=True)
class AwsKeys:
    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class GoogleToken:
    token: Secret
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AzureKey:
    """Of the storage account, in base64."""

    key: Secret


@dataclass(frozen=True, slots=True)
class AzureSas:
    """A shared access signature, as the portal shows it."""

    query: Secret


@dataclass(frozen=True, slots=True)
class AzureToken:
    token: Secret
    until: datetime | None = None


AzureKeys = AzureKey | AzureSas | AzureToken
GivesAws = Callable[[], AwsKeys]
GivesGoogle = Callable[[], GoogleToken]
GivesAzure = Callable[[], AzureKeys]
