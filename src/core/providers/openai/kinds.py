"""Tells what somebody took for an admin key, so that a refusal can name the right kind."""

import re
from collections.abc import Mapping

ADMIN = re.compile(r"sk-admin-[A-Za-z0-9_-]{16,500}")
SCOPE = "api.usage.read"
WHERE = "platform.openai.com > Settings > Organization > Admin keys"
WANTED = (
    f"needed is an admin key, which begins with sk-admin-, with the permission to read usage ({SCOPE}): an owner of the organisation "
    f"makes one at {WHERE}; send its text alone as `credential`"
)
OF_A_PROJECT = "which calls models for one project and reads no usage"
# the first that begins it is told
BY_BEGINNING: Mapping[str, str] = {
    "{": "this is a JSON object; of what it holds the key alone is wanted, as a text",
    "[": "this is a JSON list; the key alone is wanted, as a text",
    '"': "there are quotation marks around it",
    "'": "there are quotation marks around it",
    "bearer ": "the word Bearer stands before it",
    "sk-proj-": f"this is a project key, {OF_A_PROJECT}",
    "sk-svcacct-": f"this is the key of a service account, {OF_A_PROJECT}",
    "sk-ant-": "this is a key of Anthropic, which is set up as the provider anthropic",
    "sk-admin-": "this admin key is cut short, or something else was copied along with it",
    "sk-": "this is a person's key or one of a ChatGPT workspace, and neither reads the usage of an API organisation",
    "sess-": "this is the session of a browser, which ends soon",
    "eyj": "this is a signed token (JWT), which ends soon",
    "org-": "this is the id of an organisation, not a key",
    "proj_": "this is the id of a project, not a key",
}


def kind_flaw(text: str) -> str | None:
    """Why this cannot be an admin key, without a word of what it says; None when it may be one."""
    found = _flaw(text)
    return None if found is None else f"{found}; {WANTED}"


def _flaw(text: str) -> str | None:
    key = text.strip()
    if not key:
        return "the credential is empty"
    if not ADMIN.fullmatch(key):
        known = (meaning for beginning, meaning in BY_BEGINNING.items() if key.lower().startswith(beginning))
        return next(known, "this is no key of OpenAI")
    return None if key == text else "there is white space or a line end around the key"
