"""A month's statement as a page to print."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, StrictUndefined

from src.app.answers.statement import statement_shown
from src.core.base.documents import read_text
from src.core.base.identity import Tenant
from src.core.costs.amounts import CENTS, EXACT, cents
from src.core.costs.statement import MonthStatement, percent

PAGE: Final = "costs/statement.html"
ROWS_SHOWN: Final = 200
# nothing is loaded, nothing runs: the page is its text and its style
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def statement_page(configs: Path, tenant: Tenant, found: MonthStatement, titles: Mapping[str, str]) -> Response:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cents": _cents, "signed": _signed, "share": _share}
    page = environment.from_string(read_text(configs / PAGE, f"configs/{PAGE}"))
    shown: dict[str, Any] = statement_shown(tenant, found)
    left = max(0, len(shown["rows"]) - ROWS_SHOWN) + shown["rows_left_off"]
    text = page.render(
        shown,
        title=f"{found.month:%B %Y}",
        titles=titles,
        shown_rows=shown["rows"][:ROWS_SHOWN],
        left_off=left,
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": POLICY, "Vary": "Accept"})


def _cents(amount: str | None) -> str:
    """To the cent for the eye; the answer as JSON has every digit."""
    return "-" if amount is None else cents(Decimal(amount))


def _signed(amount: str | None) -> str:
    return "-" if amount is None else f"{Decimal(amount).quantize(CENTS, context=EXACT):+,}"


def _share(share: str | None) -> str:
    return "-" if share is None else percent(Decimal(share))
