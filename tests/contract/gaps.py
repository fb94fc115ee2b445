"""What an engine cannot show under its contract, and why. A gap that closes turns the run red: it is to be taken out here."""

# (engine, part of the test's name): reason
GAPS: dict[tuple[str, str], str] = {}


def gap_of(name: str) -> str | None:
    """Of a test by its whole name, as in `test_orgs.py::test_erased[bigquery]`."""
    for (engine, part), reason in GAPS.items():
        if part in name and f"[{engine}" in name:
            return reason
    return None
