"""How Anthropic says no."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

KINDS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class AnthropicProblem(Exception):
    def __init__(self, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"request-id": f"req_01{token_hex(11)}", **(headers or {})}
        error: dict[str, Any] = {"type": KINDS[status], "message": message, **({"details": {"error_code": code}} if code else {})}
        self.body: dict[str, Any] = {"type": "error", "error": error, "request_id": self.headers["request-id"]}


def bad(message: str) -> AnthropicProblem:
    return AnthropicProblem(400, message)
