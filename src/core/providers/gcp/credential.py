from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from src.core.base.secret import Secret
from src.core.providers import packages
from src.core.providers.export import ExportKind
from src.core.providers.gcp import client, exports
from src.core.providers.gcp.account import GcpAccount
from src.core.providers.gcp.exports import ExportSettings
from src.core.providers.link import ProviderLink
from src.core.providers.packages import CredentialVerdict

KINDS = "the JSON key of a service account"


class ExportAnswer(BaseModel):
    model_config = ConfigDict(frozen=True)

    project: str
    dataset: str
    table: str
    kind: ExportKind
    billing_account: str | None
    location: str | None
    made: datetime | None = Field(default=None, description="When the table was made: what was written before that it does not have")
    counts: bool = Field(description="Whether it is loaded: one table of each billing account is")
    reason: str


class Connection(packages.ShownConnection):
    project: str | None = Field(default=None, description="Of all tables that count, where they have one in common")
    dataset: str | None = None
    tables: tuple[ExportAnswer, ...] = ()


sources = exports.sources


def recognise(secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    return _of(GcpAccount.parse(secret), exports.connection((), ExportSettings.read(settings)))


def probe(link: ProviderLink, secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    asked = ExportSettings.read(settings)
    account = GcpAccount.parse(secret)
    found = exports.discover(client.tables(link, client.token(link, account)), asked, account.project_id, account.client_email)
    return _of(account, exports.connection(found, asked))


def _of(account: GcpAccount, facts: Mapping[str, Any]) -> CredentialVerdict:
    return CredentialVerdict(valid=True, subject=account.client_email, facts=facts, secret=account.secret, fingerprint=account.fingerprint)
