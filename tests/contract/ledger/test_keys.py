from datetime import UTC, timedelta

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from src.core.ledger.tables import keys, orgs
from tests.contract.ledger.moments import MOMENTS
from tests.contract.ledger.samples import AT, key, org

HOUR = timedelta(hours=1)


def add(ledger, *key_ids: str, slug="acme"):
    for at, key_id in enumerate(key_ids):
        assert ledger.write(key, slug, key_id, created_at=AT + at * HOUR)


def test_a_key_is_found_by_its_hash_with_the_state_of_its_organisation(ledger, acme):
    add(ledger, "k1")
    found = ledger.read(keys.find, "hash of k1")
    assert (found.key_id, found.org_slug, found.fingerprint, found.sealed_key) == ("k1", "acme", "mark of k1", "sealed k1")
    assert (found.created_at, found.expires_at, found.revoked_at, found.last_used_at) == (AT, None, None, None)
    assert found.org_status == "ACTIVE"
    ledger.write(orgs.begin_offboarding, acme, AT)
    assert ledger.read(keys.find, "hash of k1").org_status == "OFFBOARDING"


def test_what_is_not_there_is_not_found(ledger, acme):
    add(ledger, "k1")
    for hostile in ("", "hash of k2", "HASH OF K1", "hash of k1 ", "' OR 1=1 --", "%"):
        assert ledger.read(keys.find, hostile) is None


def test_the_same_hash_is_kept_once(ledger, acme):
    add(ledger, "k1")
    assert not ledger.write(key, "acme", "k1")
    assert len(ledger.read(keys.list_for, acme)) == 1


def test_keys_of_an_erased_organisation_open_nothing_even_in_its_next_life(ledger, acme):
    add(ledger, "k1")
    ledger.write(orgs.erase, acme, AT)
    assert ledger.read(keys.find, "hash of k1") is None
    ledger.write(org, acme, generation=2)
    assert ledger.read(keys.find, "hash of k1") is None


def test_rotation_ends_the_others_and_extends_none(ledger, acme):
    ledger.write(org, "other")
    add(ledger, "k1", "k2", "k3", "k4")
    add(ledger, "o1", slug="other")
    ledger.write(keys.expire_others, acme, "k1", AT + 9 * HOUR)
    ledger.write(keys.revoke, acme, "mark of k4", AT)
    assert ledger.write(keys.expire_others, acme, "k3", AT + HOUR) == 2
    assert ledger.write(keys.expire_others, acme, "k3", AT + 5 * HOUR) == 0
    ends = {found.key_id: found.expires_at for found in ledger.read(keys.list_for, acme)}
    assert ends == {"k1": AT + HOUR, "k2": AT + HOUR, "k3": AT + 9 * HOUR, "k4": AT + 9 * HOUR}
    assert ledger.read(keys.find, "hash of o1").expires_at is None


@examples(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ends=st.lists(MOMENTS, min_size=1, max_size=8))
def test_however_often_it_is_rotated_the_earliest_end_stands(ledger, enough, ends):
    if enough():
        return
    with ledger.writing() as unit:
        orgs.erase(unit, "acme", AT)
        org(unit, "acme", generation=orgs.next_generation(unit, "acme"))
        key(unit, "acme", "old")
        for end in ends:
            keys.expire_others(unit, "acme", "new", end)
        (found,) = keys.list_for(unit, "acme")
    assert found.expires_at == min(end.astimezone(UTC) for end in ends)


def test_a_key_is_revoked_once_and_by_its_own_organisation(ledger, acme):
    ledger.write(org, "other")
    add(ledger, "k1", "k2")
    assert not ledger.write(keys.revoke, "other", "mark of k1", AT)
    assert ledger.write(keys.revoke, acme, "mark of k1", AT)
    assert not ledger.write(keys.revoke, acme, "mark of k1", AT + HOUR)
    assert [found.revoked_at for found in ledger.read(keys.list_for, acme)] == [AT, None]


def test_a_key_is_usable_until_its_end(ledger, acme):
    add(ledger, "k1", "k2")
    ledger.write(keys.expire_others, acme, "k2", AT + HOUR)
    first, second = ledger.read(keys.list_for, acme)
    assert [first.usable(AT), first.usable(AT + HOUR), second.usable(AT + HOUR)] == [True, False, True]
    ledger.write(keys.revoke, acme, "mark of k2", AT)
    assert not ledger.read(keys.find, "hash of k2").usable(AT)


def test_the_last_use_moves_forward_only(ledger, acme):
    add(ledger, "k1")
    for at in (AT, AT + HOUR, AT):
        ledger.write(keys.touch, "hash of k1", at)
    assert ledger.read(keys.find, "hash of k1").last_used_at == AT + HOUR


def test_all_keys_are_wrapped_anew_page_by_page(ledger, acme):
    add(ledger, *(f"k{at}" for at in range(5)))
    after = None
    while batch := ledger.read(keys.sealed_page, after, 2):
        for key_id, _, sealed in batch:
            assert ledger.write(keys.reseal, key_id, sealed, f"{sealed} anew")
        after = batch[-1][0]
    assert ledger.read(keys.sealed_page, None, 9) == [(f"k{at}", "acme", f"sealed k{at} anew") for at in range(5)]
    assert not ledger.write(keys.reseal, "k1", "sealed k1", "overwritten by one who came late")


def test_a_record_does_not_print_what_opens_doors(ledger, acme):
    add(ledger, "k1")
    shown = repr(ledger.read(keys.find, "hash of k1"))
    assert "mark of k1" in shown
    assert "hash of k1" not in shown
    assert "sealed k1" not in shown
