"""Two credentials whose provider does not say whose they are: what one account costs is never added twice unseen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from src.app.wiring import Parts
from src.core.base.faults import Conflict
from src.core.base.settings import Settings
from src.core.ledger.tables import credentials as stored
from src.core.step import credentials
from src.core.step.credentials import Needed, Proven
from tests.contract.ledger.samples import AT, org
from tests.core.step.test_credentials import ACME, context, proven

FIRST = proven("first", provider="deepseek", subject=None, connection={"currencies": ["USD"]}, fingerprint="1")
SECOND = replace(FIRST, name="second", fingerprint="2")
APART = replace(SECOND, connection={"currencies": ["USD"], "another_account": True})


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    opened = Parts(Settings(ca_root_api_key="admin_key", embedded_data_dir=tmp_path, _env_file=None))
    opened.ledger.bootstrap()
    with opened.ledger.writing() as unit:
        org(unit, "acme")
    yield opened
    opened.close()


def store(parts: Parts, *given: Proven) -> None:
    for one in given:
        credentials.store(context(parts), one)


def test_a_second_one_is_refused_until_its_owner_says_that_its_account_is_another(parts: Parts):
    store(parts, FIRST)
    with pytest.raises(Conflict) as refused:
        store(parts, SECOND)
    assert refused.value.detail == (
        "nobody has said whether the deepseek credentials 'first' and 'second' are of one account, which would then count twice. "
        "If they are of one, set the key up as credential_name 'first', whose place it takes, or delete one of them; "
        "if they are of two, set 'second' up with \"another_account\": true"
    )
    store(parts, APART)
    # a new key in the place of the first, of which the second is told apart already
    store(parts, replace(FIRST, fingerprint="3"))
    with pytest.raises(Conflict, match="'first' and 'third'"):
        store(parts, replace(FIRST, name="third", fingerprint="4"))


def test_the_same_key_is_of_the_same_account_whatever_its_owner_says(parts: Parts):
    store(parts, FIRST)
    with pytest.raises(Conflict, match="are the same key"):
        store(parts, replace(APART, fingerprint="1"))


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_one_that_was_not_asked_whose_it_is_waits_beside_another(parts: Parts, name: str):
    named, unasked = replace(FIRST, provider=name, subject="org-1"), replace(SECOND, provider=name, validated_at=None)
    store(parts, named)
    with pytest.raises(Conflict, match=f"or ask {name}, which may name it: POST .../validate.credential_name=second"):
        store(parts, unasked)
    # two that are named are one account or two by their names
    store(parts, replace(named, name="second", fingerprint="2"), replace(named, name="third", subject="org-2", fingerprint="3"))


def test_a_run_with_one_that_an_earlier_release_stored_is_refused_with_both_names(parts: Parts):
    store(parts, FIRST)
    with parts.ledger.writing() as unit:
        [known] = stored.list_for(unit, ACME.org_slug)
        stored.put(unit, replace(known, credential_id="other", credential_name="second", fingerprint="2"))
    for name in ("first", "second"):
        refused = parts.ledger.read(credentials.lacking, ACME.org_slug, Needed("deepseek", name), AT)
        assert isinstance(refused, Conflict)
        assert "'first'" in refused.detail
        assert "'second'" in refused.detail
    store(parts, APART)
    assert parts.ledger.read(credentials.lacking, ACME.org_slug, Needed("deepseek", "first"), AT) is None
