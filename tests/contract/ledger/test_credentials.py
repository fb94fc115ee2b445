from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from src.core.base.faults import Conflict
from src.core.ledger.tables import credentials, orgs
from src.core.ledger.tables.credentials import CredentialRecord
from tests.contract.ledger.samples import AT, org

LATER = AT + timedelta(hours=1)


def record(credential_id="c1", slug="acme", name="default", provider="gcp", **changes: Any):
    made = CredentialRecord(
        credential_id=credential_id,
        org_slug=slug,
        provider=provider,
        credential_name=name,
        encrypted_credential=f"sealed {credential_id}",
        fingerprint=f"mark of {credential_id}",
        subject=f"reader@{slug}.example",
        metadata={"project": "p", "tables": [{"table": "t", "counts": True}]},
        validation_status="VALID",
        validation_error=None,
        validated_at=AT,
        expires_at=None,
        created_by="somebody",
        created_at=AT,
        updated_at=AT,
    )
    return replace(made, **changes)


def test_what_was_put_is_found_whole(ledger, acme):
    made = record(expires_at=LATER)

    assert ledger.write(credentials.put, made) is None

    assert ledger.read(credentials.find, acme, "gcp", "default") == made


def test_one_of_the_same_name_takes_its_place_and_says_which_was_there(ledger, acme):
    first, second = record("c1"), record("c2", metadata=None, created_at=LATER)
    ledger.write(credentials.put, first)

    assert ledger.write(credentials.put, second) == first

    assert ledger.read(credentials.list_for, acme) == [second]


def test_an_id_that_is_taken_replaces_nothing(ledger, acme):
    ledger.write(credentials.put, record("c1", name="first"))
    ledger.write(credentials.put, record("c2", name="second"))

    with pytest.raises(Conflict):
        ledger.write(credentials.put, record("c1", name="second"))

    assert [one.credential_id for one in ledger.read(credentials.list_for, acme)] == ["c1", "c2"]


def test_organisations_providers_and_names_stay_apart(ledger, acme):
    with ledger.writing() as unit:
        org(unit, "globex")
    kept = [record("c1"), record("c2", name="other"), record("c3", provider="openai")]
    for one in (*kept, record("c4", slug="globex")):
        ledger.write(credentials.put, one)

    assert ledger.read(credentials.list_for, acme) == kept
    assert ledger.write(credentials.remove, acme, "gcp", "default")
    assert not ledger.write(credentials.remove, acme, "gcp", "default")
    assert [one.credential_id for one in ledger.read(credentials.list_for, acme)] == ["c2", "c3"]
    assert ledger.read(credentials.find, "globex", "gcp", "default").credential_id == "c4"


def test_a_verdict_changes_what_it_speaks_of_and_nothing_else(ledger, acme):
    ledger.write(credentials.put, record())

    assert ledger.write(credentials.note_verdict, "c1", status="INVALID", error="the key was deleted", at=LATER)
    refused = ledger.read(credentials.find, acme, "gcp", "default")
    assert refused == record(validation_status="INVALID", validation_error="the key was deleted", validated_at=LATER, updated_at=LATER)

    found = {"project": "q", "tables": []}
    assert ledger.write(credentials.note_verdict, "c1", status="VALID", error=None, at=LATER, subject="new@acme.example", metadata=found)
    assert ledger.read(credentials.find, acme, "gcp", "default") == record(
        subject="new@acme.example", metadata=found, validated_at=LATER, updated_at=LATER
    )


def test_a_verdict_on_a_replaced_credential_is_lost(ledger, acme):
    ledger.write(credentials.put, record("c1"))
    ledger.write(credentials.put, record("c2"))

    assert not ledger.write(credentials.note_verdict, "c1", status="INVALID", error="old", at=LATER)
    assert ledger.read(credentials.find, acme, "gcp", "default") == record("c2")


def test_a_run_that_went_through_makes_valid_what_nobody_refused_since_it_began(ledger, acme):
    began, ended = LATER, LATER + timedelta(hours=1)
    asked = {"c1": ("INVALID", AT), "c2": ("PENDING", None), "c3": ("UNREACHABLE", AT), "c4": ("INVALID", ended), "c5": ("VALID", AT)}
    put = {
        name: record(name, name=name, validation_status=status, validation_error="said", validated_at=at)
        for name, (status, at) in asked.items()
    }
    for one in put.values():
        ledger.write(credentials.put, one)

    noted = [name for name in (*put, "gone") if ledger.write(credentials.note_let_in, name, began, ended)]

    assert noted == ["c1", "c2", "c3"]
    let_in = {"validation_status": "VALID", "validation_error": None, "validated_at": ended, "updated_at": ended}
    assert ledger.read(credentials.list_for, acme) == [replace(one, **let_in) if name in noted else one for name, one in put.items()]


def test_sealed_texts_come_page_by_page_and_are_changed_only_from_what_was_read(ledger, acme):
    for number in range(5):
        ledger.write(credentials.put, record(f"c{number}", name=f"name{number}"))

    seen, after = [], None
    while page := ledger.read(credentials.sealed_page, after, 2):
        assert len(page) <= 2
        seen += page
        after = page[-1][0]

    assert seen == [(f"c{number}", acme, "gcp", f"sealed c{number}") for number in range(5)]
    assert not ledger.write(credentials.reseal, "c1", "something else", "new")
    assert ledger.write(credentials.reseal, "c1", "sealed c1", "new")
    assert ledger.read(credentials.find, acme, "gcp", "name1").encrypted_credential == "new"


def test_erasing_an_organisation_erases_its_credentials_alone(ledger, acme):
    with ledger.writing() as unit:
        org(unit, "globex")
    ledger.write(credentials.put, record("c1"))
    ledger.write(credentials.put, record("c2", slug="globex"))

    erased = ledger.write(orgs.erase, acme, LATER)

    assert erased["org_integration_credentials"] == 1
    assert ledger.read(credentials.list_for, acme) == []
    assert len(ledger.read(credentials.list_for, "globex")) == 1


def test_a_record_does_not_print_what_it_holds():
    assert "sealed c1" not in repr(record("c1"))
