from pydantic import Field

from src.app.models.organizations import Answer


class EntranceAnswer(Answer):
    name: str = Field(description="What this service is called")
    version: str = Field(description="Version of this release")
    docs: str | None = Field(description="Every call, to be tried out; null where ENABLE_API_DOCS is off")
    redoc: str | None = Field(description="Every call, to be read; null where ENABLE_API_DOCS is off")
    openapi: str | None = Field(description="The OpenAPI document; null where ENABLE_API_DOCS is off")
    health: str = Field(description="Whether the service answers")
    ready: str = Field(description="Whether it can serve, and what keeps it from it")
    metrics: str = Field(description="Its numbers, for Prometheus")
    problems: str = Field(description="What each problem means, and what to do")
