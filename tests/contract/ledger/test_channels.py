from dataclasses import replace
from datetime import timedelta
from typing import Any

from src.core.ledger.tables import channels, orgs
from src.core.ledger.tables.channels import Channel, SealedText
from tests.contract.ledger.samples import AT, org

LATER = AT + timedelta(hours=1)


def hook(channel_id="c1", **changes: Any):
    made = Channel(
        channel_id=channel_id,
        org_slug="acme",
        kind="webhook",
        name=f"name of {channel_id}",
        events=("run.failed", "books.restated"),
        recipients=("a@acme.example", "b@acme.example"),
        address="https://hooks.example/in",
        sealed_url=f"url of {channel_id}",
        sealed_secret=f"secret of {channel_id}",
        quiet_start="22:00",
        quiet_end="07:00",
        digest_time="08:00",
        created_at=AT,
        updated_at=AT,
    )
    return replace(made, **changes)


def test_a_channel_is_made_changed_disabled_and_removed(ledger, acme):
    made = hook()
    assert ledger.write(channels.add, made)
    assert not ledger.write(channels.add, hook("c2", name=made.name)), "a name is one channel's"
    assert ledger.read(channels.get, acme, "c1") == ledger.read(channels.named, acme, made.name) == made
    ledger.write(channels.refused, "c1", AT)
    ledger.write(channels.refused, "c1", LATER)

    changed = replace(made, name="another", events=None, recipients=(), is_active=True, updated_at=LATER)
    assert ledger.write(channels.change, made, changed)
    assert not ledger.write(channels.change, made, replace(changed, name="by one who came late"))

    # the first refusal counts, and a change of something else leaves it
    assert ledger.read(channels.of_org, acme) == [replace(changed, refused_since=AT)]
    ledger.write(channels.accepted, "c1")
    assert ledger.write(channels.disable, "c1", LATER, "it is gone")
    assert not ledger.write(channels.disable, "c1", LATER, "again")
    gone = replace(changed, is_active=False, disabled_at=LATER, disabled_reason="it is gone")
    assert ledger.read(channels.of_org, acme) == [gone]
    assert ledger.read(channels.number, acme) == 1
    assert not ledger.write(channels.remove, "somebody", "c1")
    assert ledger.write(channels.remove, acme, "c1")
    assert ledger.read(channels.of_org, acme) == []


def test_nobody_finds_anothers_channel_and_it_goes_with_its_organisation(ledger, acme):
    with ledger.writing() as unit:
        assert org(unit, "other")
    ledger.write(channels.add, hook())
    ledger.write(channels.add, hook(org_slug="other", channel_id="c2"))

    assert ledger.read(channels.get, "other", "c1") is None
    assert ledger.read(channels.named, "other", hook().name) is None

    ledger.write(orgs.erase, "other", LATER)
    assert ledger.read(channels.of_org, "other") == []
    assert [one.channel_id for one in ledger.read(channels.of_org, acme)] == ["c1"]


def test_every_sealed_text_is_wrapped_anew_once(ledger, acme):
    ledger.write(channels.add, hook("c1", sealed_secret_before="an older one"))
    ledger.write(channels.add, hook("c2", sealed_url=None, sealed_secret=None))
    ledger.write(channels.add, hook("c3"))

    after, seen = None, []
    while page := ledger.read(channels.sealed_page, after, 2):
        seen += [text for _, texts in page for text in texts]
        after = page[-1][0]

    assert [(text.channel_id, text.column) for text in seen] == [
        ("c1", "sealed_url"), ("c1", "sealed_secret"), ("c1", "sealed_secret_before"), ("c3", "sealed_url"), ("c3", "sealed_secret"),
    ]  # fmt: skip
    assert all(ledger.write(channels.reseal, text, f"{text.text} anew") for text in seen)
    assert not ledger.write(channels.reseal, SealedText("c3", acme, "sealed_url", "url of c3"), "by one who came late")
    found = ledger.read(channels.get, acme, "c1")
    assert (found.sealed_url, found.sealed_secret, found.sealed_secret_before) == (
        "url of c1 anew",
        "secret of c1 anew",
        "an older one anew",
    )
