import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import fingerprint
from src.core.base.secret import Secret
from src.core.providers import packages
from src.core.providers.deepseek import client
from src.core.providers.deepseek.refusals import WHERE
from src.core.providers.link import ProviderLink
from src.core.providers.packages import CredentialVerdict

KINDS = "an API key of DeepSeek"
KEY = re.compile(r"sk-[A-Za-z0-9]{16,200}")
WANTED = f"needed is an API key of DeepSeek, sk- and letters and digits: {WHERE} makes one; send its text alone as `credential`"
# the first that begins it is told
BY_BEGINNING: Mapping[str, str] = {
    "{": "this is a JSON object; of what it holds the key alone is wanted, as a text",
    '"': "there are quotation marks around it",
    "'": "there are quotation marks around it",
    "bearer ": "the word Bearer stands before it",
    "sk-ant-": "this is a key of Anthropic, which is set up as the provider anthropic",
    "sk-admin-": "this is a key of OpenAI, which is set up as the provider openai",
    "sk-proj-": "this is a key of OpenAI, which is set up as the provider openai",
    "sk-svcacct-": "this is a key of OpenAI, which is set up as the provider openai",
    "sk-": "this key is cut short, or something else was copied along with it",
}


class Connection(packages.ShownConnection):
    currencies: tuple[str, ...] = Field(default=(), description="In which the account has a balance; empty where DeepSeek was not asked")


def recognise(secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:  # noqa: ARG001 - it takes no settings
    flaw = _flaw(secret.reveal())
    if flaw is not None:
        raise Rejected(f"{flaw}; {WANTED}", flaws=[Flaw("is no API key of DeepSeek", "credential")])
    return CredentialVerdict(valid=True, facts={"currencies": []}, secret=secret, fingerprint=fingerprint(secret.reveal()))


def probe(link: ProviderLink, secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    """DeepSeek names no account, so its subject stays unknown."""
    known = recognise(secret, settings)
    currencies = [one.currency for one in client.balance(link, secret)]
    return CredentialVerdict(valid=True, facts={"currencies": currencies}, secret=secret, fingerprint=known.fingerprint)


def _flaw(text: str) -> str | None:
    """Why this cannot be a key, without a word of what it says."""
    key = text.strip()
    if not key:
        return "the credential is empty"
    if not KEY.fullmatch(key):
        return next(
            (meaning for beginning, meaning in BY_BEGINNING.items() if key.lower().startswith(beginning)), "this is no key of DeepSeek"
        )
    return None if key == text else "there is white space or a line end around the key"
