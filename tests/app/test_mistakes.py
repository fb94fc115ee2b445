"""Typical mistakes: each is answered with what is wrong and what to do, and never with the secret that was sent."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.core.costs.bills import cost, mark, prepare, publish
from tests.core.costs.model_bills import prepare_models, use
from tests.fakes.running import ROOT_KEY

MINE, OTHERS = "acme_corp_api_" + "A1b2" * 4, "other_corp_api_" + "A1b2" * 4
ROOT, ORG = {"X-CA-Root-Key": ROOT_KEY}, {"X-API-Key": MINE}
JSON = {"Content-Type": "application/json"}
PRIVATE = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----\n"
KEY_FILE = {"type": "service_account", "project_id": "p", "private_key": PRIVATE, "client_email": "a@p.iam.gserviceaccount.com"}
SECRETS = (MINE, OTHERS, ROOT_KEY, "MIIEvQIBADANBgkqhkiG9w0B", "sk-admin-of-somebody-1234")
NEW = {"org_slug": "new_corp", "company_name": "New", "admin_email": "a@example.com"}
RUN = "/api/v1/pipelines/run/acme_corp/gcp/cost/billing"
RUNS = "/api/v1/pipelines/runs/acme_corp"
COSTS = "/api/v1/costs/acme_corp"
SETUP = "/api/v1/integrations/acme_corp/gcp/setup"
NO_JSON = "is not JSON in line "


@dataclass(frozen=True)
class Mistake:
    name: str
    call: str
    status: int
    said: str
    """What the answer says is wrong, and what to do."""
    key: Mapping[str, str] = field(default_factory=lambda: ORG)
    body: Any = None


MISTAKES = [
    Mistake("no key", "GET /api/v1/whoami", 401, "this call needs an organisation's key in the header X-API-Key", key={"Accept": "*/*"}),
    Mistake(
        "another word before the key",
        "GET /api/v1/whoami",
        401,
        "an organisation's key is {org_slug}_api_ and 16 letters and digits; send it so, alone, without quotes or a word before it",
        key={"X-API-Key": f"Bearer {MINE}"},
    ),
    Mistake(
        "the root key for an organisation's",
        "GET /api/v1/whoami",
        403,
        "this is the root key; this call needs an organisation's key, in the header X-API-Key",
        key={"X-API-Key": ROOT_KEY},
    ),
    Mistake(
        "the root key as bearer",
        "GET /api/v1/organizations",
        403,
        "this is the root key; send it in the header X-CA-Root-Key",
        key={"Authorization": f"Bearer {ROOT_KEY}"},
    ),
    Mistake(
        "an organisation's key for the root key",
        "GET /api/v1/organizations",
        403,
        "this is an organisation's key; this call needs the root key, in the header X-CA-Root-Key",
    ),
    Mistake(
        "an organisation's key in the header of the root key",
        f"GET {RUNS}",
        403,
        "this is an organisation's key; send it in the header X-API-Key",
        key={"X-CA-Root-Key": MINE},
    ),
    Mistake(
        "another organisation's path",
        "GET /api/v1/organizations/other_corp",
        403,
        "this key belongs to another organisation than the path names; use that organisation's own key",
    ),
    Mistake("no credential", f"POST {SETUP}", 422, "that may read usage, as a text or as the object itself; kept sealed", body={}),
    Mistake("a slash at the end", "GET /api/v1/organizations/", 404, "an address here has no slash at its end; use /api/v1/organizations"),
    Mistake("a slash after what no client is generated of", "GET /problems/", 404, "no slash at its end; use /problems"),
    Mistake(
        "a misspelt address", f"GET {COSTS}/dayly", 404, f"nothing is served at {COSTS}/dayly; did you mean {COSTS}/daily? Under {COSTS}"
    ),
    Mistake(
        "an address without its beginning", "GET /organizations", 404, "did you mean /api/v1/organizations? Under /api/v1 there is admin, "
    ),
    Mistake("an address that is like none", "GET /api/v1/invoices", 404, "Under /api/v1 there is admin, costs, imports, integrations, "),
    Mistake("the wrong method", f"GET {RUN}", 405, f"GET is not served at {RUN}; use POST"),
    Mistake("a misspelt parameter", f"GET {COSTS}/daily?fromm=2026-11-01", 422, "there is no parameter 'fromm' here; did you mean 'from'?"),
    Mistake(
        "a parameter that is like none",
        "GET /api/v1/organizations?colour=red",
        422,
        "there is no parameter 'colour' here; there is limit, cursor, status",
        key=ROOT,
    ),
    Mistake("a parameter given twice", f"GET {COSTS}/daily?currency=USD&currency=EUR", 422, "currency is given twice; give it once"),
    Mistake(
        "a misspelt status",
        f"GET {RUNS}?status=failled",
        422,
        "must be 'RUNNING', 'SUCCESS', 'FAILED' or 'CANCELLED'; did you mean 'FAILED'?",
    ),
    Mistake("a provider that is none", f"GET {RUNS}?provider=gpc", 422, "there is no provider 'gpc'; did you mean 'gcp'?"),
    Mistake(
        "a pipeline that is none",
        f"GET {RUNS}?pipeline_id=acme-corp-gcp-costs",
        422,
        "there is no pipeline_id 'acme-corp-gcp-costs'; did you mean 'acme-corp-gcp-cost'?",
    ),
    Mistake(
        "a service that was never billed",
        f"GET {COSTS}/summary?service=Compute+Engin",
        422,
        "nothing of acme_corp was ever told by the service 'Compute Engin'; did you mean 'Compute Engine'?",
    ),
    Mistake(
        "a currency that was never billed",
        f"GET {COSTS}/daily?currency=XYZ",
        422,
        "nothing of acme_corp was ever told by the currency 'XYZ'; there is USD",
    ),
    Mistake(
        "a provider of costs that is none", f"GET {COSTS}/summary?provider=gpc", 404, "there is no provider 'gpc'; did you mean 'gcp'?"
    ),
    Mistake(
        "a kind of token that is none",
        f"GET {COSTS}/models?token_kind=inputt&month=2026-10",
        422,
        "nothing of acme_corp was ever told by the token_kind 'inputt'; did you mean 'input'?",
    ),
    Mistake("a misspelt group", f"GET {COSTS}/daily?group_by=servce", 422, "costs are not grouped by 'servce'; did you mean 'service'?"),
    Mistake(
        "a table that is none",
        f"GET {COSTS}/tables/gcp_cost_dayly",
        404,
        "there is no table or view 'gcp_cost_dayly' in this dataset; did you mean",
    ),
    Mistake("another kind of file", f"GET {COSTS}/daily?format=xls", 422, "must be 'json', 'csv' or 'parquet'"),
    Mistake(
        "another way to write a day", f"GET {COSTS}/daily?from=2026/11/01", 422, "is not a day; write it as YYYY-MM-DD, like 2026-11-20"
    ),
    Mistake("a German day", f"POST {RUN}", 422, "date: is not a day; write it as YYYY-MM-DD, like 2026-11-20", body={"date": "20.11.2026"}),
    Mistake(
        "a day of no calendar", f"POST {RUN}", 422, "is not a day of the calendar; write one as YYYY-MM-DD", body={"date": "2026-02-30"}
    ),
    Mistake("a month by its name", f"POST {RUN}", 422, "is not a month; write it as YYYY-MM, like 2026-10", body={"month": "October"}),
    Mistake(
        "a month and a day",
        f"GET {COSTS}/daily?month=2026-10&from=2026-10-02",
        422,
        "from and month are two ways to say the days; send one",
    ),
    Mistake(
        "one day under two names", f"GET {RUNS}?from=2026-10-02&start_date=2026-10-02", 422, "from and start_date mean the same; send one"
    ),
    Mistake(
        "days the wrong way round",
        f"POST {RUN}",
        422,
        "end_date 2026-11-02 lies before start_date 2026-11-09; swap them",
        body={"from": "2026-11-09", "to": "2026-11-02"},
    ),
    Mistake("one end of a range", f"POST {RUN}", 422, "names one end of a range; add end_date", body={"from": "2026-11-09"}),
    Mistake(
        "single quotes", f"POST {RUN}", 422, f"{NO_JSON}1, column 2: the name of a field stands in double", {**ORG, **JSON}, b"{'date': 1}"
    ),
    Mistake("a comma too few", f"POST {RUN}", 422, f"{NO_JSON}2, column 2: a comma or a closing", {**ORG, **JSON}, b'{"a": 1\n "b": 2}'),
    Mistake(
        "a form in place of JSON",
        f"POST {RUN}",
        422,
        "must be a JSON object; send one with Content-Type: application/json",
        {**ORG, "Content-Type": "application/x-www-form-urlencoded"},
        b"date=2026-11-01",
    ),
    Mistake(
        "an input that is none",
        f"POST {RUN}",
        422,
        "late_dys is not known to gcp/cost/billing; did you mean 'late_days'?",
        body={"late_dys": 1},
    ),
    Mistake(
        "a misspelt pipeline",
        "POST /api/v1/pipelines/run/acme_corp/gcp/cots",
        404,
        "there is no pipeline 'gcp/cots'; did you mean 'gcp/cost'?",
    ),
    Mistake(
        "a backfill of no days", RUN.replace("/run/", "/backfill/").join(["POST ", ""]), 422, "names no days; send start_date and", body={}
    ),
    Mistake(
        "a close without a word",
        "DELETE /api/v1/organizations/acme_corp",
        422,
        "body: is required; send a JSON object with confirm: the organisation's slug again",
        key=ROOT,
    ),
    Mistake(
        "the key file as the body",
        f"POST {SETUP}",
        422,
        'is a key file itself; send it as a field of an object: {"credential": "..."} with the whole of it for the dots',
        body=KEY_FILE,
    ),
    Mistake(
        "the key as the body", f"POST {SETUP}", 422, 'is a key itself; send it as a field of an object: {"credential"', body=SECRETS[-1]
    ),
    Mistake(
        "a provider that is none to set up",
        f"POST {SETUP.replace('gcp', 'gpc')}",
        404,
        "there is no provider 'gpc'; did you mean 'gcp'?",
        body={"credential": "x"},
    ),
    Mistake(
        "a setting that is none",
        f"POST {SETUP}",
        422,
        "settings.projct: is not known here; did you mean 'project'?",
        body={"credential": KEY_FILE, "settings": {"projct": "p"}},
    ),
    Mistake(
        "a plan that is none",
        "PUT /api/v1/organizations/acme_corp/subscription",
        422,
        "there is no plan 'GOLD'; the plans are STARTER, PROFESSIONAL, SCALE",
        ROOT,
        {"plan": "gold"},
    ),
    Mistake(
        "a plan under two names",
        "PUT /api/v1/organizations/acme_corp/subscription",
        422,
        "names plan and subscription_plan, which mean the same; send one of them",
        ROOT,
        {"plan": "SCALE", "subscription_plan": "SCALE"},
    ),
    Mistake(
        "a misspelt field",
        "POST /api/v1/organizations/dryrun",
        422,
        "compny_name: is not known here; did you mean 'company_name'?",
        ROOT,
        {**NEW, "compny_name": "New"},
    ),
    Mistake(
        "a field within a field",
        "POST /api/v1/organizations/acme_corp/channels",
        422,
        "quiet_hours.ende: is not known here; did you mean 'end'?",
        body={
            "name": "x",
            "kind": "email",
            "recipients": ["a@example.com"],
            "quiet_hours": {"start": "22:00", "end": "06:00", "ende": "1"},
        },
    ),
    Mistake(
        "a slug with a hyphen",
        "POST /api/v1/organizations/onboard",
        422,
        "3 to 50 of a-z, 0-9 and _",
        ROOT,
        {**NEW, "org_slug": "new-corp"},
    ),
    Mistake(
        "an organisation that is there", "POST /api/v1/organizations/onboard", 409, "keys/rotate", ROOT, {**NEW, "org_slug": "acme_corp"}
    ),
    Mistake("a page too large", f"GET {RUNS}?limit=1000", 422, "query.limit: must be 200 or less"),
    Mistake("a cursor of one's own", f"GET {RUNS}?cursor=2", 422, "send it as an answer gave it"),
    Mistake("a run that is none", f"GET {RUNS}/01234567-89ab-cdef-0123-456789abcdef", 404, f"GET {RUNS} lists them"),
    Mistake(
        "hours in words",
        "POST /api/v1/organizations/acme_corp/keys/rotate",
        422,
        "grace_hours: must be a number",
        body={"grace_hours": "two"},
    ),
    Mistake("an action that is none", "GET /api/v1/organizations/acme_corp/audit?action=keys.rotat", 422, "did you mean 'keys.rotate'?"),
    Mistake(
        "a webhook without TLS",
        "POST /api/v1/organizations/acme_corp/webhooks",
        422,
        "must begin with https://",
        body={"name": "x", "url": "http://a.example"},
    ),
    Mistake(
        "a schedule in words",
        "POST /api/v1/scheduler/customer/acme_corp/pipelines",
        422,
        "schedule_cron",
        body={"document": "gcp/cost/billing", "schedule_cron": "every day"},
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With the pipelines of a release, and a little of a bill. No mistake changes it."""
    made = House.build(tmp_path_factory.mktemp("mistakes"))
    del made.parts.__dict__["catalog"]
    assert {made.organisation("acme_corp"), made.organisation("other_corp")} == {MINE, OTHERS}
    warehouse, tenant = made.parts.warehouse, Tenant(OrgSlug("acme_corp"), made.parts.settings.environment)
    prepare(warehouse, tenant)
    prepare_models(warehouse, tenant, "openai")
    publish(
        warehouse,
        tenant,
        gcp_cost_daily=[cost(date(2026, 11, 2), service="Compute Engine")],
        openai_cost_daily=[use("input", 1000, "2")],
        x_cost_daily=[mark(date(2026, 11, 2))],
    )
    yield made
    made.parts.close()


@pytest.mark.parametrize("mistake", [pytest.param(one, id=one.name) for one in MISTAKES])
async def test_a_mistake_is_told_and_what_to_do(served: House, mistake: Mistake) -> None:
    method, path = mistake.call.split(" ")
    sent = {"content": mistake.body} if isinstance(mistake.body, bytes) else {} if mistake.body is None else {"json": mistake.body}
    async with served.client(**mistake.key) as caller:
        answer = await caller.request(method, path, **sent)

    assert answer.status_code == mistake.status, answer.text
    told = problem(answer, mistake.status, answer.json()["type"].partition("#")[2])
    assert mistake.said in told["detail"]
    assert not [secret for secret in SECRETS if secret in answer.text]
    assert ".." not in json.dumps(told).replace("...", "")


def test_there_are_thirty_and_more() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 30
