from fastapi import HTTPException
from starlette.types import Message, Receive

from src.app.edge.problems import Problem
from src.app.process.codes import code_of
from src.core.base.faults import TooLarge


def too_large(limit: int) -> Problem:
    return Problem(
        code_of(TooLarge),
        _sentence(limit),
        facts={"limit_bytes": limit},
        # The rest of the body is not going to be read.
        headers={"Connection": "close"},
    )


def counted(receive: Receive, limit: int) -> Receive:
    """Stops a body of unannounced length at the limit, before it is held in memory."""
    read = 0

    async def receive_counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            # FastAPI turns every other exception met while reading a body into a 400.
            raise HTTPException(TooLarge.status, _sentence(limit), headers={"Connection": "close"})
        return message

    return receive_counted


def _sentence(limit: int) -> str:
    return f"the body is larger than {limit} bytes, the most this service takes (MAX_BODY_BYTES); send less"
