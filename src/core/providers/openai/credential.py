import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import fingerprint
from src.core.base.secret import Secret
from src.core.providers import packages
from src.core.providers.link import ProviderLink
from src.core.providers.openai import client
from src.core.providers.openai.kinds import kind_flaw
from src.core.providers.packages import CredentialVerdict

KINDS = "an admin key of OpenAI that may read usage"
NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Connection(packages.ShownConnection):
    organization: str | None = Field(default=None, description="Of OpenAI, as it names itself in its answers; null where it does not")


def recognise(secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:  # noqa: ARG001 - it takes no settings
    flaw = kind_flaw(secret.reveal())
    if flaw is not None:
        raise Rejected(flaw, flaws=[Flaw("is not an admin key of OpenAI", "credential")])
    return CredentialVerdict(valid=True, facts={"organization": None}, secret=secret, fingerprint=fingerprint(secret.reveal()))


def probe(link: ProviderLink, secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    known = recognise(secret, settings)
    said = client.organization(link, secret)
    named = said if said and NAME.fullmatch(said) else None
    return replace(known, subject=named, facts={"organization": named})
