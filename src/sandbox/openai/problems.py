"""How OpenAI says no."""

from collections.abc import Mapping, Sequence
from typing import Any

INVALID, SERVER, RATE = "invalid_request_error", "server_error", "rate_limit_error"
NOT_YOURS = (
    "You have insufficient permissions for this operation. Missing scopes: {scope}. Check that you have the correct role in your "
    "organization (Reader, Writer, Owner) and project (Member, Owner), and if you're using a restricted API key, that it has the "
    "necessary scopes."
)
NO_KEY = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth."
WRONG_KEY = "Incorrect API key provided: {masked}. You can find your API key at https://platform.openai.com/account/api-keys."
SHOWN_FIRST, SHOWN_LAST = 8, 4


class OpenaiProblem(Exception):
    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def bad(message: str, param: str | None = None, code: str | None = None) -> OpenaiProblem:
    return OpenaiProblem(400, message, param=param, code=code)


def unsupported(value: str, param: str, supported: Sequence[str]) -> OpenaiProblem:
    known = ", ".join(f"'{one}'" for one in supported)
    return bad(f"Invalid value: '{value[:60]}'. Supported values are: {known}.", param, "invalid_value")


def wrong_key(text: str) -> OpenaiProblem:
    # it shows the ends of what it was sent, which is why nobody should hand these words on
    masked = f"{text[:SHOWN_FIRST]}{'*' * 12}{text[-SHOWN_LAST:]}" if len(text) > SHOWN_FIRST + SHOWN_LAST else "*" * len(text)
    return OpenaiProblem(401, WRONG_KEY.format(masked=masked), code="invalid_api_key")


def wrong_method(method: str, path: str) -> OpenaiProblem:
    return OpenaiProblem(405, f"Not allowed to {method} on {path} (HINT: Perhaps you meant to use a different HTTP method?)")


def lacking(scope: str, status: int) -> OpenaiProblem:
    return OpenaiProblem(status, NOT_YOURS.format(scope=scope))
