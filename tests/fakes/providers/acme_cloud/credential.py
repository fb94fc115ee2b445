from collections.abc import Mapping
from typing import Any

from src.core.base.secret import Secret
from src.core.providers import packages
from src.core.providers.link import ProviderLink
from src.core.providers.packages import CredentialVerdict

KINDS = "an admin key of Acme"


class Connection(packages.ShownConnection):
    workspace: str | None = None
    seats: int = 0


def probe(link: ProviderLink, secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    return CredentialVerdict(valid=True, subject=link.provider, facts={"workspace": settings.get("workspace"), "seats": 7}, secret=secret)


def recognise(secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    return CredentialVerdict(valid=True, facts={"workspace": settings.get("workspace")}, secret=secret)
