from datetime import timedelta
from typing import Any

from src.core.base.identity import Actor
from src.core.base.names import OrgSlug
from src.core.ledger.tables import audit, orgs
from tests.contract.ledger.samples import AT, org

ACTOR = Actor("org", OrgSlug("acme"), "u-1", "abcd-12345678", "req-1")


def record(ledger, audit_id, org_slug="acme", **changes: object):
    given = {"at": AT, "actor": ACTOR, "action": "key.revoke", "resource": "key/abcd", "outcome": "SUCCESS", "details": None}
    ledger.write(audit.record, audit_id=audit_id, org_slug=org_slug, **{**given, **changes})


def test_an_entry_says_who_did_what_to_whom(ledger):
    record(ledger, "a1", details={"reason": "lost", "grace": timedelta(hours=1).total_seconds()}, outcome="DENIED")
    (entry,) = ledger.read(audit.page, None, None, 9)
    assert (entry.occurred_at, entry.actor_kind, entry.actor_org_slug, entry.user_id) == (AT, "org", "acme", "u-1")
    assert (entry.key_fingerprint, entry.request_id, entry.outcome) == ("abcd-12345678", "req-1", "DENIED")
    assert (entry.action, entry.resource, entry.details) == ("key.revoke", "key/abcd", {"reason": "lost", "grace": 3600.0})


def test_an_entry_is_written_once_and_never_changed(ledger):
    record(ledger, "a1")
    record(ledger, "a1", outcome="FAILED")
    assert [entry.outcome for entry in ledger.read(audit.page, None, None, 9)] == ["SUCCESS"]


def test_entries_come_newest_first_for_one_organisation_or_all(ledger):
    for at in range(5):
        record(ledger, f"a{at}", org_slug="acme" if at % 2 else None)
    assert [entry.audit_id for entry in ledger.read(audit.page, None, None, 3)] == ["a4", "a3", "a2"]
    assert [entry.audit_id for entry in ledger.read(audit.page, None, "a2", 3)] == ["a1", "a0"]
    assert [entry.audit_id for entry in ledger.read(audit.page, "acme", None, 9)] == ["a3", "a1"]
    assert ledger.read(audit.page, "other", None, 9) == []


def test_entries_are_found_by_who_what_when_and_how_it_ended(ledger):
    record(ledger, "a1", action="keys.rotate", actor=Actor("root"))
    record(ledger, "a2", action="keys.revoke", outcome="FAILED", at=AT + timedelta(hours=1))
    record(ledger, "a3", action="keys_of_others.look", at=AT + timedelta(hours=2))

    def found(**wanted: Any):
        return [entry.audit_id for entry in ledger.read(audit.page, "acme", None, 9, audit.AuditFilter(**wanted))]

    assert found(action="keys") == ["a2", "a1"]
    assert found(action="keys.rotate") == found(actor_kind="root") == ["a1"]
    assert found(user_id="u-1", key_fingerprint="abcd-12345678") == ["a3", "a2"]
    assert found(outcome="FAILED") == found(since=AT + timedelta(hours=1), before=AT + timedelta(hours=2)) == ["a2"]


def test_an_organisation_sees_nothing_of_those_that_had_its_slug_before(ledger):
    earlier, later = AT - timedelta(days=2), AT + timedelta(days=2)
    with ledger.writing() as unit:
        assert org(unit, "acme", created_at=earlier)
    record(ledger, "a1")
    with ledger.writing() as unit:
        orgs.erase(unit, "acme", AT)
        assert org(unit, "acme", generation=2, created_at=later)
    record(ledger, "a2", at=later)

    own = audit.AuditFilter(holders_own=True)
    assert [entry.audit_id for entry in ledger.read(audit.page, "acme", None, 9, own)] == ["a2"]
    assert [entry.audit_id for entry in ledger.read(audit.page, "acme", None, 9)] == ["a2", "a1"]
    assert ledger.read(audit.page, "nobody", None, 9, own) == []
