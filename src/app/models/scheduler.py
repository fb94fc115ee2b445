from datetime import datetime
from typing import Literal

from pydantic import Field

from src.app.models.organizations import Answer


class QueueAnswer(Answer):
    worker: Literal["here", "elsewhere"] = Field(description="Whether this process works on runs itself, or workers of their own do")
    queued: int = Field(description="Runs that waited when the call came")
    running: int
    dead: int = Field(description="Entries that were taken over too often; each names its reason")
    oldest_queued_at: datetime | None
    running_here: list[str] = Field(description="The runs in this process's hands")
