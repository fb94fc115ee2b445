"""A service account's key from its setup to its removal, as a caller and as the files of the service see it."""

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.observed import audits, change, held, new_slug, problem, rows
from tests.acceptance.test_keyring import rotate
from tests.acceptance.test_secrets import ledger_texts
from tests.fakes.google import DETAILED, STANDARD, FakeGoogle, acme, error, key_pair, pem, service_account, serving
from tests.fakes.running import ROOT_KEY, RunningService, free_port


@pytest.fixture(scope="module")
def shared_google() -> Iterator[FakeGoogle]:
    with serving(acme()) as made:
        yield made


@pytest.fixture
def google(shared_google: FakeGoogle) -> FakeGoogle:
    """As it was at first, whatever the test before did to it."""
    fresh = acme()
    shared_google.projects, shared_google.keys = fresh.projects, {}
    shared_google.disabled, shared_google.blind = set(), set()
    shared_google.fail, shared_google.delay = fresh.fail, 0.0
    shared_google.knows(service_account())
    return shared_google


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, shared_google: FakeGoogle) -> Iterator[RunningService]:
    settings = {**shared_google.settings, "LOG_LEVEL": "debug", "WORKER_ENABLED": "false"}
    running = RunningService(tmp_path_factory.mktemp("integrations") / "data", settings).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


@pytest.fixture
def org(service: RunningService) -> tuple[str, str]:
    slug = new_slug()
    return slug, service.key_of(slug)


def setup(service: RunningService, org: tuple[str, str], credential: object = None, provider: str = "gcp", **more: object):
    body = {"credential": json.dumps(service_account()) if credential is None else credential, **more}
    return service.call("POST", f"/api/v1/integrations/{org[0]}/{provider}/setup", key=org[1], json=body)


def get(service: RunningService, org: tuple[str, str], path: str = "/gcp"):
    answer = service.call("GET", f"/api/v1/integrations/{org[0]}{path}", key=org[1])
    assert answer.status_code == 200, answer.text
    return answer.json()


def stored(service: RunningService, slug: str):
    return rows(service, "SELECT * FROM org_integration_credentials WHERE org_slug = ? ORDER BY credential_name", slug)


def test_a_key_that_opens_the_export_is_kept_sealed_and_never_shown(service, google, org):
    answer = setup(service, org)

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["status"], told["provider"], told["credential_name"], told["replaced"]) == ("SUCCESS", "gcp", "default", False)
    assert (told["subject"], told["validation_status"]) == ("reader@acme-billing.iam.gserviceaccount.com", "VALID")
    assert (told["project"], told["dataset"]) == ("acme-billing", "billing")
    assert {one["table"]: (one["kind"], one["billing_account"], one["counts"]) for one in told["tables"]} == {
        STANDARD: ("standard", "0A0A0A-1B1B1B-2C2C2C", False),
        DETAILED: ("detailed", "0A0A0A-1B1B1B-2C2C2C", True),
    }
    (row,) = stored(service, org[0])
    assert row["encrypted_credential"].startswith("v1.local-")
    assert (row["provider"], row["fingerprint"], row["validation_status"]) == ("gcp", told["credential_fingerprint"], "VALID")
    assert told["validated_at"]
    (run,) = rows(service, "SELECT * FROM org_meta_pipeline_runs WHERE pipeline_logging_id = ?", told["pipeline_logging_id"])
    assert (run["org_slug"], run["status"], json.loads(run["parameters"])["credential"]) == (org[0], "SUCCESS", "****")
    assert get(service, org)["credentials"] == [{name: told[name] for name in get(service, org)["credentials"][0]}]


@pytest.mark.parametrize("as_object", [True, False])
@pytest.mark.parametrize("provider", ["gcp", "GCP_SA", "gcp_sa"])
def test_the_key_is_taken_as_a_text_and_as_an_object_under_every_name_of_its_provider(service, google, org, as_object, provider):
    account = service_account()

    answer = setup(service, org, account if as_object else json.dumps(account, indent=2), provider)

    assert (answer.status_code, answer.json()["provider"]) == (200, "gcp"), answer.text
    assert get(service, org, f"/{provider}")["status"] == "VALID"


@pytest.mark.parametrize(
    "credential",
    [
        "sk-proj-abcdefghijklmnop",
        "AIza" + "S" * 35,
        '{"type": "authorized_user"}',
        '{"type": "service_account"}',
        "{",
        "",
        {"type": "external_account"},
        {"private_key": "x", "client_email": "y"},
    ],
)
def test_a_credential_of_the_wrong_kind_is_refused_and_nothing_is_asked_or_stored(service, google, org, credential):
    asked = len(google.asked)

    told = problem(setup(service, org, credential), 422, "rejected")

    assert "service account" in told["detail"]
    assert "Service Accounts" in told["detail"]
    assert told["errors"][0]["field"].startswith("credential")
    assert stored(service, org[0]) == []
    assert len(google.asked) == asked


@pytest.mark.parametrize("credential", [None, 7, ["a"], "\\ud800", True])
def test_what_is_no_credential_at_all_is_refused_at_the_door(service, org, credential):
    path = f"/api/v1/integrations/{org[0]}/gcp/setup"

    problem(service.call("POST", path, key=org[1], json={"credential": credential}), 422, "rejected")


def test_a_key_the_provider_refuses_is_told_in_its_words_and_not_kept(service, google, org):
    google.knows(service_account(), number=1)
    assert "Invalid JWT Signature" in problem(setup(service, org), 422, "rejected")["detail"]
    google.knows(service_account())
    google.disabled.add(service_account()["client_email"])
    assert "was disabled" in problem(setup(service, org), 422, "rejected")["detail"]
    google.disabled.clear()
    google.blind.add(service_account()["client_email"])
    told = problem(setup(service, org), 422, "rejected")["detail"]
    assert "roles/bigquery.dataViewer" in told
    assert "roles/bigquery.jobUser" in told
    assert stored(service, org[0]) == []
    failed = rows(service, "SELECT * FROM org_audit_logs WHERE org_slug = ? AND action = 'integrations.setup'", org[0])
    assert [one["outcome"] for one in failed] == ["FAILED"] * 3


def test_a_provider_that_does_not_answer_is_no_refusal_and_nothing_is_kept(service, google, org):
    google.fail = lambda _path: error(503, "later", "backendError")
    problem(setup(service, org), 503, "unavailable")
    google.fail = lambda _path: error(429, "slow down", "rateLimitExceeded", Retry_After="1")
    answer = setup(service, org)
    problem(answer, 429, "throttled")
    assert answer.headers["retry-after"] == "1"
    assert stored(service, org[0]) == []


def test_setting_up_again_takes_the_place_of_the_one_before_and_the_trail_says_so(service, google, org):
    first = setup(service, org).json()
    before = stored(service, org[0])[0]
    google.knows(service_account(number=1), number=1)

    answer = service.call(
        "POST",
        f"/api/v1/integrations/{org[0]}/gcp/setup",
        key=org[1],
        json={"credential": service_account(number=1), "settings": {"tables": [STANDARD]}},
        X_Request_ID=f"again-{org[0]}",
    )

    assert answer.json()["replaced"] is True
    assert [one["table"] for one in answer.json()["tables"] if one["counts"]] == [STANDARD]
    (after,) = stored(service, org[0])
    assert (after["credential_id"] != before["credential_id"], after["fingerprint"] != before["fingerprint"]) == (True, True)
    (audit,) = audits(service, f"again-{org[0]}")
    details = json.loads(audit["details"])
    assert (audit["outcome"], details["replaced"], details["fingerprint"]) == (
        "SUCCESS",
        first["credential_fingerprint"],
        after["fingerprint"],
    )


def test_a_refusal_of_the_new_key_leaves_the_old_one_alone(service, google, org):
    setup(service, org)
    before = stored(service, org[0])

    problem(setup(service, org, service_account("stranger", number=1)), 422, "rejected")

    assert stored(service, org[0]) == before


def test_validating_again_changes_the_status_with_what_the_provider_says(service, google, org):
    setup(service, org)
    path = f"/api/v1/integrations/{org[0]}/gcp/validate"
    google.disabled.add(service_account()["client_email"])

    refused = service.call("POST", path, key=org[1])

    assert refused.status_code == 200, refused.text
    assert refused.json()["validation_status"] == "INVALID"
    assert "was disabled" in refused.json()["validation_error"]
    assert get(service, org)["status"] == "INVALID"
    google.disabled.clear()
    del google.projects["acme-billing"]["billing"][DETAILED]
    valid = service.call("POST", path, key=org[1]).json()
    assert (valid["validation_status"], valid["validation_error"]) == ("VALID", None)
    assert [(one["table"], one["counts"]) for one in valid["tables"]] == [(STANDARD, True)]
    google.fail = lambda _path: error(500, "broken", "backendError")
    problem(service.call("POST", path, key=org[1]), 503, "unavailable")
    assert get(service, org)["status"] == "UNREACHABLE"
    problem(service.call("POST", f"{path}?credential_name=other", key=org[1]), 404, "missing")


def test_all_providers_are_listed_with_how_they_stand(service, google, org):
    setup(service, org, credential_name="prod")
    setup(service, org, credential_name="test")

    listed = get(service, org, "")["integrations"]

    assert [(one["provider"], one["status"], len(one["credentials"])) for one in listed] == [
        ("gcp", "VALID", 2),
        *((name, "NOT_SERVED", 0) for name in ("aws", "azure")),
        *((name, "NOT_SET_UP", 0) for name in ("openai", "anthropic", "deepseek")),
    ]
    assert get(service, (org[0], org[1]), "/claude")["provider"] == "anthropic"
    other = new_slug()
    assert get(service, (other, service.key_of(other)))["status"] == "NOT_SET_UP"


def test_a_credential_is_removed_by_its_name_and_is_gone(service, google, org):
    setup(service, org, credential_name="prod")
    setup(service, org)
    path = f"/api/v1/integrations/{org[0]}/gcp"

    answer = service.call("DELETE", f"{path}?credential_name=prod", key=org[1], X_Request_ID=f"gone-{org[0]}")

    assert (answer.status_code, answer.json()["state"]) == (200, "deleted")
    assert answer.json()["kept"] == ["the credential 'default'", "what was loaded with it: tables, books and runs"]
    assert [one["credential_name"] for one in stored(service, org[0])] == ["default"]
    # what ran by itself with it goes too
    done = {(one["action"], one["outcome"]) for one in audits(service, f"gone-{org[0]}")}
    assert done == {("integrations.delete", "SUCCESS"), ("schedules.delete", "SUCCESS")}
    assert "it has default" in problem(service.call("DELETE", f"{path}?credential_name=prod", key=org[1]), 404, "missing")["detail"]


def test_providers_that_are_not_known_or_not_served_get_a_plain_answer(service, org):
    assert "did you mean 'gcp'" in problem(setup(service, org, provider="gcpp"), 404, "missing")["detail"]
    for method, path in (("POST", "azure/setup"), ("POST", "azure/validate"), ("DELETE", "aws")):
        answer = service.call(method, f"/api/v1/integrations/{org[0]}/{path}", key=org[1], json={"credential": "sk-abcdefgh"})
        assert "not served by this release yet" in problem(answer, 422, "rejected")["detail"]


def test_the_root_key_may_do_all_of_it_for_an_organisation_that_exists(service, google, org):
    path = f"/api/v1/integrations/{org[0]}"
    assert service.admin("POST", f"{path}/gcp/setup", {"credential": service_account()}).status_code == 200
    assert service.admin("POST", f"{path}/gcp/validate").status_code == 200
    assert service.admin("GET", path).json()["integrations"][0]["status"] == "VALID"
    assert service.admin("DELETE", f"{path}/gcp").status_code == 200
    nobody = f"/api/v1/integrations/{new_slug()}"
    for method, where, body in (
        ("GET", nobody, None),
        ("POST", f"{nobody}/gcp/setup", {"credential": service_account()}),
        ("POST", f"{nobody}/gcp/validate", None),
        ("DELETE", f"{nobody}/gcp", None),
    ):
        problem(service.admin(method, where, body), 404, "missing")


def test_another_organisations_key_sees_and_changes_nothing(service, google, org):
    setup(service, org)
    other = service.key_of(new_slug())

    for method, path in (("GET", ""), ("GET", "/gcp"), ("POST", "/gcp/setup"), ("POST", "/gcp/validate"), ("DELETE", "/gcp")):
        body = {"credential": service_account()} if path == "/gcp/setup" else None
        problem(service.call(method, f"/api/v1/integrations/{org[0]}{path}", key=other, json=body), 403, "not-yours")
    assert len(stored(service, org[0])) == 1


def test_a_row_copied_to_another_organisation_does_not_open(service, google, org):
    setup(service, org)
    thief = new_slug()
    key = service.key_of(thief)
    setup(service, (thief, key))
    text = stored(service, org[0])[0]["encrypted_credential"]
    with_text = f"UPDATE org_integration_credentials SET encrypted_credential = '{text}' WHERE org_slug = '{thief}'"
    change(service, with_text)

    problem(service.call("POST", f"/api/v1/integrations/{thief}/gcp/validate", key=key), 500, "tampered")
    change(service, f"DELETE FROM org_integration_credentials WHERE org_slug = '{thief}'")


def test_the_keyrings_rotation_moves_credentials_too(service, google, org):
    setup(service, org)
    before = stored(service, org[0])[0]["encrypted_credential"]

    answer = rotate(service)

    assert answer.returncode == 0, answer.stderr
    after = stored(service, org[0])[0]["encrypted_credential"]
    assert after.split(".")[1] != before.split(".")[1]
    assert after.rsplit(".", 1)[1] == before.rsplit(".", 1)[1]
    assert service.call("POST", f"/api/v1/integrations/{org[0]}/gcp/validate", key=org[1]).json()["validation_status"] == "VALID"


def test_offboarding_takes_the_credentials_along(service, google, org):
    setup(service, org)

    answer = service.admin("DELETE", f"/api/v1/organizations/{org[0]}", {"confirm": org[0]})

    assert answer.json()["erased"]["rows"]["org_integration_credentials"] == 1
    assert stored(service, org[0]) == []


def test_a_planted_key_is_written_nowhere_in_clear(service, google, org):
    account = service_account()
    path = f"/api/v1/integrations/{org[0]}/gcp"
    texts = [setup(service, org).text, setup(service, org, account).text, service.call("POST", f"{path}/validate", key=org[1]).text]
    google.fail = lambda _path: error(400, f"I was given {account['private_key']} and ya29.{'t' * 60}", "invalid")
    texts += [setup(service, org).text, service.call("POST", f"{path}/validate", key=org[1]).text]
    google.fail = lambda _path: (400, {"error": "invalid_grant", "error_description": f"bad: {json.dumps(account)}"}, {})
    texts += [setup(service, org).text, service.call("POST", f"{path}/validate", key=org[1]).text]
    pretty = json.dumps({**account, "client_email": ""}, indent=1)
    texts += [setup(service, org, broken).text for broken in (pretty, json.dumps(account)[:-30], account["private_key"], [account])]
    texts += [setup(service, org, settings={"project": account["private_key"]}).text, setup(service, org, credential_name="x").text]
    texts.append(service.call("GET", f"/api/v1/integrations/{org[0]}", key=org[1]).text)
    texts.append(service.call("GET", f"{path}?credential={account['private_key'][28:90]}", key=org[1]).text)

    places = {"answers": "\n".join(texts), "log": service.log.read_text(), **ledger_texts(service.data / "ledger.db")}
    places |= {str(path): file.content.decode("latin-1") for path, file in held(service).items() if not path.name.startswith("ledger.db")}
    planted = [line for line in pem(key_pair()).splitlines() if not line.startswith("-----")]
    found = [(place, line) for place, text in places.items() for line in [*planted, "ya29.", ROOT_KEY] if line in text]

    assert not found
    assert "pipeline" in places["log"]
    assert "I was given ****" in places["answers"]


def test_a_service_that_cannot_reach_google_says_so(fresh, google):
    dead = f"http://127.0.0.1:{free_port()}"
    service = fresh(GCP_TOKEN_URL=f"{dead}/token", BIGQUERY_URL=dead, WORKER_ENABLED="false").bootstrap()
    org = ("unreached_org", service.key_of("unreached_org"))

    assert "could not be reached" in problem(setup(service, org), 503, "unavailable")["detail"]
    assert stored(service, org[0]) == []
