from fastapi import Request


async def left(request: Request) -> None:
    """Returns when the caller has left; for a request whose body was read."""
    # the server tells that a caller left to nobody but who receives
    while (await request.receive())["type"] != "http.disconnect":
        pass
