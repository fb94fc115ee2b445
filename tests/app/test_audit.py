"""The audit trail as it is read."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from src.app.models.audit import ACTIONS
from src.core.base.identity import Actor
from src.core.base.names import OrgSlug
from src.core.ledger.tables import audit
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.fakes.running import ROOT_KEY

ALL = "/api/v1/admin/audit"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWN = "/api/v1/organizations/acme_corp/audit"


@pytest.fixture
def told(house: House) -> House:
    house.organisation("other_corp")
    note(house, 1, "keys.rotate", "acme_corp", Actor("root"))
    note(house, 2, "keys.revoke", "acme_corp", Actor("org", OrgSlug("acme_corp"), "maria", "abcd-12345678", "req-2"), outcome="FAILED")
    note(house, 3, "runs.accept", "other_corp", Actor("org", OrgSlug("other_corp"), "john"))
    note(house, 4, "organizations.foreign", None, Actor("org", OrgSlug("other_corp")), outcome="DENIED")
    return house


def note(house: House, number: int, action: str, slug: str | None, actor: Actor, *, outcome: audit.Outcome = "SUCCESS") -> None:
    house.parts.ledger.write(
        audit.record,
        audit_id=f"{number:032x}",
        at=NOON + timedelta(minutes=number),
        actor=actor,
        action=action,
        org_slug=slug,
        resource=f"things/{number}",
        outcome=outcome,
        details={"code": "missing", "number": number},
    )


async def numbers(house: House, path: str, **query: str) -> list[int]:
    async with house.client() as caller:
        answer = await caller.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [entry["details"]["number"] for entry in answer.json()["entries"]]


async def test_the_root_key_reads_everything_and_an_organisation_what_was_done_to_it(told):
    assert await numbers(told, ALL) == [4, 3, 2, 1]
    assert await numbers(told, ALL, org_slug="other_corp") == [3]
    assert await numbers(told, OWN) == [2, 1]

    (entry, _) = (await told.found(OWN))["entries"]
    assert (entry["actor_kind"], entry["user_id"], entry["key_fingerprint"], entry["request_id"]) == (
        "org",
        "maria",
        "abcd-12345678",
        "req-2",
    )
    assert (entry["action"], entry["resource"], entry["outcome"]) == ("keys.revoke", "things/2", "FAILED")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"action": "keys"}, [2, 1]),
        ({"action": "keys.rotate"}, [1]),
        ({"actor": "root"}, [1]),
        ({"user_id": "maria"}, [2]),
        ({"key_fingerprint": "abcd-12345678"}, [2]),
        ({"outcome": "DENIED"}, [4]),
        ({"from": "2026-11-21", "to": "2026-11-21"}, [4, 3, 2, 1]),
        ({"to": "2026-11-20"}, []),
        ({"to": "9999-12-31"}, [4, 3, 2, 1]),
    ],
)
async def test_it_narrows_by_time_actor_action_and_outcome(told, query, expected):
    assert await numbers(told, ALL, **query) == expected


async def test_a_moment_is_told_with_its_offset(told):
    third = NOON + timedelta(minutes=3)

    assert await numbers(told, ALL, **{"from": third.isoformat()}) == [4, 3]
    assert await numbers(told, ALL, to=third.isoformat()) == [2, 1]
    for wrong in ("2026-11-21T10:00:00", "yesterday", "1763683200", "0001-01-01T00:00:00+14:00"):
        async with told.client() as caller:
            assert "offset" in problem(await caller.get(ALL, params={"from": wrong}), 422, "rejected")["errors"][0]["message"]


async def test_it_comes_in_pages(told):
    seen, cursor = [], None
    while True:
        async with told.client() as caller:
            page = (await caller.get(ALL, params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
        seen.append([entry["details"]["number"] for entry in page["entries"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [[4, 3, 2], [1]]


async def test_a_page_may_be_a_table(told):
    async with told.client(**{"X-CA-Root-Key": ROOT_KEY, "Accept": "text/csv"}) as caller:
        answer = await caller.get(ALL, params={"limit": 3})

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["resource"] for row in rows] == ["things/4", "things/3", "things/2"]
    assert rows[0]["details"] == '{"code":"missing","number":4}'
    assert 'rel="next"' in answer.headers["Link"]


@pytest.mark.parametrize("slug", ["\U0001f600", 'a"b', "", "acme\r\ncorp"])
async def test_a_table_of_what_is_no_slug_is_named_after_the_platform(told, slug):
    async with told.client() as caller:
        answer = await caller.get(ALL, params={"org_slug": slug, "format": "csv"})
    assert (answer.status_code, answer.headers["content-disposition"]) == (200, 'attachment; filename="platform_audit.csv"')


async def test_a_misspelt_filter_is_refused(told):
    assert "outcome" in problem(await told.read(f"{ALL}?outcomes=FAILED"), 422, "rejected")["detail"]
    assert problem(await told.read(f"{OWN}?org_slug=other_corp"), 422, "rejected")
    assert problem(await told.read("/api/v1/organizations/nobody/audit"), 404, "missing")


async def test_what_a_call_did_stands_there(house: House):
    async with house.client() as caller:
        await caller.put("/api/v1/organizations/acme_corp/subscription", json={"status": "paused"}, headers={"X-User-ID": "maria"})

    (entry,) = (await house.found(f"{OWN}?action=subscriptions"))["entries"]
    assert (entry["user_id"], entry["outcome"]) == ("maria", "SUCCESS")


def test_every_action_that_is_written_may_be_asked_for():
    nouns = {action.partition(".")[0] for action in ACTIONS}
    source = "\n".join(path.read_text() for path in Path("src").rglob("*.py") if "sandbox" not in path.parts)
    written = {
        found
        for call in re.split(r"audited\(|audit_trail\.note\(|action=", source)[1:]
        for found in re.findall(r'"([a-z]+\.[a-z_]+)"', call[:150])
    }

    assert {one for one in written if one.partition(".")[0] in nouns} <= set(ACTIONS)
    assert "keys.rotate" in written
