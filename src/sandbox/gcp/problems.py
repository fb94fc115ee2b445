"""Google's errors: what is wrong, in its own shape and words."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GoogleProblem:
    """Google's error envelope."""

    code: int
    status: str
    reason: str
    message: str
    domain: str = "global"

    @property
    def body(self) -> Json:
        error = {"message": self.message, "domain": self.domain, "reason": self.reason}
        if self.reason == "authError":
            error |= {"location": "Authorization", "locationType": "header"}
        return {"error": {"code": self.code, "message": self.message, "errors": [error], "status": self.status}}


class Failed(Exception):
    def __init__(self, problem: GoogleProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


UNAUTHENTICATED = GoogleProblem(
    401,
    "UNAUTHENTICATED",
    "authError",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
)
NARROW_SCOPE = GoogleProblem(403, "PERMISSION_DENIED", "insufficientPermissions", "Request had insufficient authentication scopes.")
RATE_LIMIT = GoogleProblem(
    403,
    "PERMISSION_DENIED",
    "rateLimitExceeded",
    "Exceeded rate limits: too many api requests per user per method for this user_method.",
    "usageLimits",
)
UNAVAILABLE = GoogleProblem(503, "UNAVAILABLE", "backendError", "Visibility check was unavailable. Please retry the request.")
