from datetime import timedelta

from src.core.base.identity import Actor
from src.core.base.names import OrgSlug
from src.core.ledger.tables import audit
from tests.contract.ledger.samples import AT

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
