"""Tells what somebody took for an admin key, so that a refusal can name the right kind."""

import re
from collections.abc import Mapping

KEY = re.compile(r"sk-ant-[a-z0-9]+-[A-Za-z0-9_-]{16,500}")
ADMIN, INFERENCE = "sk-ant-admin", "sk-ant-api03-"
WHERE = "platform.claude.com > Settings > Admin keys"
# its beginning in one word would be taken for a key, and struck out wherever it is written down
WANTED = (
    "needed is an admin key, which begins with sk-ant- and goes on with admin: a member with the admin role makes one at "
    f"{WHERE}; send its text alone as `credential`"
)
# the first that begins it is told
BY_BEGINNING: Mapping[str, str] = {
    "{": "this is a JSON object; of what it holds the key alone is wanted, as a text",
    "[": "this is a JSON list; the key alone is wanted, as a text",
    '"': "there are quotation marks around it",
    "'": "there are quotation marks around it",
    "bearer ": "the word Bearer stands before it",
    ADMIN: "this admin key is cut short, or something else was copied along with it",
    INFERENCE: "this is an ordinary key, which calls models for one workspace and reads no usage",
    "sk-ant-oat": "this is the token of a person's Claude Code, which reads no usage",
    "sk-ant-": "this key reads the analytics of a Claude Enterprise organisation alone; for that say settings.api: analytics",
    "sk-": "this is a key of OpenAI or of DeepSeek, which are set up as providers of their own",
    "wrkspc_": "this is the id of a workspace, not a key",
    "apikey_": "this is the id of a key, not the key",
}


def kind_flaw(text: str, *, analytics: bool = False) -> str | None:
    """Why this cannot be an admin key, without a word of what it says; None when it may be one."""
    found = _flaw(text, analytics)
    return None if found is None else f"{found}; {WANTED}"


def _flaw(text: str, analytics: bool) -> str | None:
    key = text.strip()
    if not key:
        return "the credential is empty"
    known = next((meaning for beginning, meaning in BY_BEGINNING.items() if key.lower().startswith(beginning)), None)
    reads = key.startswith(ADMIN) or (analytics and not key.startswith((INFERENCE, "sk-ant-oat")))
    if not KEY.fullmatch(key) or not reads:
        return known or "this is no key of Anthropic"
    return None if key == text else "there is white space or a line end around the key"
