from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Router:
    """Hands /{name}/... to the app of that name, mounted there as ASGI has it: `root_path` says where."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = dict(apps)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        name = scope["path"].removeprefix("/").partition("/")[0]
        app = self._apps.get(name)
        if app is None:
            known = ", ".join(sorted(self._apps))
            app = JSONResponse({"error": f"the sandbox knows no provider {name!r}; it has {known}"}, status_code=404)
            await app(scope, receive, send)
            return
        await app({**scope, "root_path": f"{scope.get('root_path', '')}/{name}"}, receive, send)
