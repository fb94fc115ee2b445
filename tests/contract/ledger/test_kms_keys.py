from datetime import timedelta

import pytest
from sqlalchemy import select, update

from src.core.ledger.tables import kms_keys
from tests.contract.ledger.samples import AT

HOUR = timedelta(hours=1)


def note(ledger, *key_ids: str):
    return [ledger.write(kms_keys.note_current, key_id, AT + at * HOUR) for at, key_id in enumerate(key_ids)]


def rows(ledger):
    with ledger.reading() as unit:
        keys = unit.tables["org_kms_keys"].c
        found = unit.rows(select(keys.kms_key_id, keys.status, keys.rotated_at, keys.updated_at))
    return {row[0]: tuple(row[1:]) for row in found}


@pytest.mark.parametrize("order", ["K1", "K1 K2", "K2 K1 K2", "K1 K2 K3 K1", "K1 K1 K2 K2 K1"])
def test_the_key_noted_last_is_the_one_that_seals(ledger, order):
    noted = order.split()
    assert note(ledger, *noted) == [key not in noted[:at] for at, key in enumerate(noted)]
    assert {key: row[0] for key, row in rows(ledger).items()} == {key: "CURRENT" if key == noted[-1] else "ACTIVE" for key in noted}


def test_a_key_says_when_another_took_its_place_and_no_longer_once_it_is_back(ledger):
    note(ledger, "K1", "K2")
    assert rows(ledger) == {"K1": ("ACTIVE", AT + HOUR, AT + HOUR), "K2": ("CURRENT", None, AT + HOUR)}
    note(ledger, "K1")
    assert rows(ledger) == {"K1": ("CURRENT", None, AT), "K2": ("ACTIVE", AT, AT)}


def test_noting_what_is_known_changes_nothing(ledger):
    note(ledger, "K1", "K1")
    assert rows(ledger) == {"K1": ("CURRENT", None, AT)}


def test_a_retired_key_stays_retired(ledger):
    note(ledger, "K1", "K2")
    with ledger.writing() as unit:
        keys = unit.tables["org_kms_keys"]
        unit.change(update(keys).where(keys.c.kms_key_id == "K1").values(status="RETIRED"))
    note(ledger, "K3")
    assert {key: row[0] for key, row in rows(ledger).items()} == {"K1": "RETIRED", "K2": "ACTIVE", "K3": "CURRENT"}
