"""Swagger UI and ReDoc from the assets of the locked package `fastapi_offline`; nothing is fetched from anywhere else."""

import base64
import hashlib
from functools import partial
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response

from src.core.base.faults import Misconfigured, Missing
from src.core.base.settings import Settings

PACKAGE: Final = "fastapi_offline"
KEPT: Final = {"Cache-Control": "public, max-age=86400"}
FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}
# ReDoc shows its maker's logo from its maker's server; an empty picture stands in for it.
OUTSIDE_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
EMPTY_PICTURE: Final = b"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"

# Addresses are relative, so that the pages work below a proxy's prefix too.
# Without `validatorUrl: null` Swagger UI sends the document's address to a server outside.
SWAGGER_START: Final = """
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#docs", layout: "BaseLayout", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
});
"""
REDOC_START: Final = """
Redoc.init("openapi.json", {disableSearch: false}, document.getElementById("docs"));
"""
PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/assets/favicon.png">
{style}<style>body {{ margin: 0 }}</style>
</head>
<body>
<div id="docs"></div>
<noscript>This page needs JavaScript; the document itself is at <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/assets/{script}"></script>
<script>{start}</script>
</body>
</html>
"""


def install(app: FastAPI, settings: Settings) -> None:
    if not settings.enable_api_docs:
        return
    # looked for at the start: assets that lack would else be noticed first by whoever opens the page
    folder = assets_folder()
    style = '<link rel="stylesheet" href="docs/assets/swagger-ui.css">\n'
    swagger = _page(f"{app.title}: API", style, "swagger-ui-bundle.js", SWAGGER_START)
    redoc = _page(f"{app.title}: API reference", "", "redoc.standalone.js", REDOC_START)
    app.add_api_route("/docs", partial(_shown, swagger, SWAGGER_START), include_in_schema=False, name="swagger")
    app.add_api_route("/redoc", partial(_shown, redoc, REDOC_START), include_in_schema=False, name="redoc")

    def asset(name: str) -> Response:
        return _asset(folder, name)

    app.add_api_route("/docs/assets/{name}", asset, include_in_schema=False)


def assets_folder() -> Path:
    # Found, not imported: importing the package would cost the start what FastAPI's own docs cost.
    spec = find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "static" if spec and spec.origin else None
    if folder is None or not all((folder / name).is_file() for name in FILES):
        raise Misconfigured(
            f"the package {PACKAGE} with the assets of /docs is not installed; run `pip install -r requirements.txt --no-deps`"
        )
    return folder


def _page(title: str, style: str, script: str, start: str) -> str:
    return PAGE.format(title=escape(title), style=style, script=script, start=start)


async def _shown(page: str, start: str) -> HTMLResponse:
    return HTMLResponse(page, headers={"Content-Security-Policy": _policy(start), "Cache-Control": "no-cache"})


def _policy(start: str) -> str:
    """Exactly what the pages need: their own files, this one inline script, and the styles both viewers write at run time."""
    inline = base64.b64encode(hashlib.sha256(start.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{inline}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _asset(folder: Path, name: str) -> Response:
    # only names of this list ever become a path, so none climbs out of the folder
    if name not in FILES:
        raise Missing(f"there is no asset {name!r}")
    if name == "redoc.standalone.js":
        return Response((folder / name).read_bytes().replace(OUTSIDE_LOGO, EMPTY_PICTURE), media_type=FILES[name], headers=KEPT)
    return FileResponse(folder / name, media_type=FILES[name], headers=KEPT)
