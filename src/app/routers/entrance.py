"""Where to go from the address alone."""

from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from src.app.answers.tables import form_of
from src.app.dependencies.auth import access, parts_of
from src.app.models.entrance import EntranceAnswer
from src.app.process.codes import REFERENCE

router = APIRouter(tags=["health"])

LINKS: Final = {"health": "/health", "ready": "/health/ready", "metrics": "/metrics", "problems": REFERENCE}
DOCS: Final = {"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json"}
WORDS: Final = {
    "docs": "every call, to be tried out",
    "redoc": "every call, to be read",
    "openapi": "the OpenAPI document, for generators of clients",
    "health": "whether the service answers",
    "ready": "whether it can serve, and what keeps it from it",
    "metrics": "its numbers, for Prometheus",
    "problems": "what each problem means, and what to do",
}
PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>{description} Version {version}.</p>
<ul>
{links}
</ul>
</body>
</html>
"""
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
# a page for people where a browser asks, what programs read where they do
VARY: Final = {"Vary": "Accept", "Cache-Control": "no-cache"}


@router.head("/", include_in_schema=False)
@router.get("/", summary="Where to go", response_model=EntranceAnswer, responses=RESPONSES, **access("anyone"))
async def entrance(request: Request) -> Response:
    links = {**(DOCS if parts_of(request).settings.enable_api_docs else dict.fromkeys(DOCS)), **LINKS}
    app = request.app
    if form_of(request, ("json", "html"), None) == "json":
        return JSONResponse({"name": app.title, "version": app.version, **links}, headers=VARY)
    return HTMLResponse(_page(app.title, app.description, app.version, links), headers=VARY)


def _page(title: str, description: str, version: str, links: dict[str, str | None]) -> str:
    # relative, so that they work below a proxy's prefix too
    shown = [f'<li><a href="{at[1:]}">{name}</a>: {WORDS[name]}</li>' for name, at in links.items() if at]
    return PAGE.format(title=escape(title), description=escape(description), version=escape(version), links="\n".join(shown))
