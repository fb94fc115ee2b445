import httpx2
import pytest

from src.app.edge import problems
from src.core.base import faults
from tests.app.edge.conftest import ORG_KEY

FAULTS = ["Rejected", "Unauthenticated", "NotYours", "Missing", "Conflict", "Superseded", "TooLarge", "QuotaExceeded"]
FAULTS += ["Throttled", "Unavailable", "Misconfigured", "Timeout", "Tampered"]


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_a_problem_of_its_own(caller: httpx2.AsyncClient, name: str) -> None:
    kind = getattr(faults, name)
    answer = await caller.get(f"/api/v1/orgs/fault/{name}", headers={"X-Request-ID": "abc"})
    assert answer.status_code == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": f"/problems#{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "what happened and its mend",
        "instance": f"/api/v1/orgs/fault/{name}",
        "request_id": "abc",
        "errors": [{"field": "field", "message": "is wrong", "file": "a.yml", "line": 7}],
        "org": "acme",
    }
    assert answer.headers["retry-after"] == "2"
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)


async def test_invalid_input_names_each_field_and_its_mend(caller: httpx2.AsyncClient) -> None:
    body = {"items": [{"name": "ok", "amount": 1}, {"name": "x", "amount": ORG_KEY}], "surprise": 1}
    answer = await caller.post("/api/v1/orgs/acme?page=11", json=body)
    assert answer.status_code == 422
    assert {error["field"]: error["message"] for error in answer.json()["errors"]} == {
        "query.page": "must be 10 or less",
        "org_slug": "is required; add it",
        "items[1].name": "needs 2 characters or more",
        "items[1].amount": "must be a whole number",
        "surprise": "is not known here; remove it, or choose of org_slug, items",
    }
    assert "and 2 more" in answer.json()["detail"]
    assert ORG_KEY not in answer.text


async def test_a_broken_body_names_the_line(caller: httpx2.AsyncClient) -> None:
    answer = await caller.post("/api/v1/orgs/acme", content=b'{\n"a": 1,\n oops', headers={"Content-Type": "application/json"})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["line"], error["column"]) == (422, "body", 3, 2)
    assert answer.json()["detail"] == (
        "body: is not JSON in line 3, column 2: the name of a field stands in double quotes, and no comma before a closing brace"
    )


@pytest.mark.parametrize(
    ("content", "kind", "said"), [(b"[]", "application/json", "JSON object"), (b"{}", "text/plain", "Content-Type"), (b"", "", "required")]
)
async def test_a_body_of_another_kind_says_what_to_send(caller: httpx2.AsyncClient, content: bytes, kind: str, said: str) -> None:
    answer = await caller.post("/api/v1/orgs/acme", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


async def test_an_unknown_address_is_a_problem(caller: httpx2.AsyncClient) -> None:
    answer = await caller.get("/nö pe")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems#missing")
    assert answer.json()["instance"] == "/n%C3%B6%20pe"


async def test_a_wrong_method_is_told_every_right_one(caller: httpx2.AsyncClient) -> None:
    answer = await caller.delete("/api/v1/orgs/acme")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert "use GET, POST" in answer.json()["detail"]


async def test_the_unexpected_says_nothing_of_the_inside_and_is_logged(
    caller: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await caller.get("/api/v1/orgs/boom/now", headers={"X-Request-ID": "quote-me"})
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems#unexpected"
    assert "quote-me" in answer.json()["detail"]
    assert "the inside" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    written = capsys.readouterr().err
    assert "ValueError: the inside" in written
    assert ORG_KEY not in written


async def test_a_key_in_a_path_is_not_said_back(caller: httpx2.AsyncClient) -> None:
    assert ORG_KEY not in (await caller.get(f"/no/{ORG_KEY}")).text


def test_a_key_in_what_is_said_of_a_mistake_is_masked() -> None:
    fault = faults.Rejected(f"of {ORG_KEY}", flaws=[faults.Flaw(f"says {ORG_KEY}", f"the field {ORG_KEY}")])
    body = problems.problem_body(problems.of_fault(fault), {"type": "http", "path": "/"})
    assert b"says ****" in body
    assert ORG_KEY.encode() not in body
