"""Exports as DeepSeek's console makes them, in every form that has been seen."""

import io
import zipfile
from collections.abc import Iterable, Mapping

AMOUNT = "user_id,utc_date,model,api_key_name,api_key,type,price,amount"
COST = "user_id,utc_date,model,wallet_type,cost,currency"
USER, KEY = "u-demo", "etl,sk-1a***9z"


def table(header: str, rows: Iterable[str], *, end: str = "\n") -> bytes:
    return end.join([header, *rows, ""]).encode()


def amounts(*rows: str) -> bytes:
    """Each as day, model, type, price, amount."""
    return table(AMOUNT, (_amount(row) for row in rows))


def costs(*rows: str) -> bytes:
    """Each as day, model, wallet, cost, currency."""
    return table(COST, (f"{USER},{row}" for row in rows))


def packed(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def month(name: str, amount: bytes, cost: bytes) -> bytes:
    return packed({f"amount-{name}.csv": amount, f"cost-{name}.csv": cost})


def _amount(row: str) -> str:
    day, model, *rest = row.split(",")
    return ",".join([USER, day, model, KEY, *rest])
