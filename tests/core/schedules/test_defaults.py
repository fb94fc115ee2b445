"""What comes with a credential and goes with it."""

import re

import pytest

from src.core.base.cron import spread
from src.core.base.faults import Misconfigured
from src.core.base.identity import Actor
from src.core.base.settings import ROOT
from src.core.ledger.tables import configs
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.registry import Registry
from src.core.schedules import defaults
from src.core.schedules.editing import AskedSchedule, ScheduleEditor

DOCUMENT = """
pipeline: fake-{name}
provider: fake
domain: {name}
{lines}
steps: [{{id: extract_rows, ps_type: sample.scripted}}]
"""
NAMED = "inputs: {credential_name: {type: string, default: default}}"


def catalog_of(folder, **documents: str):
    (folder / "made" / "fake").mkdir(parents=True)
    for name, lines in documents.items():
        (folder / "made" / "fake" / f"{name}.yml").write_text(DOCUMENT.format(name=name, lines=lines))
    return Catalog.load(folder / "made", Registry("tests.fakes.processors"))


@pytest.fixture
def editor(work, tmp_path):
    found = catalog_of(
        tmp_path,
        usage=f"schedule: {{cron: daily, window: last_7_days}}\n{NAMED}",
        plans="schedule: {cron: monthly}",
        other=NAMED,
    )
    return ScheduleEditor(work, found, Actor("org"), work.tenant())


def kept(work):
    return {(one.document, one.parameters.get("credential_name")): one for one in work.ledger.read(configs.listing, "acme")}


def test_a_valid_credential_brings_what_its_providers_documents_say(work, editor):
    defaults.keep(editor, "fake", "default")
    defaults.keep(editor, "another", "default")

    found = kept(work)
    assert set(found) == {("fake/usage", None), ("fake/plans", None)}
    assert found["fake/usage", None].parameters == {"window": "last_7_days"}
    assert re.fullmatch(r"\d+ [2-5] \* \* \*", found["fake/usage", None].schedule_cron)
    assert re.fullmatch(r"\d+ [2-5] 2 \* \*", found["fake/plans", None].schedule_cron)


def test_stored_anew_it_brings_no_second_one_and_changes_nothing_that_somebody_changed(work, editor):
    defaults.keep(editor, "fake", "default")
    usage = kept(work)["fake/usage", None]
    editor.change(usage.config_id, AskedSchedule(is_active=False))

    defaults.keep(editor, "fake", "default")

    assert len(kept(work)) == 2
    assert not kept(work)["fake/usage", None].is_active


def test_they_go_with_it_and_what_needs_none_goes_with_the_last(work, editor):
    mine = editor.create(editor.catalog.get("fake/usage"), AskedSchedule(schedule_cron="0 9 * * *", parameters={"credential_name": "eu"}))
    defaults.keep(editor, "fake", "default")
    defaults.keep(editor, "fake", "eu")
    assert len(work.ledger.read(configs.listing, "acme")) == 4

    defaults.drop(editor, "fake", "default", last=False)
    assert set(kept(work)) == {("fake/usage", "eu"), ("fake/plans", None)}
    defaults.drop(editor, "fake", "eu", last=True)
    defaults.drop(editor, "fake", "eu", last=True)
    assert [one.config_id for one in work.ledger.read(configs.listing, "acme")] == [mine.config_id]


def test_one_that_has_all_it_may_have_gets_no_more_and_is_told_nothing(work, editor, monkeypatch):
    monkeypatch.setattr("src.core.schedules.editing.MOST", 1)

    assert len(defaults.keep(editor, "fake", "default")) == 1


def test_organisations_come_at_minutes_of_their_own():
    minutes = {spread("daily", f"org{number}|fake/usage") for number in range(1000)}

    assert len(minutes) > 200
    assert spread("daily", "org1") == spread("daily", "org1")
    assert spread("0 9 * * 1", "org1") == "0 9 * * 1"


@pytest.mark.parametrize("wrong", ["{cron: weekly}", "{cron: 61 * * * *}", "{cron: daily, window: last_week}", "{window: yesterday}"])
def test_what_a_document_says_is_held_against_what_there_is_at_the_start(tmp_path, wrong):
    with pytest.raises(Misconfigured) as told:
        catalog_of(tmp_path, usage=f"schedule: {wrong}")

    assert "fake/usage.yml:5" in str(told.value)


def test_the_documents_of_this_release_have_bills_and_usage_daily():
    found = Catalog.load(ROOT / "configs")
    usual = {name: entry.document.schedule.cron for name, entry in found.entries.items() if entry.document.schedule}

    models = ("openai", "anthropic", "deepseek")
    told = {f"{name}/{word}": cron for name in models for word, cron in (("usage_cost", "daily"), ("subscriptions", "monthly"))}
    assert usual == {"gcp/cost/billing": "daily", **told}
