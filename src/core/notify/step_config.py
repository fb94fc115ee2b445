from pydantic import Field

from src.core.base.documents import Document


class NotifyStep(Document):
    """The config of a step, or of a hook, that sends a message by itself."""

    channel: str = Field(min_length=1, max_length=64)
    """Of the organisation, by its name."""
    required: bool = False
    """Whether a message that is not delivered at once fails the step."""
