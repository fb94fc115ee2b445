"""`./convergence quotas check`."""

import pytest

from src.cli.quotas import check_quotas
from src.core.base.faults import Misconfigured
from tests.app.running_parts import House


async def test_it_says_where_usage_is_not_what_the_runs_say_and_mends_it_when_told(house: House):
    await house.accepted("acme_corp", start_date="2026-01-01", end_date="2026-01-31")
    house.organisation("other_corp")
    with house.parts.ledger.writing() as unit:
        table = unit.tables["org_usage_quotas"]
        unit.change(table.update().where(table.c.org_slug == "acme_corp").values(pipelines_run_today=4))

    said: list[str] = []
    assert not check_quotas(house.parts, said.append, mend=False)
    assert said == [
        "acme_corp: 4 runs counted on 2026-11-21, and there are 1",
        "2 organisations: 1 disagree with their runs, 1 left as they are",
    ]
    said.clear()
    assert check_quotas(house.parts, said.append, mend=True)
    assert said[0].endswith(": mended")
    assert (await house.found("/api/v1/organizations/acme_corp/quota"))["day"]["used"] == 1
    assert check_quotas(house.parts, said.append, mend=False)


async def test_before_the_bootstrap_there_is_nothing_to_check(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(house.parts.ledger), "missing", lambda _: ("org_usage_quotas",))

    with pytest.raises(Misconfigured, match="bootstrap"):
        check_quotas(house.parts, print, mend=False)
