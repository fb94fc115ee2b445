from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Router:
    """Hands /{name}/... to the app of that name, mounted there as ASGI has it: `root_path` says where.

    `whole` are apps that know the name as a part of their own paths.
    """

    def __init__(self, apps: Mapping[str, ASGIApp], whole: Mapping[str, ASGIApp]) -> None:
        self._apps = dict(apps)
        self._whole = dict(whole)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        name = scope["path"].removeprefix("/").partition("/")[0]
        if name in self._whole:
            await self._whole[name](scope, receive, send)
            return
        app = self._apps.get(name)
        if app is None:
            known = ", ".join(sorted(self._apps))
            app = JSONResponse({"error": f"the sandbox knows no provider {name!r}; it has {known}"}, status_code=404)
            await app(scope, receive, send)
            return
        await app({**scope, "root_path": f"{scope.get('root_path', '')}/{name}"}, receive, send)
