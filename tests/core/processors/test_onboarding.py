"""What the dry run shows is what onboarding does: both are one plan, held to each other over many requests."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.app.wiring import Parts
from src.core.base.faults import Conflict, Fault, Misconfigured, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug, slug_flaw
from src.core.base.settings import Settings
from src.core.engine.port import Fence
from src.core.ledger.tables import orgs

ROOT = Actor("root", user_id="tester")
GOOD = {"org_slug": "good_org", "company_name": "Good", "admin_email": "good@example.com"}


@pytest.fixture
def parts(tmp_path):
    opened = Parts(Settings(ca_root_api_key="admin_key", embedded_data_dir=tmp_path, _env_file=None))
    yield opened
    opened.close()


@pytest.fixture
def bootstrapped(parts: Parts) -> Parts:
    parts.ledger.bootstrap()
    return parts


async def dry_run(parts: Parts, request: dict[str, str]) -> dict[str, str]:
    outcome = await parts.executor.run("setup/organizations/dryrun", actor=ROOT, inputs=request)
    answer = outcome.require().of("validate_organization")
    assert answer["ready_for_onboarding"] == all(check["result"] != "failed" for check in answer["checks"])
    return {check["name"]: check["result"] for check in answer["checks"]}


async def onboard(parts: Parts, request: dict[str, str]) -> Fault | None:
    slug = request["org_slug"]
    tenant = None if slug_flaw(slug) else Tenant(OrgSlug(slug), Environment.DEVELOPMENT)
    outcome = await parts.executor.run("setup/organizations/onboarding", actor=ROOT, tenant=tenant, inputs=request)
    return outcome.fault


async def erase(parts: Parts, slug: str) -> None:
    tenant = Tenant(OrgSlug(slug), Environment.DEVELOPMENT)
    inputs = {"org_slug": slug, "confirm": slug}
    (await parts.executor.run("setup/organizations/offboarding", actor=ROOT, tenant=tenant, inputs=inputs)).require()


SLUGS = st.sampled_from(
    ["abc", "taken_org", "ab", "A-B", "a" * 50, "a" * 51, "organizations", "admin_consulting_group", "x'; drop table", "٣٣٣", "", "a_1"]
)
NAMES = st.sampled_from(["Acme", " ", "", "Tab\tbed", "x" * 200, "Ünïcode"])
EMAILS = st.sampled_from(["a@example.com", "nobody", "@", "a@b", "a b@example.com", "", "a@exämple.com"])
PLANS = st.sampled_from(["STARTER", "PROFESSIONAL", "SCALE", "starter", "GOLD", ""])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Mars/Olympus", "../../etc/passwd", ""])


REQUESTS = st.fixed_dictionaries(
    {"org_slug": SLUGS, "company_name": NAMES, "admin_email": EMAILS}, optional={"subscription_plan": PLANS, "timezone": ZONES}
)


@given(asked=REQUESTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_onboarding_succeeds_exactly_where_the_dry_run_says_ready(bootstrapped: Parts, asked: dict[str, str]):
    if not bootstrapped.ledger.read(orgs.taken, "taken_org"):
        assert await onboard(bootstrapped, {**GOOD, "org_slug": "taken_org"}) is None

    verdicts = await dry_run(bootstrapped, asked)
    fault = await onboard(bootstrapped, asked)

    failed = {check for check, result in verdicts.items() if result == "failed"}
    assert (fault is None) == (not failed), (failed, fault)
    if fault is None:
        await erase(bootstrapped, asked["org_slug"])
    elif failed == {"organization_is_new"}:
        assert isinstance(fault, Conflict)
    else:
        assert isinstance(fault, Rejected)
        assert {flaw.field for flaw in fault.flaws} == {
            "org_slug" if check == "org_slug_format" else check for check in failed - {"organization_is_new"}
        }


async def test_before_bootstrap_both_say_to_bootstrap(parts: Parts):
    assert (await dry_run(parts, GOOD))["central_tables"] == "failed"

    # the run itself cannot be written down anywhere yet
    fault = await onboard(parts, GOOD)

    assert isinstance(fault, Misconfigured)
    assert "POST /api/v1/admin/bootstrap" in fault.detail


async def test_a_dataset_left_by_a_crash_is_taken_over(bootstrapped: Parts):
    tenant = Tenant(OrgSlug("good_org"), Environment.DEVELOPMENT)
    assert bootstrapped.warehouse.ensure_dataset(tenant)

    assert await onboard(bootstrapped, GOOD) is None

    org = bootstrapped.ledger.read(orgs.get, "good_org")
    assert org is not None
    [profile] = bootstrapped.warehouse.query(tenant, "SELECT company_name, generation FROM x_org_profile").to_pylist()
    assert profile == {"company_name": "Good", "generation": 1}


async def test_the_comprehensive_view_has_one_row_a_day_and_never_doubles_costs(bootstrapped: Parts):
    assert await onboard(bootstrapped, GOOD) is None
    warehouse, tenant = bootstrapped.warehouse, Tenant(OrgSlug("good_org"), Environment.DEVELOPMENT)
    at = datetime(2026, 11, 1, 6, tzinfo=UTC)
    cost = {"currency": "USD", "net_cost": "1.5", "completeness": "complete", "pipeline_logging_id": "r", "published_at": at}
    run = {
        "org_slug": "good_org",
        "pipeline_id": "p",
        "document": "gcp/cost/billing",
        "trigger_type": "api",
        "run_date": at.date(),
        "status": "SUCCESS",
    }
    with warehouse.publication(tenant, "r", Fence("test", 1)) as publication:
        days = [{**cost, "usage_date": at.date(), "provider": provider, "billed_cost": "2.5"} for provider in ("gcp", "openai")]
        publication.append("x_cost_daily", days)
        publication.append("x_meta_pipeline_runs", [{**run, "pipeline_logging_id": f"run-{number}"} for number in range(3)])

    [day] = warehouse.query(tenant, "SELECT day, runs, runs_succeeded, costs FROM org_comprehensive_view").to_pylist()

    assert (day["day"], day["runs"], day["runs_succeeded"]) == (at.date(), 3, 3)
    assert [(one["provider"], str(one["billed_cost"])) for one in day["costs"]] == [("gcp", "2.500000000"), ("openai", "2.500000000")]


def test_the_letters_of_a_slug_are_those_of_the_issue():
    allowed = set(string.ascii_lowercase + string.digits + "_")

    assert {letter for letter in map(chr, range(0x250)) if slug_flaw(f"aa{letter}") is None} == allowed
