from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from src.core.base.faults import Flaw, Rejected, first_flaws
from src.core.base.names import fingerprint
from src.core.base.secret import Secret
from src.core.base.wording import unknown, words
from src.core.providers import packages
from src.core.providers.anthropic import client
from src.core.providers.anthropic.kinds import kind_flaw
from src.core.providers.anthropic.reports import Api
from src.core.providers.link import ProviderLink
from src.core.providers.packages import CredentialVerdict

KINDS = "an admin key of Anthropic"
OrganizationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


class AnthropicSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api: Api | None = None
    children: tuple[OrganizationId, ...] = Field(default=(), max_length=200)


class Connection(packages.ShownConnection):
    organization: str | None = Field(default=None, description="Its id at Anthropic; null where the key is not told it")
    name: str | None = None
    api: Api | None = Field(default=None, description="Which reports are read; null until Anthropic was asked")
    children: tuple[str, ...] = Field(default=(), description="Organisations under this one that must stand in its reports")


def recognise(secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    asked = _settings(settings)
    flaw = kind_flaw(secret.reveal(), analytics=asked.api == "analytics")
    if flaw is not None:
        raise Rejected(flaw, flaws=[Flaw("is not an admin key of Anthropic", "credential")])
    given = asked.model_dump(mode="json", exclude_defaults=True)
    facts = {"organization": None, "name": None, "api": asked.api, "children": list(asked.children), "settings": given}
    return CredentialVerdict(valid=True, facts=facts, secret=secret, fingerprint=fingerprint(secret.reveal()))


def probe(link: ProviderLink, secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    known = recognise(secret, settings)
    found = client.account(link, secret, _settings(settings).api)
    return replace(known, subject=found.id, facts={**known.facts, "organization": found.id, "name": found.name, "api": found.api})


def _settings(given: Mapping[str, Any]) -> AnthropicSettings:
    try:
        return AnthropicSettings.model_validate(dict(given or {}))
    except ValidationError as wrong:
        flaws, left_out = first_flaws(wrong.errors(include_input=False, include_url=False), _flaw)
        raise Rejected(f"the settings do not fit: {flaws[0]}", flaws=flaws, left_out=left_out) from None


def _flaw(error: Mapping[str, Any]) -> Flaw:
    at = error["loc"]
    said = unknown(str(at[0]), AnthropicSettings.model_fields) if error["type"] == "extra_forbidden" else words(error)
    return Flaw(said, ".".join(["settings", *(str(part) for part in at)])[:100])
