from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from src.core.base.schema import Field, TableSchema

LINES = TableSchema(
    name="lines",
    fields=(
        Field("day", "DATE"),
        Field("month", "STRING"),
        Field("service", "STRUCT", fields=(Field("id", "STRING"), Field("rank", "INT64"))),
        Field("cost", "NUMERIC"),
        Field("credits", "NUMERIC"),
        Field("net", "NUMERIC"),
        Field("rows", "INT64"),
        Field("seen", "TIMESTAMP"),
        Field("tags", "STRING", "REPEATED"),
        Field("paid", "BOOL"),
    ),
)
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
DAYS = [date(2026, 11, 1) + timedelta(days=offset) for offset in range(4)]


def maybe(*values: object):
    return st.sampled_from([None, *values])


AMOUNTS = maybe(*map(Decimal, ("0", "0.000000001", "1", "-1", "0.5", "99999999999999999999.999999999", "-0.3")))
ROWS = st.fixed_dictionaries(
    {
        "day": maybe(*DAYS),
        "month": maybe("202611", "202612", "2026-11", "", "Ärger", "202611\n2"),
        "service": maybe(*({"id": text, "rank": rank} for text in (None, "compute", "disk") for rank in (None, 1))),
        "cost": AMOUNTS,
        "credits": AMOUNTS,
        "net": AMOUNTS,
        "rows": maybe(0, 1, 2, -(2**63), 2**63 - 1),
        "seen": maybe(*(datetime(2026, 11, day, 12, tzinfo=UTC) for day in (1, 20, 21))),
        "paid": st.sampled_from([None, True, False]),
    }
)
TABLES = st.lists(ROWS, max_size=9)
