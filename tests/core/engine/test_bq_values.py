from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter, SchemaField, TableReference

from src.core.base.faults import Misconfigured, Rejected
from src.core.base.schema import Field, TableSchema
from src.core.engine.bigquery.clients import account_of
from src.core.engine.bigquery.types import arrow_schema, evolution, fields_of
from src.core.engine.bigquery.values import label, named_parameters, plain_batch, with_parameters

TABLE = TableReference.from_string("p.d.t")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a", "STRING"),
        (True, "BOOL"),
        (1, "INT64"),
        (0.5, "FLOAT64"),
        (b"a", "BYTES"),
        (date(2026, 1, 1), "DATE"),
        (datetime(2026, 1, 1, tzinfo=UTC), "TIMESTAMP"),
        (datetime(2026, 1, 1), "DATETIME"),  # noqa: DTZ001 - a DATETIME has no zone
        (Decimal("1.5"), "NUMERIC"),
        (Decimal("9" * 29 + "." + "9" * 9), "NUMERIC"),
        (Decimal("1E+28"), "NUMERIC"),
        (Decimal("1E+29"), "BIGNUMERIC"),
        (Decimal("0.0000000001"), "BIGNUMERIC"),
    ],
    ids=repr,
)
def test_each_value_goes_out_as_its_type(value, kind):
    sql, [parameter] = with_parameters("SELECT @v", {"v": value})
    assert isinstance(parameter, ScalarQueryParameter)
    assert (sql, parameter.name, parameter.type_, parameter.value) == ("SELECT @v", "v", kind, value)


def test_the_text_stays_as_written_but_for_values_that_have_no_type():
    sql = "SELECT @a, '@a', `@a`, -- @a\n @ab, x IN UNNEST( @empty ), @@row_count, @a FROM t  # @a"
    text, [parameter] = with_parameters(sql, {"a": None, "ab": "x", "empty": [], "unused": 1})
    assert isinstance(parameter, ScalarQueryParameter)
    assert text == "SELECT NULL, '@a', `@a`, -- @a\n @ab, x IN UNNEST( [] ), @@row_count, NULL FROM t  # @a"
    assert (parameter.name, parameter.value) == ("ab", "x")


def test_a_list_is_an_array_of_its_one_type():
    _, [days] = with_parameters("SELECT @d", {"d": [date(2026, 1, 1), date(2026, 1, 2)]})
    assert isinstance(days, ArrayQueryParameter)
    assert (days.array_type, days.values) == ("DATE", [date(2026, 1, 1), date(2026, 1, 2)])
    with pytest.raises(Rejected, match="INT64, STRING"):
        with_parameters("SELECT @d", {"d": [1, "a"]})  # type: ignore[dict-item]


def test_text_that_cannot_be_read_is_no_googlesql():
    with pytest.raises(Rejected, match="GoogleSQL"):
        named_parameters("SELECT 'open")


@pytest.mark.parametrize(
    ("given", "written"),
    [("acme_corp", "acme_corp"), ("Run 1/é", "run-1--"), ("a" * 80, "a" * 63), ("", "")],
)
def test_labels_take_what_labels_take(given, written):
    assert label(given) == written


def test_rows_come_in_the_types_of_every_engine():
    fields = [
        SchemaField("n", "NUMERIC", "REQUIRED", description="noted"),
        SchemaField("bn", "BIGNUMERIC"),
        SchemaField("ts", "TIMESTAMP"),
        SchemaField("rs", "RECORD", "REPEATED", fields=[SchemaField("f", "FLOAT"), SchemaField("j", "JSON")]),
    ]
    schema = arrow_schema(fields)
    inner = pa.list_(pa.struct([("f", pa.float64()), ("j", pa.string())]))
    kinds = [("n", pa.decimal128(38, 9)), ("bn", pa.decimal128(38, 18)), ("ts", pa.timestamp("us", "UTC")), ("rs", inner)]
    assert schema == pa.schema(kinds)
    assert all(field.nullable and not field.metadata for field in schema)
    wide = pa.RecordBatch.from_arrays([pa.array([Decimal("1.5")], pa.decimal256(76, 38))], names=["bn"])
    assert plain_batch(wide, pa.schema([kinds[1]])).to_pylist() == [{"bn": Decimal("1.5")}]
    too_long = pa.RecordBatch.from_arrays([pa.array([Decimal("1E+21")], pa.decimal256(76, 38))], names=["bn"])
    with pytest.raises(Rejected, match="BIGNUMERIC"):
        plain_batch(too_long, pa.schema([kinds[1]]))


def test_a_type_that_is_not_served_says_how_to_read_it():
    with pytest.raises(Rejected, match="GEOGRAPHY"):
        arrow_schema([SchemaField("g", "GEOGRAPHY")])


def test_an_evolution_adds_relaxes_and_keeps_what_stands():
    held = fields_of(
        TableSchema(
            "t",
            (
                Field("day", "DATE", "REQUIRED"),
                Field("Cost", "NUMERIC", description="kept"),
                Field("s", "STRUCT", "REPEATED", fields=(Field("x", "INT64"),)),
                Field("gone", "STRING"),
            ),
        )
    )
    wanted = TableSchema(
        "t",
        (
            Field("fresh", "STRING", "REQUIRED", description="new"),
            Field("s", "STRUCT", "REPEATED", fields=(Field("y", "DATE", "REQUIRED"), Field("x", "INT64"))),
            Field("cost", "NUMERIC"),
            Field("day", "DATE"),
        ),
    )
    change = evolution(wanted, held, TABLE)
    assert change.added == ("fresh", "s.y")
    assert [(field.name, field.mode) for field in change.fields] == [
        ("day", "NULLABLE"), ("Cost", "NULLABLE"), ("s", "REPEATED"), ("gone", "NULLABLE"), ("fresh", "NULLABLE"),
    ]  # fmt: skip
    assert [(field.name, field.mode) for field in change.fields[2].fields] == [("x", "NULLABLE"), ("y", "NULLABLE")]
    assert (change.fields[1].description, change.fields[4].description) == ("kept", "new")


def test_required_is_never_put_on_what_stands():
    held = fields_of(TableSchema("t", (Field("day", "DATE"),)))
    assert evolution(TableSchema("t", (Field("day", "DATE", "REQUIRED"),)), held, TABLE).fields[0].mode == "NULLABLE"


@pytest.mark.parametrize(
    ("slug", "account"),
    [("acme_corp", "cdp-acme-corp@p.iam.gserviceaccount.com"), ("a1b", "cdp-a1b@p.iam.gserviceaccount.com")],
)
def test_each_organisation_has_its_account(slug, account):
    assert account_of("cdp-{org}@p.iam.gserviceaccount.com", slug) == account


@pytest.mark.parametrize("slug", ["x" * 27, "acme_"])
def test_an_account_that_cannot_be_is_named_with_its_setting(slug):
    with pytest.raises(Misconfigured, match="ORG_SERVICE_ACCOUNT"):
        account_of("cdp-{org}@p.iam.gserviceaccount.com", slug)
