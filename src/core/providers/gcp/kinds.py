"""Tells what somebody took for a service-account key, so that a refusal can name the right kind."""

import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping

WANTED = (
    "needed is the JSON key of a service account: in the Google Cloud console, IAM & Admin > Service Accounts > Keys > Add key > JSON; "
    "send the whole file as `credential`"
)
LONGEST = 20_000
BY_TYPE: Mapping[str, str] = {
    "authorized_user": "these are a person's own credentials, as `gcloud auth application-default login` stores them",
    "external_account": "this is a workload identity federation file, which holds no key and works only where it was made",
    "external_account_authorized_user": "this is a workforce identity file of a person",
    "impersonated_service_account": "this file impersonates a service account with a person's credentials",
    "gdch_service_account": "this is an account of Google Distributed Cloud, not of Google Cloud",
}
# the first that fits is told: a private key is a PEM text too
BY_SHAPE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "this is a private key alone, without the account it belongs to"),
    (re.compile(r"-----BEGIN "), "this is a certificate or another PEM text"),
    (re.compile(r"AIza[\w-]{20,}"), "this is a Google API key, which opens no billing data"),
    (re.compile(r"ya29\."), "this is an access token, which ends within the hour"),
    (re.compile(r"GOCSPX-"), "this is the secret of an OAuth client"),
    (re.compile(r"1//0"), "this is a refresh token of a person"),
    (re.compile(r"(sk|rk|pk)-"), "this is an API key of a model provider"),
    (re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,}"), "this is an access key of AWS"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\."), "this is a signed token (JWT), which ends soon"),
    (re.compile(r"(~|\.{0,2}/|[A-Za-z]:\\)[^\n{}]*\.(json|p12|pem)$"), "this is the name of a file, not what is in it"),
)


def kind_flaw(text: str) -> str | None:
    """Why this cannot be a service-account key, without a word of what it says; None when it may be one."""
    found = _flaw(text.strip())
    return None if found is None else f"{found}; {WANTED}"


def _flaw(text: str) -> str | None:
    if not text:
        return "the credential is empty"
    if len(text) > LONGEST:
        return f"the credential is longer than {LONGEST} characters"
    for shape, meaning in BY_SHAPE:
        if shape.match(text):
            return meaning
    try:
        found = json.loads(text)
    except json.JSONDecodeError as wrong:
        return _broken(text, wrong)
    except (ValueError, RecursionError):
        return "this is JSON with a number too long or nested too deeply"
    return _kind(found)


def _broken(text: str, wrong: json.JSONDecodeError) -> str:
    if _is_packed_json(text):
        return "this is the file in base64; send its text as it is"
    if wrong.msg.startswith("Invalid control character"):
        return (
            f"this is broken JSON: a text goes over the end of line {wrong.lineno}. In the file the line ends of private_key are "
            "written \\n; a shell that turned them into real line ends broke it"
        )
    return f"this is not JSON (line {wrong.lineno}, column {wrong.colno})"


def _kind(found: object) -> str | None:
    if not isinstance(found, dict):
        return "this is a JSON text inside a text; it was encoded twice" if isinstance(found, str) else "this is JSON, but no object"
    if "installed" in found or "web" in found:
        return "this is an OAuth client, which lets people sign in and reads nothing by itself"
    kind = found.get("type")
    if kind == "service_account":
        return None
    if isinstance(kind, str) and kind in BY_TYPE:
        return BY_TYPE[kind]
    if "private_key" in found and "client_email" in found:
        return 'the field "type" must say "service_account"'
    return "this is JSON of another kind than a service-account key"


def _is_packed_json(text: str) -> bool:
    try:
        return b64decode("".join(text.split()), validate=True).lstrip().startswith(b"{")
    except (NotBase64, ValueError):
        return False
