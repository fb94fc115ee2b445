from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from src.core.base.faults import Misconfigured, Rejected
from src.core.base.names import Environment
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.pipeline.document import Input, Pipeline
from src.core.pipeline.inputs import accept, handed_on, input_flaw
from src.core.pipeline.variables import fill_config, settle
from src.core.step.placeholders import Identifier, Value
from tests.core.pipeline.parts import ACME

ASKED = {
    "slug": Input(type="string", pattern="[a-z]+", max_length=5),
    "plan": Input(type="string", default="STARTER", enum=["STARTER", "SCALE"]),
    "amount": Input(type="integer", required=False),
    "share": Input(type="number", default=0.5),
    "force": Input(type="boolean", default=False),
    "since": Input(type="date", required=False),
    "extra": Input(type="object", required=False),
    "day": Input(type="date", required=False, enum=[date(2026, 11, 20), "2026-11-21"]),
    "rate": Input(type="number", required=False, enum=[1, 2.5]),
}


def test_what_fits_is_taken_with_its_defaults():
    taken = accept(ASKED, {"slug": "acme", "since": "2026-11-20", "extra": {"a": 1}, "plan": None, "day": "2026-11-20", "rate": 1.0})

    assert taken == {
        "slug": "acme",
        "plan": "STARTER",
        "amount": None,
        "share": 0.5,
        "force": False,
        "since": date(2026, 11, 20),
        "extra": {"a": 1},
        "day": date(2026, 11, 20),
        "rate": 1.0,
    }


@pytest.mark.parametrize(
    ("given_inputs", "field", "told"),
    [
        ({}, "slug", "is needed"),
        ({"slug": None}, "slug", "is needed"),
        ({"slug": "Acme"}, "slug", "does not match [a-z]+"),
        ({"slug": "acme\n"}, "slug", "does not match [a-z]+"),
        ({"slug": "toolong"}, "slug", "is longer than 5 characters"),
        ({"slug": 5}, "slug", "must be a text"),
        ({"slug": Secret("NO")}, "slug", "does not match [a-z]+"),
        ({"slug": "a", "plan": "GOLD"}, "plan", "must be one of STARTER, SCALE"),
        ({"slug": "a", "amount": True}, "amount", "must be a whole number"),
        ({"slug": "a", "amount": 1.0}, "amount", "must be a whole number"),
        ({"slug": "a", "share": float("nan")}, "share", "must be a number"),
        ({"slug": "a", "share": "1"}, "share", "must be a number"),
        ({"slug": "a", "force": 1}, "force", "must be true or false"),
        ({"slug": "a", "since": "2026-02-30"}, "since", "must be a date like 2026-11-20"),
        ({"slug": "a", "since": "20261120"}, "since", "must be a date like 2026-11-20"),
        ({"slug": "a", "since": "2026-W47-5"}, "since", "must be a date like 2026-11-20"),
        ({"slug": "a", "since": "\u0662026-11-20"}, "since", "must be a date like 2026-11-20"),
        ({"slug": "a", "since": 20261120}, "since", "must be a date like 2026-11-20"),
        ({"slug": "a", "day": "2026-11-22"}, "day", "must be one of 2026-11-20, 2026-11-21"),
        ({"slug": "a", "extra": [1]}, "extra", "must be an object"),
        ({"slug": "a", "amont": 1}, "amont", "is not an input; did you mean 'amount'?"),
        ({"slug": "a", "zz": 1}, "zz", "is not an input; known here: slug, plan"),
    ],
)
def test_what_does_not_fit_is_named(given_inputs, field, told):
    with pytest.raises(Rejected) as raised:
        accept(ASKED, given_inputs)

    assert [(flaw.field, told in flaw.message) for flaw in raised.value.flaws] == [(field, True)]
    assert field in raised.value.detail


def test_all_that_does_not_fit_is_named_at_once():
    with pytest.raises(Rejected) as raised:
        accept(ASKED, {"plan": 3, "amount": "x", "bad": 1})

    assert [flaw.field for flaw in raised.value.flaws] == ["bad", "slug", "plan", "amount"]


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(ASKED)), st.text(max_size=4)),
        st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.lists(st.none())),
    )
)
def test_any_input_is_taken_as_asked_or_rejected(given_inputs):
    try:
        taken = accept(ASKED, given_inputs)
    except Rejected:
        return
    assert set(taken) == set(ASKED)
    assert isinstance(taken["slug"], str)


def pipeline(**more: Any) -> Pipeline:
    steps = [{"id": "load_it", "ps_type": "a.b"}]
    return Pipeline.model_validate({"pipeline": "p", "provider": "gcp", "domain": "cost", "steps": steps} | more)


def settled(document: Pipeline, **more: Any) -> dict[str, Value]:
    known: dict[str, Any] = {
        "run_id": "r1",
        "environment": Environment.PRODUCTION,
        "today": date(2026, 11, 20),
        "tenant": ACME,
        "window": Window(date(2026, 10, 1), date(2026, 10, 31)),
        "inputs": {},
    }
    return settle(document, **(known | more))


def test_every_run_has_its_variables():
    assert settled(pipeline()) == {
        "org_slug": "acme_corp",
        "env": "prod",
        "date": date(2026, 10, 31),
        "start_date": date(2026, 10, 1),
        "end_date": date(2026, 10, 31),
        "run_id": "r1",
        "dataset": "acme_corp_dev",
    }
    bare = settled(pipeline(), tenant=None, window=None)
    assert (bare["date"], bare["start_date"], bare["org_slug"], bare["dataset"]) == (date(2026, 11, 20), None, None, None)


def test_declared_variables_are_made_of_those_before_them():
    document = pipeline(
        inputs={"table": {"type": "string"}, "extra": {"type": "object", "required": False}},
        variables={
            "folder": "{org_slug}/{env}",
            "path": "{folder}/{table}",
            "days": 7,
            "target": {"value": "{table}_daily", "kind": "identifier"},
        },
    )

    values = settled(document, inputs={"table": "cost", "extra": {"a": 1}})

    assert (values["path"], values["days"], values["target"]) == ("acme_corp/prod/cost", 7, "cost_daily")
    assert isinstance(values["target"], Identifier)
    assert "extra" not in values
    with pytest.raises(Rejected) as raised:
        settled(document, inputs={"table": "cost; DROP TABLE x"})
    assert raised.value.flaws[0].field == "target"


def test_a_secret_input_is_no_variable():
    document = pipeline(inputs={"key": {"type": "string"}})
    values = settled(document, inputs={"key": Secret("very secret")})

    assert "key" not in values
    with pytest.raises(Misconfigured):
        fill_config({"header": "{key}"}, values)


def test_a_config_is_filled_but_its_sql_is_left_to_be_bound():
    values = settled(pipeline())
    config = {
        "title": "Costs of {org_slug}",
        "deep": [{"to": "{env}/{{x}}", "n": 3}],
        "query": "SELECT {date}",
        "source_sql": ["SELECT {run_id}"],
        "sequel": "{run_id}",
    }

    copy = fill_config(config, values)

    assert copy == {
        "title": "Costs of acme_corp",
        "deep": [{"to": "prod/{x}", "n": 3}],
        "query": "SELECT {date}",
        "source_sql": ["SELECT {run_id}"],
        "sequel": "r1",
    }
    assert copy["deep"] is not config["deep"]


@pytest.mark.parametrize(("value", "fits"), [(0, True), (10, True), (-1, False), (11, False)])
def test_a_number_keeps_its_limits(value, fits):
    flaw = input_flaw(Input(type="integer", minimum=0, maximum=10), value)

    assert (flaw is None) is fits
    assert fits or "between 0 and 10" in (flaw or "")


@pytest.mark.parametrize("wrong", [{"type": "string", "minimum": 1}, {"type": "integer", "minimum": 2, "maximum": 1}])
def test_limits_that_cannot_hold_are_refused(wrong):
    with pytest.raises(ValidationError):
        Input(**wrong)


def test_of_what_a_route_has_a_document_is_handed_what_it_asks_for():
    unsaid = {"plan": "FREE", "extra": {}}

    assert handed_on(ASKED, {"plan": "FREE", "extra": {}}, unsaid, "acme") == {"plan": "FREE", "extra": {}}
    assert handed_on({"slug": ASKED["slug"]}, {"slug": "s", "plan": "FREE", "extra": {}}, unsaid, "acme") == {"slug": "s"}
    with pytest.raises(Rejected, match="acme takes no plan and no extra; leave that out") as caught:
        handed_on({}, {"plan": "SCALE", "extra": {"a": 1}}, unsaid, "acme")
    assert [flaw.field for flaw in caught.value.flaws] == ["plan", "extra"]
