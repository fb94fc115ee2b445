from datetime import date

from pydantic import Field

from src.app.models.organizations import Answer, Request


class UsedSinceRequest(Request):
    """Of earlier days nothing is expected of the provider, until rows of one are loaded."""

    since: date | None = Field(description="The first day on which the provider was used, UTC; null takes back what was told")


class UsedSinceAnswer(Answer):
    org_slug: str
    provider: str
    used_since: date | None = Field(
        description="As it was told; null where nobody has, and days that were never asked for lack the provider"
    )
