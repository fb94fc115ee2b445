"""Health, metrics and the documentation pages, and how the last are turned off."""

import re
from collections.abc import Iterator

import pytest

from tests.acceptance.observed import new_slug, problem, send
from tests.fakes.running import ROOT_KEY, RunningService

ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def undocumented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """No docs, the root key under its older name, one browser origin, small bodies."""
    settings = {
        "ENABLE_API_DOCS": "false",
        "CA_ROOT_API_KEY": "",
        "ADMIN_API_KEY": ROOT_KEY,
        "CORS_ORIGINS": f'["{ORIGIN}"]',
        "MAX_BODY_BYTES": "2000",
    }
    running = RunningService(tmp_path_factory.mktemp("undocumented") / "data", settings).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


def test_health_and_life_need_no_key(service: RunningService):
    health, live, ready = (service.call("GET", path) for path in ("/health", "/health/live", "/health/ready"))

    assert (health.status_code, live.status_code, ready.status_code) == (200, 200, 200)
    assert (health.json()["status"], health.json()["environment"]) == ("healthy", "development")
    assert all(check["status"] == "ok" for check in ready.json()["checks"].values())


def test_metrics_are_prometheus_text_and_count_requests(service: RunningService):
    service.call("GET", "/health/live")

    answer = service.call("GET", "/metrics")

    lines = answer.text.splitlines()
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE http_requests_total counter" in lines
    (counted,) = [line for line in lines if line.startswith('http_requests_total{method="GET",route="/health/live",status="200"}')]
    assert float(counted.split()[-1]) >= 1


def test_metrics_hold_no_slug_and_no_key(service: RunningService):
    slug = new_slug("unmeasured")
    key = service.key_of(slug)
    service.call("GET", f"/api/v1/organizations/{slug}/keys", key=key)
    service.call("GET", f"/api/v1/nowhere/{slug}", key=key)

    text = service.call("GET", "/metrics").text

    assert slug not in text
    assert key not in text


@pytest.mark.parametrize(("path", "mark"), [("/docs", "swagger-ui"), ("/redoc", "redoc")])
def test_the_docs_load_nothing_from_elsewhere(service: RunningService, path, mark):
    page = service.call("GET", path)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert mark in page.text
    assert re.findall(r"""(?:https?:)?//[\w.-]+""", page.text) == []
    assert "'self'" in page.headers["content-security-policy"]
    assert "https:" not in page.headers["content-security-policy"]
    assets = re.findall(r"""(?:src|href)="([^"]+)\"""", page.text)
    assert assets
    for asset in assets:
        served = service.call("GET", f"/{asset}")
        assert served.status_code == 200, asset
        assert served.content


def test_the_openapi_document_names_every_call(service: RunningService):
    document = service.call("GET", "/openapi.json").json()

    assert document["openapi"].startswith("3.")
    assert {(method.upper(), path) for path, calls in document["paths"].items() for method in calls} >= {
        ("GET", "/health"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/whoami"),
        ("POST", "/api/v1/admin/bootstrap"),
        ("POST", "/api/v1/organizations/dryrun"),
        ("POST", "/api/v1/organizations/onboard"),
        ("GET", "/api/v1/organizations"),
        ("GET", "/api/v1/organizations/{org_slug}"),
        ("DELETE", "/api/v1/organizations/{org_slug}"),
        ("GET", "/api/v1/organizations/{org_slug}/keys"),
        ("POST", "/api/v1/organizations/{org_slug}/keys/rotate"),
        ("DELETE", "/api/v1/organizations/{org_slug}/keys/{fingerprint}"),
    }


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css", "/docs/oauth2-redirect"])
def test_the_docs_are_gone_when_turned_off(undocumented: RunningService, path):
    problem(undocumented.call("GET", path), 404, "missing")
    assert undocumented.call("GET", "/health").status_code == 200


def test_the_older_name_of_the_root_key_serves_under_both_headers(undocumented: RunningService):
    assert undocumented.call("GET", "/api/v1/organizations", X_CA_Root_Key=ROOT_KEY).status_code == 200
    assert undocumented.call("GET", "/api/v1/organizations", X_Admin_Key=ROOT_KEY).status_code == 200
    problem(undocumented.call("GET", "/api/v1/organizations", X_Admin_Key=ROOT_KEY + "x"), 401, "unauthenticated")


def test_a_configured_origin_may_call_and_reads_our_headers(undocumented: RunningService):
    asked = undocumented.call(
        "OPTIONS",
        "/api/v1/organizations",
        Origin=ORIGIN,
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="x-api-key",
    )
    answer = undocumented.admin("GET", "/api/v1/organizations", Origin=ORIGIN)
    refused = undocumented.call("GET", "/api/v1/organizations", Origin=ORIGIN)

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "x-api-key" in asked.headers["access-control-allow-headers"].lower()
    for call in (answer, refused):
        assert call.headers["access-control-allow-origin"] == ORIGIN
        assert "Origin" in call.headers["vary"]
        assert "x-request-id" in call.headers["access-control-expose-headers"].lower()
    assert (answer.status_code, refused.status_code) == (200, 401)


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://app.example.com", f"{ORIGIN}.evil.example.com", "null"])
def test_another_origin_is_given_nothing(undocumented: RunningService, origin):
    asked = undocumented.call("OPTIONS", "/api/v1/organizations", Origin=origin, Access_Control_Request_Method="GET")
    answer = undocumented.admin("GET", "/api/v1/organizations", Origin=origin)

    assert "access-control-allow-origin" not in asked.headers
    assert asked.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


def test_without_configured_origins_no_origin_is_allowed(service: RunningService):
    answer = service.admin("GET", "/api/v1/organizations", Origin=ORIGIN)

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(undocumented: RunningService, chunked):
    fits = b'{"force_recreate_dataset": false}'.ljust(2000)
    path, headers = "/api/v1/admin/bootstrap", {"X_CA_Root_Key": ROOT_KEY, "Content_Type": "application/json"}

    answer = send(undocumented, "POST", path, iter([fits]) if chunked else fits, **headers)
    refused = send(undocumented, "POST", path, iter([fits, b" "]) if chunked else fits + b" ", **headers)

    assert answer.status_code == 200
    assert "2000 bytes" in problem(refused, 413, "too-large")["detail"]
    assert undocumented.call("GET", "/health").status_code == 200
