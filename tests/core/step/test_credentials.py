import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from src.app.wiring import Parts
from src.core.base.faults import Conflict, Misconfigured, Missing, Rejected, Tampered, Timeout
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.ledger.tables import audit, orgs
from src.core.ledger.tables import credentials as stored
from src.core.processors.gcp import authenticator, validation
from src.core.processors.integrations import kms_decrypt, kms_store, validate, validate_gcp
from src.core.step import credentials, probe
from src.core.step.context import StepContext
from src.core.step.credentials import Proven
from tests.contract.ledger.samples import AT, org
from tests.fakes.google import DETAILED, EXPORT_COLUMNS, RESOURCE, STANDARD, FakeGoogle, FakeTable, acme, record, service_account, serving
from tests.fakes.odd_keys import made_of

ACME, GLOBEX = (Tenant(OrgSlug(name), Environment.DEVELOPMENT) for name in ("acme", "globex"))


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with serving(acme()) as made:
        made.knows(service_account())
        yield made


@pytest.fixture
def parts(tmp_path: Path, google: FakeGoogle) -> Iterator[Parts]:
    opened = Parts(Settings(ca_root_api_key="admin_key", embedded_data_dir=tmp_path, _env_file=None, **google.settings))  # type: ignore[arg-type]
    opened.ledger.bootstrap()
    with opened.ledger.writing() as unit:
        org(unit, "acme")
        org(unit, "globex")
    yield opened
    opened.close()


def context(parts: Parts, tenant: Tenant | None = ACME, **more: object) -> StepContext:
    made = StepContext("run1", "validate_credential", Actor("org", ACME.org_slug, "user-7"), parts, structlog.get_logger(), tenant)
    return replace(made, **more)  # type: ignore[arg-type]


def proven(name: str = "default", **more: object) -> Proven:
    secret = Secret(json.dumps(service_account()))
    made = Proven("gcp", name, secret, "mark", "reader", {"project": "p", "tables": []}, generation=1, validated_at=AT)
    return replace(made, **more)  # type: ignore[arg-type]


def test_what_was_stored_opens_for_its_own_organisation_alone(parts: Parts):
    record, before = credentials.store(context(parts), proven())

    opened = credentials.open(parts, ACME, "gcp")

    assert before is None
    assert opened.secret == proven().secret
    assert (opened.credential_id, opened.connection, opened.subject) == (record.credential_id, {"project": "p", "tables": []}, "reader")
    assert "PRIVATE" not in repr(opened)
    with pytest.raises(Missing, match="organisation globex has no gcp credential"):
        credentials.open(parts, GLOBEX, "gcp")
    with pytest.raises(Missing, match="did you mean 'default'"):
        credentials.open(parts, ACME, "gcp", "defualt")


@pytest.mark.parametrize("change", [{"org_slug": "globex"}, {"provider": "aws"}, {"credential_id": "another"}])
def test_a_sealed_text_opens_only_as_the_row_it_was_sealed_for(parts: Parts, change: dict[str, str]):
    record, _ = credentials.store(context(parts), proven())
    parts.ledger.write(stored.remove, "acme", "gcp", "default")
    moved = replace(record, **change)  # type: ignore[arg-type]
    parts.ledger.write(stored.put, moved)

    with pytest.raises(Tampered):
        credentials.open(parts, GLOBEX if moved.org_slug == "globex" else ACME, moved.provider)


def test_the_key_that_sealed_it_and_who_asked_are_written_down(parts: Parts):
    credentials.store(context(parts), proven())
    credentials.store(context(parts), proven(fingerprint="newer"))

    second, first = parts.ledger.read(audit.page, "acme", None, 10)

    assert (first.action, first.user_id, first.details and first.details["replaced"]) == ("integrations.setup", "user-7", None)
    assert second.details is not None
    assert (second.details["fingerprint"], second.details["replaced"]) == ("newer", "mark")
    assert parts.ledger.read(stored.find, "acme", "gcp", "default").fingerprint == "newer"  # type: ignore[union-attr]


def test_nothing_is_stored_for_an_organisation_that_is_gone_going_or_new(parts: Parts):
    with pytest.raises(Conflict, match="onboarded anew"):
        credentials.store(context(parts), proven(generation=2))
    parts.ledger.write(orgs.begin_offboarding, "acme", AT)
    with pytest.raises(Conflict, match="off-boarded"):
        credentials.store(context(parts), proven())
    parts.ledger.write(orgs.erase, "acme", AT)
    with pytest.raises(Missing):
        credentials.store(context(parts), proven())
    assert parts.ledger.read(stored.list_for, "acme") == []


def test_what_was_proven_for_one_owner_of_a_slug_is_not_stored_for_the_next(parts: Parts):
    parts.ledger.write(orgs.erase, "acme", AT)
    parts.ledger.write(org, "acme", generation=2)

    with pytest.raises(Conflict, match="onboarded anew"):
        credentials.store(context(parts), proven())
    assert parts.ledger.read(stored.list_for, "acme") == []


def test_an_attempt_that_was_given_up_stores_nothing(parts: Parts):
    late = context(parts)
    late.given_up.set()

    with pytest.raises(Timeout):
        credentials.store(late, proven())

    assert parts.ledger.read(stored.list_for, "acme") == []
    assert parts.ledger.read(audit.page, "acme", None, 10) == []


def test_a_step_takes_the_credential_an_earlier_one_opened_or_opens_it_by_name(parts: Parts):
    credentials.store(context(parts), proven("prod"))
    asked = context(parts, inputs={"credential_name": "prod"})
    earlier = {"credential": Secret("s"), "credential_id": "c", "credential_name": "n", "fingerprint": "f", "connection": {"project": "q"}}

    assert credentials.opened({}, asked, "gcp").name == "prod"
    assert credentials.opened({"credential_name": "prod"}, context(parts), "gcp").name == "prod"
    given = credentials.opened({"credential_from": "decrypt_it"}, context(parts, results={"decrypt_it": earlier}), "gcp")
    assert (given.secret, given.connection) == (Secret("s"), {"project": "q"})
    for wrong in ({}, {"decrypt_it": {"status": "SUCCESS"}}):
        with pytest.raises(Misconfigured, match="credential_from"):
            credentials.opened({"credential_from": "decrypt_it"}, context(parts, results=wrong), "gcp")
    with pytest.raises(Misconfigured, match="without its organisation"):
        credentials.opened({}, context(parts, tenant=None), "gcp")


async def test_from_setup_to_token_every_step_hands_on_what_the_next_one_needs(parts: Parts):
    given = context(parts, inputs={"credential": json.dumps(service_account()), "credential_name": "default"})
    validated = probe.validate("gcp", {}, given)
    results = {"validate_credential": validated}
    await kms_store.get_engine().execute({"credential_from": "validate_credential"}, context(parts, results=results))
    decrypted = await kms_decrypt.get_engine().execute({"provider": "gcp"}, context(parts))
    results = {"decrypt_credential": decrypted}

    token = await authenticator.get_engine().execute({"credential_from": "decrypt_credential"}, context(parts, results=results))

    assert isinstance(decrypted["credential"], Secret)
    assert decrypted["connection"]["dataset"] == "billing"
    assert (token["subject"], token["project"]) == ("reader@acme-billing.iam.gserviceaccount.com", "acme-billing")
    assert isinstance(token["token"], Secret)
    assert (await authenticator.get_engine().execute({}, context(parts)))["fingerprint"] == token["fingerprint"]
    with pytest.raises(Misconfigured, match="credential_from"):
        await kms_store.get_engine().execute({}, context(parts))


async def test_a_provider_is_asked_by_its_own_processor_or_by_the_general_one(parts: Parts):
    given = context(parts, inputs={"credential": json.dumps(service_account())})

    by_name = await validate.get_engine().execute({"provider": "gcp_sa"}, given)

    assert {**by_name, "validated_at": None} == {**await validate_gcp.get_engine().execute({}, given), "validated_at": None}
    with pytest.raises(Rejected, match="not served"):
        await validate.get_engine().execute({"provider": "aws"}, given)


def opened_by(parts: Parts) -> dict[str, object]:
    """What the step that opens a credential hands on."""
    return asyncio.run(kms_decrypt.get_engine().execute({"provider": "gcp"}, context(parts)))


async def set_up(parts: Parts) -> None:
    given = context(parts, inputs={"credential": Secret(json.dumps(service_account()))})
    results = {"validate_credential": probe.validate("gcp", {}, given)}
    await kms_store.get_engine().execute({"credential_from": "validate_credential"}, context(parts, results=results))


async def test_an_export_with_the_columns_of_the_template_passes_and_new_ones_are_told(parts: Parts, google: FakeGoogle):
    await set_up(parts)
    google.projects["acme-billing"]["billing"][DETAILED].columns += record("carbon")

    answer = await validation.get_engine().execute({}, context(parts))

    (table,) = answer["tables"]
    assert (table["table"], table["kind"], table["new"], table["missing_required"]) == (f"billing.{DETAILED}", "detailed", ("carbon",), ())
    assert {"price", "cost_at_list", "consumption_model.id"} <= set(table["missing"])
    assert not set(table["missing"]) & {"resource", "source_table", "ingest_date"}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ([one for one in EXPORT_COLUMNS if one["name"] != "cost"], "lacks the column cost"),
        ([one for one in EXPORT_COLUMNS if one["name"] != "credits"], "lacks the column credits.amount"),
        ([*(one for one in EXPORT_COLUMNS if one["name"] != "cost"), *record("cost")], r"another type in cost \(STRING\)"),
    ],
    ids=["cost", "credits", "type"],
)
async def test_an_export_that_cannot_be_loaded_fails_with_what_it_lacks(parts: Parts, google: FakeGoogle, columns, told):
    await set_up(parts)
    google.projects["acme-billing"]["billing"][DETAILED] = FakeTable([*columns, RESOURCE])

    with pytest.raises(Rejected, match=f"billing.{DETAILED} .*{told}"):
        await validation.get_engine().execute({}, context(parts))


async def test_an_export_that_is_gone_or_none_that_counts_fails(parts: Parts, google: FakeGoogle):
    await set_up(parts)
    del google.projects["acme-billing"]["billing"][DETAILED]
    with pytest.raises(Rejected, match="is gone"):
        await validation.get_engine().execute({}, context(parts))
    credentials.store(context(parts), proven())
    with pytest.raises(Rejected, match="names no export"):
        await validation.get_engine().execute({}, context(parts))


async def test_a_verdict_on_a_credential_replaced_meanwhile_is_not_written(parts: Parts, google: FakeGoogle):
    await set_up(parts)
    decrypted = await kms_decrypt.get_engine().execute({"provider": "gcp"}, context(parts))
    await set_up(parts)
    newer = parts.ledger.read(stored.find, "acme", "gcp", "default")
    google.disabled.add(service_account()["client_email"])

    with pytest.raises(Conflict, match="replaced or removed"):
        probe.validate("gcp", {"credential_from": "x"}, context(parts, results={"x": decrypted}))

    assert parts.ledger.read(stored.find, "acme", "gcp", "default") == newer


def test_what_a_run_asks_of_google_is_the_counted_table_only(parts: Parts, google: FakeGoogle):
    verdict = probe.probe(parts, "gcp", Secret(json.dumps(service_account())), {"tables": [STANDARD], "dataset": "billing"})

    assert verdict.valid
    assert [one["table"] for one in verdict.facts["tables"]] == [STANDARD]
    assert google.asked[1:] == [f"GET /bigquery/v2/projects/acme-billing/datasets/billing/tables/{STANDARD}"]
    with pytest.raises(Misconfigured):
        probe.probe(parts, "nobody", Secret("x"), {})


def test_an_attempt_that_was_given_up_asks_the_provider_nothing_more(parts: Parts, google: FakeGoogle):
    late = context(parts, inputs={"credential": json.dumps(service_account())})
    late.given_up.set()

    with pytest.raises(Timeout):
        probe.validate("gcp", {}, late)

    assert google.asked == []


def test_a_key_stored_before_of_more_bits_than_are_taken_is_found_invalid_by_its_length(parts: Parts, google: FakeGoogle):
    long = {**service_account(), "private_key": made_of(n=2**8192 - 1, d=2**8192 - 1, p=2**4096 - 1)}
    credentials.store(context(parts), proven(secret=Secret(json.dumps(long))))

    told = probe.validate("gcp", {"credential_from": "x"}, context(parts, results={"x": opened_by(parts)}))

    assert told["validation_status"] == "INVALID"
    assert "a key of 4096 bits, the most that is taken" in str(told["validation_error"])
    with pytest.raises(Rejected, match="a key of 4096 bits"):
        authenticator.authenticate({}, context(parts))
    assert google.asked == []


def test_a_name_that_looks_like_a_key_is_refused(parts: Parts):
    inputs = {"credential": json.dumps(service_account()), "credential_name": "sk-proj-abcdefghijkl"}

    with pytest.raises(Rejected, match="looks like a key"):
        probe.validate("gcp", {}, context(parts, inputs=inputs))


def test_silence_of_the_provider_takes_no_refusal_back(parts: Parts):
    record, _ = credentials.store(context(parts), proven(validated_at=None))
    assert record.validation_status == "PENDING"

    assert parts.ledger.write(stored.note_unreachable, record.credential_id, "no answer", AT)
    assert parts.ledger.write(stored.note_verdict, record.credential_id, status="INVALID", error="revoked", at=AT)
    assert not parts.ledger.write(stored.note_unreachable, record.credential_id, "no answer", AT)

    found = parts.ledger.read(stored.find, "acme", "gcp", "default")
    assert found is not None
    assert (found.validation_status, found.validation_error) == ("INVALID", "revoked")


def test_what_is_kept_without_asking_is_recognised_and_keeps_its_settings(parts: Parts, google: FakeGoogle):
    inputs = {"credential": Secret(json.dumps(service_account())), "settings": {"dataset": "billing"}, "skip_validation": True}
    result = probe.validate("gcp", {}, context(parts, inputs=inputs))
    assert (result["validated_at"], result["connection"]["settings"], result["connection"]["tables"]) == (None, {"dataset": "billing"}, [])
    assert google.asked == []
    with pytest.raises(Rejected):
        probe.validate("gcp", {}, context(parts, inputs={**inputs, "credential": Secret("sk-admin-1")}))
