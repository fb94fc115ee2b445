"""Every method and path in the tables, lists and curl lines of the customer's five documents, word for word, asked of a running service.

What they say of AWS and Azure names no path of its own. Placeholders (`$ORG_API_KEY`, "sk-...") are filled in; nothing else is changed.
"""

import json
import re
import shlex
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx2

from tests.acceptance.observed import new_slug, until
from tests.acceptance.test_bill_journey import OVER, credential
from tests.fakes.running import ROOT_KEY, RunningService

# by document, as they stand in it
LINES = {
    "000": """\
| `POST /api/v1/admin/bootstrap` | Admin | Initialize system |
| `POST /api/v1/organizations/onboard` | Admin | Create org + API key |
| `POST /api/v1/pipelines/run/{org}/...` | Org API Key | Run pipeline |
| `GET /health` | None | Health check |
""",
    "001": """\
POST /api/v1/admin/bootstrap
POST /api/v1/organizations/onboard
POST /api/v1/integrations/{org}/{provider}/setup
POST /api/v1/pipelines/run/{org}/{provider}/{domain}/{pipeline}
| `POST /api/v1/admin/bootstrap` | Admin Key | `configs/setup/bootstrap/pipeline.yml` |
| `POST /api/v1/organizations/dryrun` | Admin Key | `configs/setup/organizations/dryrun/pipeline.yml` |
| `POST /api/v1/organizations/onboard` | Admin Key | `configs/setup/organizations/onboarding/pipeline.yml` |
| `POST /api/v1/pipelines/run/{org}/...` | Org API Key | `configs/gcp/cost/cost_billing.yml` |
| `GET /health` | None | - |
""",
    "002": """\
Bootstrap: POST /api/v1/admin/bootstrap
Onboard: POST /api/v1/organizations/onboard
Setup Integrations: POST /api/v1/integrations/{org}/{provider}/setup
Run Pipelines: POST /api/v1/pipelines/run/{org}/...
| POST | `/api/v1/admin/bootstrap` | Create central dataset + 14 meta tables (one-time) |
| POST | `/api/v1/organizations/onboard` | Create organization + API key + dataset |
| POST | `/api/v1/organizations/dryrun` | Validate org before onboarding (no resources created) |
| POST | `/api/v1/pipelines/run/{org}/{provider}/{domain}/{pipeline}` | Run specific pipeline |
| POST | `/api/v1/integrations/{org}/gcp/setup` | Setup GCP Service Account |
| POST | `/api/v1/integrations/{org}/openai/setup` | Setup OpenAI API key + init pricing/subscriptions |
| POST | `/api/v1/integrations/{org}/anthropic/setup` | Setup Anthropic API key |
| POST | `/api/v1/integrations/{org}/gcp/validate` | Re-validate GCP integration |
| POST | `/api/v1/integrations/{org}/openai/validate` | Re-validate OpenAI integration |
| POST | `/api/v1/integrations/{org}/anthropic/validate` | Re-validate Anthropic integration |
| GET | `/api/v1/integrations/{org}` | Get all integration statuses |
| GET | `/api/v1/integrations/{org}/{provider}` | Get specific integration status |
| DELETE | `/api/v1/integrations/{org}/{provider}` | Remove integration |
| GET | `/api/v1/integrations/{org}/{provider}/pricing` | List all pricing models |
| POST | `/api/v1/integrations/{org}/{provider}/pricing` | Add new pricing model |
| PUT | `/api/v1/integrations/{org}/{provider}/pricing/{model_id}` | Update pricing model |
| DELETE | `/api/v1/integrations/{org}/{provider}/pricing/{model_id}` | Delete pricing model |
| POST | `/api/v1/integrations/{org}/{provider}/pricing/reset` | Reset to default pricing from CSV |
| GET | `/api/v1/integrations/{org}/{provider}/subscriptions` | List all subscriptions |
| POST | `/api/v1/integrations/{org}/{provider}/subscriptions` | Add new subscription |
| PUT | `/api/v1/integrations/{org}/{provider}/subscriptions/{plan_name}` | Update subscription |
| DELETE | `/api/v1/integrations/{org}/{provider}/subscriptions/{plan_name}` | Delete subscription |
| POST | `/api/v1/integrations/{org}/{provider}/subscriptions/reset` | Reset to default subscriptions from CSV |
3. Frontend maps status and calls `PUT /api/v1/organizations/{org}/subscription`
- Frontend calls: `POST /api/v1/organizations/onboard`
- `POST /integrations/{org}/openai/setup`
- `POST /integrations/{org}/anthropic/setup`
- `POST /integrations/{org}/gcp/setup`
- Frontend calls: `POST /pipelines/run/{org}/{provider}/{domain}`
admin.py                   # POST /api/v1/admin/bootstrap
organizations.py           # POST /api/v1/organizations/onboard, /dryrun
pipelines.py               # POST /api/v1/pipelines/run/...
""",
    "003": """\
POST /api/v1/tenants/{tenant_id}/credentials
POST /api/v1/pipelines/run/{tenant_id}/gcp/cost/billing
POST /api/v1/scheduler/trigger
POST /api/v1/scheduler/process-queue
POST /api/v1/scheduler/reset-daily-quotas
- `GET /health` - Health check
- `POST /api/v1/tenants/onboard` - Onboard tenant
- `POST /api/v1/pipelines/run/{tenant_id}/{provider}/{domain}/{template}` - Execute pipeline
- `POST /api/v1/scheduler/trigger` - Trigger due pipelines
- `POST /api/v1/scheduler/process-queue` - Process next queued pipeline
- `POST /api/v1/scheduler/reset-daily-quotas` - Reset daily counters
- `GET /api/v1/scheduler/status` - Scheduler metrics
- `GET /api/v1/scheduler/customer/{tenant_id}/pipelines` - List configs
- `POST /api/v1/scheduler/customer/{tenant_id}/pipelines` - Create config
- `DELETE /api/v1/scheduler/customer/{tenant_id}/pipelines/{config_id}` - Delete config
""",
    "004": """\
POST /organizations/onboard
POST /pipelines/run/...
admin.py                   # POST /api/v1/admin/bootstrap
organizations.py           # POST /api/v1/organizations/onboard, /dryrun
pipelines.py               # POST /api/v1/pipelines/run/...
""",
}

CURLS = {
    "000": r"""
curl -X POST http://localhost:8000/api/v1/admin/bootstrap \
  -H "X-Admin-Key: $ADMIN_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"force_recreate_dataset": false}'

curl -X POST http://localhost:8000/api/v1/organizations/onboard \
  -H "X-Admin-Key: $ADMIN_API_KEY" \
  -H 'Content-Type: application/json' \
  -d '{"org_slug": "acmecorp", "company_name": "Acme Corp", "admin_email": "admin@acme.com"}'
""",
    "001": r"""
curl -X POST $BASE_URL/api/v1/admin/bootstrap \
  -H "X-CA-Root-Key: $CA_ROOT_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"force_recreate_dataset": false}'

curl -X POST $BASE_URL/api/v1/organizations/dryrun \
  -H "X-CA-Root-Key: $CA_ROOT_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"org_slug": "acmecorp", "company_name": "Acme Corp", "admin_email": "admin@acme.com"}'

curl -X POST $BASE_URL/api/v1/organizations/onboard \
  -H "X-CA-Root-Key: $CA_ROOT_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"org_slug": "acmecorp", "company_name": "Acme Corp", "admin_email": "admin@acme.com"}'

curl -X POST $BASE_URL/api/v1/pipelines/run/acmecorp/gcp/cost/cost_billing \
  -H "X-API-Key: acmecorp_api_xxxxx" \
  -H "Content-Type: application/json" \
  -d '{"date": "2025-11-25"}'
""",
    "002": r"""
curl http://localhost:8000/health

curl -X POST $BASE_URL/api/v1/admin/bootstrap \
  -H "X-CA-Root-Key: $CA_ROOT_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"force_recreate_dataset": false}'

curl -X POST $BASE_URL/api/v1/organizations/dryrun \
  -H "X-CA-Root-Key: $CA_ROOT_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "org_slug": "guruinc_234234",
    "company_name": "Guru Inc",
    "admin_email": "admin@guru.com",
    "subscription_plan": "STARTER"
  }'

curl -X POST $BASE_URL/api/v1/organizations/onboard \
  -H "X-CA-Root-Key: $CA_ROOT_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "org_slug": "guruinc_234234",
    "company_name": "Guru Inc",
    "admin_email": "admin@guru.com",
    "subscription_plan": "STARTER"
  }'

curl -X POST $BASE_URL/api/v1/integrations/guruinc_234234/openai/setup \
  -H "X-API-Key: $ORG_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"credential": "sk-...", "credential_name": "Production Key"}'

curl -X POST $BASE_URL/api/v1/integrations/guruinc_234234/gcp/setup \
  -H "X-API-Key: $ORG_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"credential": "{\"type\":\"service_account\",...}"}'

curl $BASE_URL/api/v1/integrations/guruinc_234234 \
  -H "X-API-Key: $ORG_API_KEY"

curl -X POST $BASE_URL/api/v1/pipelines/run/guruinc_234234/gcp/cost/billing \
  -H "X-API-Key: $ORG_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"date": "2025-11-25"}'

curl -X POST $BASE_URL/api/v1/pipelines/run/guruinc_234234/openai/usage_cost \
  -H "X-API-Key: $ORG_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"start_date": "2025-11-25", "end_date": "2025-11-25"}'

curl https://convergence-pipeline-{env}-{project-id}.us-central1.run.app/health
""",
    "003": r"""
curl http://localhost:8080/health

curl -X POST http://localhost:8080/api/v1/tenants/onboard \
  -H "Content-Type: application/json" \
  -d '{"tenant_id":"test_001","company_name":"Test Corp","admin_email":"test@test.com","subscription_plan":"PROFESSIONAL"}'
""",
    "004": r"""
curl -X POST $BASE_URL/api/v1/admin/bootstrap \
  -H "X-Admin-Key: $ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"force_recreate_dataset": false}'

curl -X POST $BASE_URL/api/v1/organizations/dryrun \
  -H "X-Admin-Key: $ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "org_slug": "guruinc_234234",
    "company_name": "Guru Inc",
    "admin_email": "admin@guru.com",
    "subscription_plan": "STARTER"
  }'

curl -X POST $BASE_URL/api/v1/organizations/onboard \
  -H "X-Admin-Key: $ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "org_slug": "guruinc_234234",
    "company_name": "Guru Inc",
    "admin_email": "admin@guru.com",
    "subscription_plan": "STARTER"
  }'

curl -X POST $BASE_URL/api/v1/pipelines/run/guruinc_234234/gcp/cost/cost_billing \
  -H "X-API-Key: guruinc_234234_api_xxxxxxxxxxxxxxxx" \
  -H "Content-Type: application/json" \
  -d '{"date": "2025-11-25"}'

curl http://localhost:8000/health
""",
}

METHOD_AND_PATH = re.compile(r"(GET|POST|PUT|DELETE)[ `|]+(/[^\s`,]*)")
ORG_KEY = r"{}_api_[A-Za-z0-9]{{16}}"
DATE = "2025-11-25"
MODEL = {"model": "gpt-of-ours", "token_kind": "input", "price": "2.5", "effective_from": "2026-01-01"}
PLAN = {"plan_name": "OURS", "billing_period": "month", "price": "20", "effective_from": "2026-01-01"}


def asked_for() -> dict[tuple[str, str], list[str]]:
    """Each method and path of the tables and lists, with the documents that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for document, lines in LINES.items():
        for line in lines.splitlines():
            said = METHOD_AND_PATH.search(line)
            assert said, line
            found.setdefault((said[1], said[2]), []).append(document)
    return found


def held(answer: httpx2.Response, code: int, /, **fields: Any) -> Any:
    """What a field is to be, or a pattern of it, or the type of it."""
    assert answer.status_code == code, f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
    document = answer.json()
    for name, expected in fields.items():
        value = document[name]
        if isinstance(expected, type):
            assert isinstance(value, expected), (name, value)
        elif isinstance(expected, re.Pattern):
            assert expected.fullmatch(value), (name, value)
        else:
            assert value == expected, (name, value)
    return document


@dataclass
class Caller:
    """Whoever follows the documents, with what their placeholders stand for."""

    service: RunningService
    given: dict[str, str] = field(default_factory=lambda: {"$CA_ROOT_API_KEY": ROOT_KEY, "$ADMIN_API_KEY": ROOT_KEY})

    def curl(self, text: str, body: Any = None, **more: str) -> httpx2.Response:
        """The line as a shell reads it; `body` where the printed one has a placeholder in it."""
        for name, value in self.given.items():
            text = text.replace(name, value)
        words = shlex.split(text.replace("\\\n", " "))
        asked = {"-X": "GET"}
        headers = dict(more)
        for option, word in pairwise(words):
            if option == "-H":
                name, _, value = word.partition(": ")
                headers[name] = value
            elif option in ("-X", "-d"):
                asked[option] = word
        [address] = [word for word in words if "/api/v1" in word or word.endswith("/health")]
        path = re.sub(r"^(\$BASE_URL|https?://[^/]+)", "", address)
        content = asked.get("-d") if body is None else json.dumps(body)
        with httpx2.Client(base_url=self.service.address, timeout=120, trust_env=False, verify=False) as client:
            return client.request(asked["-X"], path, headers=headers, content=content)

    def onboarded(self, text: str) -> str:
        """Of the slug in it whatever was there before goes first."""
        slug = json.loads(shlex.split(text.replace("\\\n", " "))[-1])["org_slug"]
        self.service.admin("DELETE", f"/api/v1/organizations/{slug}", {"confirm": slug})
        made = held(self.curl(text), 201, org_slug=slug, dataset_created=True, api_key=re.compile(ORG_KEY.format(slug)))
        self.given["$ORG_API_KEY"] = made["api_key"]
        return str(made["api_key"])

    def connected(self, slug: str, provider: str) -> dict[str, Any]:
        body = {"credential": secret(self.service, provider)}
        answer = self.service.call("POST", f"/api/v1/integrations/{slug}/{provider}/setup", key=self.given["$ORG_API_KEY"], json=body)
        document: dict[str, Any] = held(answer, 200, validation_status="VALID", provider=provider)
        return document

    def ran(self, answer: httpx2.Response) -> dict[str, Any]:
        """To its end, for a plan may allow one at a time."""
        made = held(answer, 202, status="RUNNING", pipeline_logging_id=str)
        path = f"/api/v1/pipelines/runs/{made['org_slug']}/{made['pipeline_logging_id']}"
        seen: dict[str, Any] = {}

        def over() -> bool:
            seen.update(self.service.admin("GET", path).json())
            return seen["status"] in OVER

        until(over)
        assert seen["status"] == "SUCCESS", seen
        return seen


def secret(service: RunningService, provider: str) -> str:
    if provider == "gcp":
        return credential(service, "demo")
    path = service.data / "sandbox" / "credentials" / f"{provider}-demo.txt"
    until(path.exists)
    return path.read_text().strip()


def printed(document: str, part: str) -> str:
    [found] = [text.strip() for text in CURLS[document].strip().split("\n\n") if part in text]
    return found


def bootstrapped(caller: Caller, document: str) -> None:
    made = held(caller.curl(printed(document, "/admin/bootstrap")), 200, status="SUCCESS", tables_created=list, views_created=list)
    assert len(made["tables_created"]) + len(made["tables_existing"]) == 14
    assert len(made["views_created"]) + len(made["views_existing"]) == 3


def dry_run(caller: Caller, document: str) -> None:
    line = printed(document, "/organizations/dryrun")
    slug = json.loads(shlex.split(line.replace("\\\n", " "))[-1])["org_slug"]
    caller.service.admin("DELETE", f"/api/v1/organizations/{slug}", {"confirm": slug})
    held(caller.curl(line), 200, status="SUCCESS", ready_for_onboarding=True)
    assert caller.service.admin("GET", f"/api/v1/organizations/{slug}").status_code == 404


def test_the_oldest_document(sandboxed: RunningService):
    caller = Caller(sandboxed)
    bootstrapped(caller, "000")
    caller.onboarded(printed("000", "/organizations/onboard"))


def test_the_second_document(sandboxed: RunningService):
    caller = Caller(sandboxed)
    bootstrapped(caller, "001")
    dry_run(caller, "001")
    caller.given["acmecorp_api_xxxxx"] = caller.onboarded(printed("001", "/organizations/onboard"))
    caller.connected("acmecorp", "gcp")
    caller.ran(caller.curl(printed("001", "/gcp/cost/cost_billing")))


def test_the_newest_document(sandboxed: RunningService):
    caller = Caller(sandboxed)
    held(caller.curl(printed("002", "localhost:8000/health")), 200, status="healthy")
    held(caller.curl(printed("002", "{env}-{project-id}")), 200, status="healthy")
    bootstrapped(caller, "002")
    dry_run(caller, "002")
    caller.onboarded(printed("002", "/organizations/onboard"))
    openai, gcp = printed("002", "/openai/setup"), printed("002", "/gcp/setup")
    # as they are printed their keys are none, and each answer says what one is like
    assert "admin" in held(caller.curl(openai), 422)["detail"]
    assert "JSON" in held(caller.curl(gcp), 422)["detail"]
    named = {"credential": secret(sandboxed, "openai"), "credential_name": "Production Key"}
    held(caller.curl(openai, named), 200, validation_status="VALID", credential_name="Production Key")
    held(caller.curl(gcp, {"credential": secret(sandboxed, "gcp")}), 200, validation_status="VALID")
    shown = held(caller.curl(printed("002", "$BASE_URL/api/v1/integrations/guruinc_234234 \\")), 200, org_slug="guruinc_234234")
    statuses = {one["provider"]: one["status"] for one in shown["integrations"]}
    assert (statuses["gcp"], statuses["openai"], statuses["anthropic"]) == ("VALID", "VALID", "NOT_SET_UP")
    caller.ran(caller.curl(printed("002", "/gcp/cost/billing")))
    caller.ran(caller.curl(printed("002", "/openai/usage_cost")))


def test_the_document_that_says_tenants(sandboxed: RunningService):
    caller = Caller(sandboxed)
    held(caller.curl(printed("003", "/health")), 200, status="healthy")
    onboard = printed("003", "/tenants/onboard")
    sandboxed.admin("DELETE", "/api/v1/organizations/test_001", {"confirm": "test_001"})
    # the line has no key in it, and onboarding takes the root key
    held(caller.curl(onboard), 401)
    made = held(caller.curl(onboard, **{"X-CA-Root-Key": ROOT_KEY}), 201, tenant_id="test_001", org_slug="test_001", api_key=str)
    own = {"X-API-Key": made["api_key"], "X-User-ID": "user_1"}

    def call(method: str, path: str, body: Any = None) -> httpx2.Response:
        return sandboxed.call(method, path, json=body, **own)

    kept = {"provider": "GCP", "credentials": json.loads(secret(sandboxed, "gcp"))}
    stored = held(call("POST", "/api/v1/tenants/test_001/credentials", kept), 200)
    assert stored == {"tenant_id": "test_001", "provider": "GCP", "action": "CREATED", "dataset_status": "EXISTS"}
    run = caller.ran(call("POST", "/api/v1/pipelines/run/test_001/gcp/cost/billing", {"date": "2025-11-17"}))
    assert run["user_id"] == "user_1"


def test_the_document_with_the_older_key(sandboxed: RunningService):
    caller = Caller(sandboxed)
    held(caller.curl(printed("004", "/health")), 200, status="healthy")
    bootstrapped(caller, "004")
    dry_run(caller, "004")
    caller.given["guruinc_234234_api_xxxxxxxxxxxxxxxx"] = caller.onboarded(printed("004", "/organizations/onboard"))
    caller.connected("guruinc_234234", "gcp")
    caller.ran(caller.curl(printed("004", "/gcp/cost/cost_billing")))


class Walk:
    """Each call of the tables and lists, in the order in which one needs the other, by an organisation of its own."""

    def __init__(self, service: RunningService) -> None:
        self.service, self.caller = service, Caller(service)
        self.slug = new_slug("walk")
        self.body = {"org_slug": self.slug, "company_name": "Guru Inc", "admin_email": "admin@guru.com", "subscription_plan": "SCALE"}
        self.called: set[tuple[str, str]] = set()

    def call(self, method: str, path: str, body: Any = None, **filled: str) -> httpx2.Response:
        """By the path as it is printed."""
        self.called.add((method, path))
        for name, value in {"org": self.slug, "tenant_id": self.slug, **filled}.items():
            path = path.replace(f"{{{name}}}", value)
        path = path.replace("/...", "/gcp/cost/billing")
        whole = path if path.startswith(("/api/v1", "/health")) else f"/api/v1{path}"
        return self.service.call(method, whole, json=body, key=self.caller.given.get("$ORG_API_KEY"))

    def root(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        self.called.add((method, path))
        whole = path if path.startswith("/api/v1") else f"/api/v1{path}"
        return self.service.admin(method, whole.replace("{org}", self.slug), body)

    def begin(self) -> None:
        held(self.call("GET", "/health"), 200, status="healthy")
        held(self.root("POST", "/api/v1/admin/bootstrap", {"force_recreate_dataset": False}), 200, status="SUCCESS")
        held(self.root("POST", "/api/v1/organizations/dryrun", self.body), 200, ready_for_onboarding=True)
        made = held(self.root("POST", "/api/v1/organizations/onboard", self.body), 201, org_slug=self.slug, dataset_created=True)
        self.caller.given["$ORG_API_KEY"] = made["api_key"]
        # the same again, as the page on the front end writes it
        held(self.root("POST", "/organizations/onboard", self.body), 409)
        tenant = {"tenant_id": new_slug("walk"), **{name: value for name, value in self.body.items() if name != "org_slug"}}
        held(self.root("POST", "/api/v1/tenants/onboard", tenant), 201, tenant_id=tenant["tenant_id"])

    def integrate(self) -> None:
        for provider in ("gcp", "openai", "anthropic"):
            body = {"credential": secret(self.service, provider)}
            held(self.call("POST", f"/api/v1/integrations/{{org}}/{provider}/setup", body), 200, validation_status="VALID")
            held(self.call("POST", f"/integrations/{{org}}/{provider}/setup", body), 200, replaced=True)
            held(self.call("POST", f"/api/v1/integrations/{{org}}/{provider}/validate"), 200, validation_status="VALID")
        body = {"credential": secret(self.service, "deepseek")}
        held(self.call("POST", "/api/v1/integrations/{org}/{provider}/setup", body, provider="deepseek"), 200, validation_status="VALID")
        assert len(held(self.call("GET", "/api/v1/integrations/{org}"), 200)["integrations"]) >= 4
        held(self.call("GET", "/api/v1/integrations/{org}/{provider}", provider="openai"), 200, provider="openai", status="VALID")
        kept = {"provider": "GCP", "credentials": json.loads(secret(self.service, "gcp"))}
        held(self.call("POST", "/api/v1/tenants/{tenant_id}/credentials", kept), 200, action="UPDATED", dataset_status="EXISTS")

    def price(self, provider: str) -> None:
        path = "/api/v1/integrations/{org}/{provider}"
        for book, one, name in (("pricing", MODEL, "model"), ("subscriptions", PLAN, "plan_name")):
            placed = f"{path}/{book}/{{{'model_id' if book == 'pricing' else 'plan_name'}}}"
            filled = {"provider": provider, "model_id": one[name], "plan_name": one[name]}
            held(self.call("GET", f"{path}/{book}", **filled), 200)
            held(self.call("POST", f"{path}/{book}", one, **filled), 200)
            held(self.call("PUT", placed, {"price": "3"}, **filled), 200)
            held(self.call("DELETE", placed, **filled), 200)
            held(self.call("POST", f"{path}/{book}/reset", **filled), 200)

    def run(self) -> None:
        whole = "/api/v1/pipelines/run/{org}/{provider}/{domain}/{pipeline}"
        billing = {"provider": "gcp", "domain": "cost", "pipeline": "billing", "template": "billing"}
        ran, day = self.caller.ran, {"date": DATE}
        first = ran(self.call("POST", whole, day, **billing))
        assert first["rows_processed"] > 0
        for path in (
            "/api/v1/pipelines/run/{org}/...",
            "/pipelines/run/{org}/{provider}/{domain}",
            "/pipelines/run/...",
            "/api/v1/pipelines/run/...",
            "/api/v1/pipelines/run/{tenant_id}/gcp/cost/billing",
            "/api/v1/pipelines/run/{tenant_id}/{provider}/{domain}/{template}",
        ):
            self.called.add(("POST", path))
            ran(self.call("POST", path.replace("run/...", "run/{org}/..."), day, **billing))

    def schedule(self) -> None:
        held(self.root("POST", "/api/v1/scheduler/trigger"), 200, triggered_count=int, queued_count=int)
        held(self.root("POST", "/api/v1/scheduler/process-queue"), 202)
        held(self.root("POST", "/api/v1/scheduler/reset-daily-quotas"), 200)
        held(self.root("GET", "/api/v1/scheduler/status"), 200)
        path = "/api/v1/scheduler/customer/{tenant_id}/pipelines"
        body = {"document": "gcp/cost/billing", "schedule_cron": "0 0 1 1 *"}
        made = held(self.call("POST", path, body), 201, config_id=str, is_active=True)
        assert made["config_id"] in {one["config_id"] for one in held(self.call("GET", path), 200)["pipelines"]}
        held(self.call("DELETE", f"{path}/{{config_id}}", config_id=made["config_id"]), 200)

    def end(self) -> None:
        path = "/api/v1/organizations/{org}/subscription"
        for said, stored, runs in (
            ("trialing", "TRIAL", True), ("active", "ACTIVE", True), ("past_due", "SUSPENDED", False), ("canceled", "CANCELLED", False),
            ("paused", "SUSPENDED", False), ("incomplete", "SUSPENDED", False),
        ):  # fmt: skip
            body = {"status": said, "trial_end_date": "2027-12-31"}
            held(self.root("PUT", path, body), 200, status=stored, may_run=runs, trial_end_date="2027-12-31")
        held(self.call("DELETE", "/api/v1/integrations/{org}/{provider}", provider="anthropic"), 200, state="deleted")


def test_every_call_of_the_tables_and_lists(sandboxed: RunningService):
    walk = Walk(sandboxed)
    walk.begin()
    walk.integrate()
    walk.price("openai")
    walk.price("anthropic")
    walk.run()
    walk.schedule()
    walk.end()

    assert {pair for pair in asked_for() if pair not in walk.called} == set()
