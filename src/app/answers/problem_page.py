"""Where the `type` of a problem leads: what each code means, and what to do."""

import re
from html import escape
from typing import Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from src.app.process.codes import REFERENCE, Code, every_code

KEPT: Final = {"Cache-Control": "public, max-age=3600"}
PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}: problems</title></head>
<body>
<h1>Problems</h1>
<p>What went wrong stands in <code>detail</code> of the answer, and in <code>errors</code> field by field.</p>
<dl>
{codes}
</dl>
</body>
</html>
"""
ENTRY: Final = '<dt id="{name}"><code>{name}</code>: {status} {title}</dt>\n<dd>{mend}</dd>'


def install(app: FastAPI) -> None:
    page = PAGE.format(title=escape(app.title), codes="\n".join(map(_entry, every_code())))

    async def problems() -> HTMLResponse:
        return HTMLResponse(page, headers=KEPT)

    app.add_api_route(REFERENCE, problems, include_in_schema=False)


def _entry(code: Code) -> str:
    mend = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(code.mend, quote=False))
    return ENTRY.format(name=code.name, status=code.status, title=escape(code.title), mend=mend)
