from dataclasses import replace
from decimal import Decimal

from src.core.ledger.tables import invoices, orgs
from src.core.ledger.tables.invoices import Invoice
from tests.contract.ledger.samples import AT, org

FIRST = Invoice(
    provider="gcp",
    invoice_month="202610",
    currency="EUR",
    version=1,
    amount=Decimal("1190.123456789"),
    tax=Decimal("190"),
    invoice_number="5012",
    recorded_at=AT,
    recorded_by="alice",
)


def kept(ledger, slug, provider=None):
    with ledger.reading() as unit:
        return invoices.history(unit, slug, "202610", provider)


def test_each_change_is_another_version_and_the_last_one_holds(ledger, acme):
    second = replace(FIRST, version=2, amount=Decimal(1200))
    back = replace(FIRST, version=3, amount=None, tax=None, invoice_number=None)
    other = replace(FIRST, provider="openai", currency="USD", recorded_by=None)
    for one in (FIRST, second, other):
        assert ledger.write(invoices.add, acme, one)
    # whoever read the same version tells of a change that somebody else made meanwhile
    assert not ledger.write(invoices.add, acme, replace(second, amount=Decimal(7)))

    assert kept(ledger, acme) == [FIRST, second, other]
    assert kept(ledger, acme, "gcp") == [FIRST, second]
    assert invoices.newest(kept(ledger, acme)) == [second, other]
    ledger.write(invoices.add, acme, back)
    assert invoices.newest(kept(ledger, acme)) == [other]


def test_who_has_the_slug_next_has_no_invoices(ledger, acme):
    ledger.write(invoices.add, acme, FIRST)
    ledger.write(orgs.erase, acme, AT)
    ledger.write(org, acme, generation=2)
    assert kept(ledger, acme) == []
