"""A key in the wrong place of a request stands in no answer, no line of the log and no file."""

from pathlib import Path

import pytest

from src.app.process.logs import configure_logs
from tests.app.running_parts import House

KEY = "acme_corp_api_" + "Zz9Y" * 4
RUN = "/api/v1/pipelines/run/acme_corp/fake/cost"


async def test_a_key_by_mistake_is_written_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house = House.build(tmp_path, log_level="info", log_format="json")
    house.organisation("acme_corp")
    house.dataset("acme_corp")
    configure_logs(house.parts.settings)
    async with house.client() as caller:
        answers = [
            await caller.post(RUN, headers={"Idempotency-Key": KEY}),
            # of another day than the first: the same work would be answered with the same run, and write none
            await caller.post(RUN, json={"date": "2026-01-02"}, headers={"X-Request-ID": KEY, "X-User-ID": KEY}),
            await caller.post(RUN, json={KEY: 1}),
            await caller.post(RUN, json={"region": KEY}),
            await caller.post(RUN, json={"date": KEY}),
            await caller.post(f"/api/v1/pipelines/run/{KEY}/fake/cost"),
            await caller.post(f"/api/v1/pipelines/run/acme_corp/fake/{KEY}"),
            await caller.get(f"/api/v1/pipelines/runs/acme_corp/{KEY}"),
            await caller.get(f"/api/v1/pipelines/runs/acme_corp?{KEY}=1"),
            await caller.get(f"/api/v1/pipelines/runs/acme_corp?status={KEY}"),
            await caller.delete(f"/api/v1/organizations/acme_corp/keys/{KEY}"),
            await caller.get(f"/api/v1/costs/acme_corp/tables/{KEY}?format=csv"),
            await caller.put(f"/api/v1/{KEY}"),
            *[await caller.get(f"/api/v1/costs/acme_corp/daily?{name}={KEY}") for name in ("month", "group_by", "provider", "from", KEY)],
            await caller.get(f"/api/v1/costs/acme_corp/models?group_by={KEY}"),
            await caller.get(f"/api/v1/integrations/acme_corp/{KEY}"),
            await caller.put("/api/v1/organizations/acme_corp/subscription", json={"plan": KEY}),
        ]
    assert {answer.status_code for answer in answers} <= {202, 401, 404, 422}
    assert not [str(answer.url.path) for answer in answers if "Zz9Y" in answer.text or "ZZ9Y" in answer.text or KEY in str(answer.headers)]
    written = capsys.readouterr().err
    assert written.count("http.request") == len(answers)
    assert KEY not in written
    house.parts.close()
    files = [path for path in house.parts.settings.data_dir.rglob("*") if path.is_file()]
    assert files
    assert not [path.name for path in files if KEY.encode() in path.read_bytes()]


async def test_a_key_as_idempotency_key_still_names_its_request(house: House) -> None:
    named = {"Idempotency-Key": KEY}
    first = await house.ask("acme_corp", None, **named)
    again = await house.ask("acme_corp", None, **named)
    other = await house.ask("acme_corp", {"date": "2026-01-01"}, **named)
    assert (again.json()["pipeline_logging_id"], again.json()["reused"]) == (first.json()["pipeline_logging_id"], True)
    assert other.status_code == 409
