"""Which keys open, asked of the door itself."""

from datetime import timedelta

import pytest

from src.core.ledger.tables import keys, orgs
from tests.app.running_parts import House


def expired(house: House) -> None:
    house.parts.ledger.write(keys.expire_others, "second_corp", "none of them", house.parts.clock.now() - timedelta(seconds=1))


def revoked(house: House) -> None:
    [key] = house.parts.ledger.read(keys.list_for, "second_corp")
    assert house.parts.ledger.write(keys.revoke, "second_corp", key.fingerprint, house.parts.clock.now())


def leaving(house: House) -> None:
    assert house.parts.ledger.write(orgs.begin_offboarding, "second_corp", house.parts.clock.now())


def nothing(_: House) -> None:
    """It lives."""


@pytest.mark.parametrize(("happened", "status"), [(nothing, 200), (expired, 401), (revoked, 401), (leaving, 401)])
async def test_a_key_opens_until_it_or_its_organisation_is_over(house, happened, status):
    async with house.client(**{"X-API-Key": house.organisation("second_corp")}) as caller:
        happened(house)

        assert (await caller.get("/api/v1/organizations/second_corp/quota")).status_code == status
