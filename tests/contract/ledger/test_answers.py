"""Requests under an Idempotency-Key: one holder each, a mark in the unit of the work, an answer for a day."""

from datetime import timedelta
from typing import Any

import pytest

from src.core.base.faults import Conflict
from src.core.base.identity import Actor, Undertaking
from src.core.ledger.tables import ageing, answers, audit, orgs
from src.core.ledger.tables.answers import AlreadyNoted
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT

ROOT = Actor("root")
TOLD: Any = {"org_slug": "acme", "resource": "POST /api/v1/things", "at": AT}


DONE: Any = {"at": AT, "action": "things.create", "org_slug": "acme", "resource": "things/7", "details": {"size": 7}}


def asked(holder="one", request="digest"):
    return Undertaking("once_1", holder, request)


def begin(ledger, undertaking):
    try:
        ledger.write(answers.begin, ROOT, undertaking, **TOLD)
    except AlreadyNoted:
        return False
    return True


def work(unit, undertaking):
    actor = ROOT._replace(undertaking=undertaking)
    audit.record(unit, audit_id=f"by {undertaking.holder}", actor=actor, outcome="SUCCESS", **DONE)


def seen(ledger):
    return ledger.read(answers.seen, "once_1")


def test_of_many_at_once_one_has_the_work(ledger, crowd):
    holders = iter([asked(str(number)) for number in range(crowd)])

    assert sorted(at_once(crowd, lambda: begin(ledger, next(holders)))) == [False] * (crowd - 1) + [True]


def test_it_is_noted_then_marked_by_the_work_then_answered(ledger, acme):
    assert begin(ledger, asked())
    assert (seen(ledger).done, seen(ledger).answer, seen(ledger).resource) == (False, None, TOLD["resource"])

    ledger.write(work, asked())
    noted = seen(ledger)
    assert (noted.done, noted.answer, noted.resource, noted.details) == (True, None, "things/7", {"size": 7})

    ledger.write(answers.keep, asked(), "what it came to", AT)
    assert (seen(ledger).answer, seen(ledger).holder) == ("what it came to", "one")
    # the trail tells of the work, and not of the note
    assert [entry.action for entry in ledger.read(audit.page, "acme", None, 10)] == ["things.create"]


def test_what_failed_is_no_mark(ledger, acme):
    assert begin(ledger, asked())
    actor = ROOT._replace(undertaking=asked())
    ledger.write(audit.record, audit_id="failed", actor=actor, outcome="FAILED", **DONE)

    assert not seen(ledger).done


def test_work_that_was_taken_over_is_done_by_one(ledger, acme):
    assert begin(ledger, asked("stalled"))
    before = seen(ledger)
    takers = iter([asked("second"), asked("third")])
    took = at_once(2, lambda: ledger.write(answers.take_over, ROOT, next(takers), before, **TOLD | {"at": AT + timedelta(minutes=6)}))
    assert sorted(took) == [False, True]

    ledger.write(work, asked(seen(ledger).holder))
    with pytest.raises(Conflict, match="taken over"):
        ledger.write(work, asked("stalled"))
    ledger.write(answers.keep, asked("stalled"), "of the stalled one", AT)
    assert seen(ledger).answer is None
    if ledger.traits.undoes:
        assert len(ledger.read(audit.page, "acme", None, 10)) == 1


def test_a_lost_answer_is_given_anew_by_one_and_the_mark_stays(ledger, acme):
    assert begin(ledger, asked("stopped"))
    ledger.write(work, asked("stopped"))
    before = seen(ledger)

    assert ledger.write(answers.take_over, ROOT, asked("second"), before, **TOLD, done=True)
    assert not ledger.write(answers.take_over, ROOT, asked("third"), before, **TOLD, done=True)
    assert (seen(ledger).done, seen(ledger).details) == (True, {"size": 7})


def test_what_was_refused_may_be_asked_anew_and_what_was_done_may_not(ledger, acme):
    assert begin(ledger, asked("refused"))
    ledger.write(answers.withdraw, asked("refused"))
    assert seen(ledger) is None

    assert begin(ledger, asked("done"))
    ledger.write(work, asked("done"))
    ledger.write(answers.withdraw, asked("done"))
    assert (seen(ledger).done, seen(ledger).holder) == (True, answers.NOBODY)


def test_it_goes_with_its_day_or_with_its_organisation_and_the_trail_stays(ledger, acme):
    assert begin(ledger, asked())
    ledger.write(work, asked())
    assert ledger.write(ageing.remove, "answers", AT, 10) == 0
    assert ledger.write(ageing.remove, "answers", AT + timedelta(seconds=1), 10) == 1

    assert begin(ledger, asked())
    ledger.write(orgs.erase, acme, AT)
    assert seen(ledger) is None
    assert [entry.action for entry in ledger.read(audit.page, "acme", None, 10)] == ["things.create"]
