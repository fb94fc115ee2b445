"""Thousands of generated calls against the whole service: nothing answers 5xx, and every answer is what the document says."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from src.app.config import Settings
from src.app.service import create_app
from tests.fakes.running import ROOT_KEY, RunningService

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES = [50, pytest.param(300, marks=pytest.mark.proof)]  # drawn anew in every run
CALL_SECONDS = 120.0
OPERATIONS = [
    (path, method)
    for path, operations in sorted(create_app(Settings(ca_root_api_key=ROOT_KEY, _env_file=None)).openapi()["paths"].items())
    for method in operations
    if path != "/health/ready"
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory):
    service = RunningService(tmp_path_factory.mktemp("fuzz") / "data", {"LOG_LEVEL": "error"}).start()
    try:
        yield schemathesis.openapi.from_url(f"{service.bootstrap().address}/openapi.json", timeout=CALL_SECONDS)
    finally:
        service.stop()


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_no_generated_call_breaks_the_service(api, path, method, examples):
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=api[path][method].as_strategy())
    def call(case: Any) -> None:
        case.call_and_validate(checks=CHECKS, headers={"X-CA-Root-Key": ROOT_KEY}, timeout=CALL_SECONDS)

    call()
