"""The service with its keys in Cloud KMS: in use, turned, out of reach, and moved to from a keyring file."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.acceptance.observed import new_slug, problem, rows, until
from tests.acceptance.test_integrations import setup, stored
from tests.acceptance.test_keyring import rotate
from tests.fakes.google import FakeGoogle, acme, service_account, serving
from tests.fakes.kms import KEY, FakeKms, serving_kms
from tests.fakes.running import RunningService, free_port


@pytest.fixture(scope="module")
def google() -> Iterator[FakeGoogle]:
    with serving(acme()) as made:
        made.knows(service_account())
        yield made


class Switch:
    """Cloud KMS at one address, which can go away and come back with its keys."""

    def __init__(self) -> None:
        self.kms = FakeKms(port=free_port())
        self._served = ExitStack()
        self.on()

    def on(self) -> None:
        self._served.enter_context(serving_kms(self.kms))

    def off(self) -> None:
        self._served.close()


@pytest.fixture
def switch() -> Iterator[Switch]:
    made = Switch()
    yield made
    made.off()


def in_cloud(google: FakeGoogle, switch: Switch) -> dict[str, str]:
    return {**google.settings, "KMS_KEY_NAME": KEY, "KMS_URL": switch.kms.url, "WORKER_ENABLED": "false"}


def sealed(service: RunningService) -> set[str]:
    """The ids of all keys that what is stored now needs."""
    texts = rows(
        service,
        "SELECT sealed_key AS text FROM org_api_keys UNION ALL SELECT encrypted_credential FROM org_integration_credentials",
    )
    return {str(row["text"]).removeprefix("v1.").rsplit(".", 2)[0] for row in texts}


def validate(service: RunningService, org: tuple[str, str]):
    return service.call("POST", f"/api/v1/integrations/{org[0]}/gcp/validate", key=org[1])


def test_what_is_sealed_moves_with_the_primary_version(fresh, google, switch):
    service: RunningService = fresh(**in_cloud(google, switch)).bootstrap()
    slug = new_slug()
    org = (slug, service.key_of(slug))
    assert setup(service, org).status_code == 200
    first = switch.kms.version(1)
    assert sealed(service) == {first}
    assert not (service.data / "keyring.json").exists()

    second = switch.kms.rotate()
    answer = rotate(service, **service.settings)

    assert answer.returncode == 0, answer.stderr
    assert f"{second} is the primary version in Cloud KMS; 2 secrets sealed under it, 0 were already" in answer.stdout
    assert sealed(service) == {second}
    noted = rows(service, "SELECT kms_key_id, keyring, key_name, status FROM org_kms_keys ORDER BY kms_key_id")
    assert [tuple(row.values()) for row in noted] == [(first, "gcp_kms", first, "ACTIVE"), (second, "gcp_kms", second, "CURRENT")]
    switch.kms.put("DESTROYED", 1)
    assert validate(service, org).json()["validation_status"] == "VALID"
    assert "0 secrets sealed under it, 2 were already" in rotate(service, **service.settings).stdout


def test_an_outage_stores_nothing_and_passes(fresh, google, switch):
    switch.off()
    service: RunningService = fresh(**in_cloud(google, switch)).bootstrap()
    slug, other = new_slug(), new_slug()
    assert "Cloud KMS did not answer" in problem(service.call("GET", "/health/ready"), 503, "not-ready")["checks"]["vault"]["detail"]
    switch.on()
    until_ready(service)
    org = (slug, service.key_of(slug))
    assert setup(service, org).status_code == 200
    before = stored(service, slug), sealed(service)

    switch.off()

    assert "KMS_URL" in problem(setup(service, org), 503, "unavailable")["detail"]
    problem(validate(service, org), 503, "unavailable")
    assert "KMS_URL" in problem(service.onboard(other), 503, "unavailable")["detail"]
    problem(turn_key(service, slug), 503, "unavailable")
    until(lambda: service.call("GET", "/health/ready").status_code == 503)  # good news may be a second old
    assert (stored(service, slug), sealed(service)) == before
    assert rows(service, "SELECT * FROM org_profiles WHERE org_slug = ?", other) == []
    assert service.call("GET", "/api/v1/whoami", key=org[1]).status_code == 200
    failed = rotate(service, **service.settings)
    assert (failed.returncode, "Cloud KMS did not answer" in failed.stderr) == (1, True)

    switch.on()

    until_ready(service)
    assert validate(service, org).json()["validation_status"] == "VALID"
    assert setup(service, org).status_code == 200
    assert service.onboard(other).status_code == 201


def test_a_missing_role_and_a_disabled_version_are_told_with_their_mend(fresh, google, switch):
    service: RunningService = fresh(**in_cloud(google, switch)).bootstrap()
    slug = new_slug()
    service.key_of(slug)
    before = rows(service, "SELECT * FROM org_api_keys")

    switch.kms.denied.add(KEY)
    assert "roles/cloudkms.cryptoKeyEncrypterDecrypter" in problem(turn_key(service, slug), 503, "misconfigured")["detail"]
    assert "roles/cloudkms.cryptoKeyEncrypterDecrypter" in service.onboard(new_slug()).json()["detail"]
    switch.kms.denied.clear()
    switch.kms.put("DISABLED")
    assert "gcloud kms keys versions enable 1" in problem(turn_key(service, slug), 503, "misconfigured")["detail"]
    assert rows(service, "SELECT * FROM org_api_keys") == before

    switch.kms.put("ENABLED")
    assert turn_key(service, slug).status_code == 201


def test_secrets_of_a_keyring_file_move_under_kms(fresh, google, switch):
    service: RunningService = fresh(**google.settings, WORKER_ENABLED="false").bootstrap()
    slug = new_slug()
    org = (slug, service.key_of(slug))
    assert setup(service, org).status_code == 200
    kept = json.loads((service.data / "keyring.json").read_text())["current"]
    assert sealed(service) == {kept}

    again(service, **in_cloud(google, switch), LOCAL_KEYRING=str(service.data / "keyring.json"))
    assert validate(service, org).json()["validation_status"] == "VALID"
    service.key_of(new_slug())
    assert sealed(service) == {kept, switch.kms.version(1)}
    answer = rotate(service, **service.settings)
    assert "2 secrets sealed under it, 1 were already" in answer.stdout, answer.stderr
    assert sealed(service) == {switch.kms.version(1)}

    again(service, **google.settings, WORKER_ENABLED="false")
    assert KEY in problem(validate(service, org), 503, "misconfigured")["detail"]

    (service.data / "keyring.json").unlink()
    again(service, **in_cloud(google, switch))
    assert validate(service, org).json()["validation_status"] == "VALID"


def turn_key(service: RunningService, slug: str):
    return service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 24})


def again(service: RunningService, **settings: str) -> None:
    service.stop()
    service.settings = settings
    service.start()


def until_ready(service: RunningService) -> None:
    """The channel looks again after a pause of its own."""
    until(lambda: service.call("GET", "/health/ready").status_code == 200)
