import pytest

from tests.contract.gaps import GAPS, gap_of


def pytest_collection_modifyitems(items):
    for item in items:
        reason = gap_of(item.nodeid)
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_terminal_summary(terminalreporter):
    if GAPS and terminalreporter.verbosity >= 0:
        terminalreporter.section("declared gaps")
        for (engine, part), reason in GAPS.items():
            terminalreporter.line(f"{engine}: {part}: {reason}")
