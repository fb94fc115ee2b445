import pytest
from sqlalchemy import func, select

from src.core.base.dataset_types import dataset_types
from src.core.ledger.tables import keys, orgs, quotas, subscriptions
from src.core.ledger.tables.orgs import Holder
from tests.contract.ledger.rivals import at_once, race
from tests.contract.ledger.samples import AT, SCALE, TODAY, key, org, put, row_of, schemas


def test_a_new_organisation_has_a_profile_a_subscription_and_nothing_used(ledger, acme):
    found = ledger.read(orgs.get, acme)
    assert (found.status, found.company_name, found.admin_email) == ("ACTIVE", "acme Inc", "admin@acme.example")
    assert (found.plan, found.subscription_status, found.daily_run_limit) == ("SCALE", "ACTIVE", 100)
    assert (found.generation, found.dataset_id, found.timezone, found.created_at) == (1, "acme_dev", "UTC", AT)
    used = ledger.read(quotas.usage, acme, TODAY)
    assert (used.run_today, used.run_month, used.running, used.concurrent_limit) == (0, 0, 0, 10)


def test_eight_at_once_make_one(ledger):
    assert sorted(at_once(8, lambda: ledger.write(org, "acme"))) == [False] * 7 + [True]


@pytest.mark.process
def test_two_processes_make_one(ledger, settings):
    assert sorted(race("create", settings, processes=2, threads=4)) == [False] * 7 + [True]
    assert [found.org_slug for found in ledger.read(orgs.page, after=None, limit=9)] == ["acme"]


def test_a_taken_slug_is_left_as_it_is(ledger, acme):
    assert not ledger.write(org, acme, generation=2)
    assert ledger.read(orgs.get, acme).generation == 1
    assert ledger.read(orgs.taken, acme)
    assert not ledger.read(orgs.taken, "other")


def test_a_tombstone_gives_the_slug_free_under_the_next_generation(ledger):
    for generation in (1, 2, 3):
        assert ledger.read(orgs.next_generation, "acme") == generation
        assert ledger.write(org, "acme", generation=generation)
        assert ledger.read(orgs.get, "acme").generation == generation
        ledger.write(orgs.erase, "acme", AT)
        assert not ledger.read(orgs.taken, "acme")
    assert not ledger.write(org, "acme", generation=3)


def test_erasure_takes_everything_of_one_organisation_and_nothing_of_another(ledger):
    with ledger.writing() as unit:
        for slug in ("acme", "other"):
            org(unit, slug)
            key(unit, slug, f"key of {slug}")
            for name in schemas():
                if name not in ("org_profiles", "org_subscriptions", "org_usage_quotas", "org_api_keys"):
                    # of what was answered under an Idempotency-Key nothing is kept, of the trail everything
                    told = {"request_digest": None} if name == "org_audit_logs" else {}
                    put(unit, unit.tables[name], {**row_of(unit.tables[name], slug), **told})
    erased = ledger.write(orgs.erase, "acme", AT)
    assert erased == {name: 1 for name in schemas() if name != "org_audit_logs"}
    kept = {"org_audit_logs", "org_profiles"}
    with ledger.reading() as unit:
        for name, table in unit.tables.items():
            left = dict(unit.rows(select(table.c.org_slug, func.count()).group_by(table.c.org_slug)))
            assert left == ({"acme": 1, "other": 1} if name in kept else {"other": 1}), name


def test_an_erasure_names_every_table_as_erased_or_as_kept(ledger, acme):
    erased = ledger.write(orgs.erase, acme, AT)
    assert set(erased) | set(dataset_types().central.erasing.keeps) == set(schemas())
    # of a profile both are true: what it said is gone, and its row is the tombstone
    assert set(erased) & set(dataset_types().central.erasing.keeps) == {"org_profiles"}


def test_the_time_is_that_of_who_has_the_slug_now(ledger):
    for generation, zone in ((1, "Asia/Tokyo"), (2, "America/New_York")):
        assert ledger.read(orgs.holder, "acme") is None
        assert ledger.write(org, "acme", generation=generation, timezone=zone)
        assert ledger.read(orgs.holder, "acme") == Holder(generation, zone)
        ledger.write(orgs.erase, "acme", AT)


def test_erasing_an_earlier_generation_leaves_the_next_alone(ledger, acme):
    ledger.write(orgs.erase, acme, AT, 1)
    assert ledger.write(org, acme, generation=2)
    ledger.write(key, acme, "k2")

    erased = ledger.write(orgs.erase, acme, AT, 1)

    assert set(erased) == {name for name in schemas() if name != "org_audit_logs"}
    assert set(erased.values()) == {0}
    assert ledger.read(orgs.get, acme).generation == 2
    assert len(ledger.read(keys.list_for, acme)) == 1
    assert ledger.write(orgs.erase, acme, AT, generation=2)["org_api_keys"] == 1
    assert ledger.read(orgs.get, acme) is None


def test_a_tombstone_keeps_the_generation_and_nothing_personal(ledger, acme):
    ledger.write(orgs.erase, acme, AT)
    assert ledger.read(orgs.get, acme) is None
    (tomb,) = ledger.read(orgs.page, after=None, limit=9, status="ERASED")
    assert (tomb.org_slug, tomb.generation, tomb.status, tomb.erased_at) == ("acme", 1, "ERASED", AT)
    assert (tomb.company_name, tomb.admin_email, tomb.plan) == (None, None, None)
    assert set(ledger.write(orgs.erase, acme, AT).values()) == {0}


def test_offboarding_begins_once(ledger, acme):
    assert ledger.write(orgs.begin_offboarding, acme, AT)
    assert not ledger.write(orgs.begin_offboarding, acme, AT)
    assert not ledger.write(orgs.begin_offboarding, "nobody", AT)
    found = ledger.read(orgs.get, acme)
    assert (found.status, found.offboarding_at) == ("OFFBOARDING", AT)


def test_pages_follow_each_other_by_slug(ledger):
    slugs = [f"org_{at:02}" for at in range(7)]
    with ledger.writing() as unit:
        for slug in reversed(slugs):
            org(unit, slug)
        orgs.erase(unit, "org_03", AT)
        orgs.begin_offboarding(unit, "org_05", AT)
    seen, after = [], None
    while batch := ledger.read(orgs.page, after=after, limit=2):
        seen += [found.org_slug for found in batch]
        after = seen[-1]
    assert seen == [slug for slug in slugs if slug != "org_03"]
    assert [found.org_slug for found in ledger.read(orgs.page, after=None, limit=9, status="OFFBOARDING")] == ["org_05"]


def test_of_the_erased_the_last_generation_is_listed_even_when_another_lives(ledger):
    with ledger.writing() as unit:
        for generation in (1, 2):
            org(unit, "acme", generation=generation)
            orgs.erase(unit, "acme", AT)
        org(unit, "other")
    assert [(tomb.org_slug, tomb.generation) for tomb in ledger.read(orgs.page, after=None, limit=9, status="ERASED")] == [("acme", 2)]


def test_plan_and_status_are_changed_and_read_back(ledger, acme):
    assert ledger.write(subscriptions.set_plan, acme, ledger.plans.default, AT)
    assert ledger.write(subscriptions.set_status, acme, "TRIAL", AT)
    assert ledger.write(subscriptions.set_trial_end, acme, TODAY, AT)
    found = ledger.read(subscriptions.get, acme)
    assert (found.plan, found.daily_run_limit, found.status, found.trial_end_date) == ("STARTER", 6, "TRIAL", TODAY)
    assert ledger.write(subscriptions.set_status, acme, "SUSPENDED", AT)
    found = ledger.read(subscriptions.get, acme)
    assert (found.status, found.may_run(TODAY), found.trial_end_date) == ("SUSPENDED", False, TODAY)
    assert ledger.write(subscriptions.set_trial_end, acme, None, AT)
    assert ledger.read(subscriptions.get, acme).trial_end_date is None
    assert not ledger.write(subscriptions.set_plan, "nobody", SCALE, AT)
    assert ledger.read(subscriptions.get, "nobody") is None
