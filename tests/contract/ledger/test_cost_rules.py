from src.core.ledger.tables import cost_rules, orgs
from tests.contract.ledger.samples import AT, org


def test_rules_take_the_place_of_those_that_were_read(ledger, acme):
    with ledger.reading() as unit:
        assert cost_rules.get(unit, acme) is None
    assert ledger.write(cost_rules.put, acme, None, '{"openai": {}}', AT)
    # who read nothing has not seen them
    assert not ledger.write(cost_rules.put, acme, None, '{"openai": {"bill": "computed"}}', AT)
    assert ledger.write(cost_rules.put, acme, '{"openai": {}}', '{"openai": {"bill": "reported"}}', AT)
    with ledger.reading() as unit:
        assert cost_rules.get(unit, acme) == '{"openai": {"bill": "reported"}}'


def test_who_has_the_slug_next_has_no_rules(ledger, acme):
    ledger.write(cost_rules.put, acme, None, '{"openai": {}}', AT)
    ledger.write(orgs.erase, acme, AT)
    ledger.write(org, acme, generation=2)
    with ledger.reading() as unit:
        assert cost_rules.get(unit, acme) is None
        profiles = unit.tables["org_profiles"]
        assert [row.cost_rules for row in unit.rows(profiles.select().where(profiles.c.org_slug == acme))] == [None, None]
