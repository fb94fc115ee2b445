"""Every POST either counts its Idempotency-Key or is one of those that make nothing; whoever adds one decides which."""

from collections.abc import Mapping

from src.app.config import Settings
from src.app.service import create_app

RUN, BACKFILL = "/api/v1/pipelines/run/{org_slug}/{provider}/{domain}", "/api/v1/pipelines/backfill/{org_slug}/{provider}/{domain}"
BOOKS, HOOK = "/api/v1/integrations/{org_slug}/{provider}", "/api/v1/organizations/{org_slug}/webhooks"

COUNTS = {
    "/api/v1/admin/bootstrap",
    "/api/v1/organizations/onboard",
    "/api/v1/organizations/{org_slug}/keys/rotate",
    "/api/v1/organizations/{org_slug}/channels",
    "/api/v1/organizations/{org_slug}/notifications/{notification_id}/replay",
    HOOK,
    f"{HOOK}/{{webhook_id}}/rotate-secret",
    f"{HOOK}/{{webhook_id}}/replay",
    f"{BOOKS}/setup",
    f"{BOOKS}/pricing",
    f"{BOOKS}/pricing/reset",
    f"{BOOKS}/pricing/discount",
    f"{BOOKS}/subscriptions",
    f"{BOOKS}/subscriptions/reset",
    "/api/v1/imports/{org_slug}/{provider}",
    RUN,
    f"{RUN}/{{pipeline}}",
    BACKFILL,
    f"{BACKFILL}/{{pipeline}}",
    "/api/v1/scheduler/customer/{org_slug}/pipelines",
    "/api/v1/scheduler/requeue/{queue_or_run_id}",
    "/api/v1/scheduler/reset-daily-quotas",
    "/api/v1/tenants/onboard",
    "/api/v1/tenants/{org_slug}/credentials",
}
MAKES_NOTHING: Mapping[str, str] = {
    "/api/v1/organizations/dryrun": "looks, and creates nothing",
    f"{BOOKS}/validate": "asks the provider again, and only notes what it says",
    "/api/v1/organizations/{org_slug}/channels/{channel_id}/test": "sends a test each time it is asked, which is what a test is for",
    f"{HOOK}/{{webhook_id}}/test": "sends a test each time it is asked, which is what a test is for",
    "/api/v1/pipelines/runs/{org_slug}/{pipeline_logging_id}/cancel": "ends what it names, and comes to the same the second time",
    "/api/v1/pipelines/backfills/{org_slug}/{backfill_id}/cancel": "ends what it names, and comes to the same the second time",
    "/api/v1/scheduler/trigger": "takes what is due, each due time once however often it is called",
    "/api/v1/scheduler/process-queue": "has runs taken that wait, each once however often it is called",
    "/api/v1/scheduler/process-notifications": "has messages sent that wait, each once however often it is called",
}


def test_every_post_is_of_one_list_and_says_so_in_the_document() -> None:
    paths = create_app(Settings(ca_root_api_key="admin_key", _env_file=None)).openapi()["paths"]
    posts = {path: operations["post"] for path, operations in paths.items() if "post" in operations}

    assert not COUNTS & MAKES_NOTHING.keys()
    assert posts.keys() == COUNTS | MAKES_NOTHING.keys()
    told = {path for path, post in posts.items() if any(one["name"] == "Idempotency-Key" for one in post.get("parameters", ()))}
    assert told == COUNTS
