"""Google's own analyzer and evaluator, in one process: they judge the goldens and every SQL file of `configs`."""

import json
import re
from pathlib import Path

import pytest

from src.core.base.schema import Field, TableSchema
from src.core.engine.bigquery.values import with_parameters
from src.core.ledger.model import load_model
from src.core.processors.gcp.bq_etl import GoogleTables
from src.core.step.books.housekeeping import Housekeeping
from src.core.step.books.reconciled import FOLDER
from src.core.step.books.retelling import with_told_since
from src.core.step.books.rules import Books
from src.core.step.prices.rate_card import RATES
from src.core.step.reconciliation.rules import reconciled
from src.core.step.source.engine import SourceEngine
from tests.core.engine.test_bq_nulls import texts
from tests.core.step.reconciliation.both_sides import question
from tests.engines.analyzer import goldens
from tests.engines.analyzer.__main__ import answered

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ONBOARDING, BOOTSTRAP, GCP = CONFIGS / "setup/organizations/onboarding", CONFIGS / "setup/bootstrap", CONFIGS / "gcp/cost"
OPENAI = CONFIGS / "openai"
MADE_BY_THE_LOAD = ("source_table", "ingest_date", "usage_date")
PARAMETERS = {
    **dict.fromkeys(("first", "last", "first_day", "last_day", "previous_day", "previous_last", "after_day", "until_day"), "DATE"),
    **dict.fromkeys(("own_from", "load_floor", "load_ceiling", "fills_from"), "DATE"),
    **dict.fromkeys(("days", "slices", "first_read", "new", "restated", "settled"), "ARRAY<DATE>"),
    **dict.fromkeys(("accounts", "months", "run_ids", "providers", "children", "currencies", "unread", "used_since"), "ARRAY<STRING>"),
    **dict.fromkeys(("warn_share", "hold_share", "least"), "NUMERIC"),
    **dict.fromkeys(("page_rows", "groups_shown", "changes_shown"), "INT64"),
    **dict.fromkeys(("first_moment", "moment_after", "told_at"), "TIMESTAMP"),
    **dict.fromkeys(
        (
            "source", "account", "provider", "service", "project", "currency", "group_1", "group_2", "run_id",
            "after_0", "after_1", "after_2", "after_3", "after_4", "after_5", "bill", "costs", "model", "first_text", "last_text",
            "first_month", "last_month", "month", "month_before", "group_3", "group_4", "token_kind", "key", "filter",
        ),
        "STRING",
    ),
}  # fmt: skip
# The table and column a caller puts into a statement that is asked of any table.
ASKED = {
    "table": ("gcp_cost_daily", ""),
    "table_head": ("x_load_manifests", ""),
    "table_days": ("x_cost_daily", "usage_date"),
    "table_months": ("x_cost_monthly", "invoice_month"),
    "table_periods": ("x_cost_history", "period"),
    "proof_rows": ("gcp_billing_daily_raw", ""),
    "table_moments": ("x_load_manifests", "published_at"),
}


# what a provider's own question gives of use that is no cost of its API
APART = """
  SELECT CAST(NULL AS DATE) AS usage_date, 'x' AS product, 'x' AS model_told, 'x' AS currency, 1 AS sessions, 1 AS tokens,
    CAST(0 AS BIGNUMERIC) AS amount
"""
LOOKED = "SELECT first_slice AS first_day, last_slice AS last_day FROM x_source_looks WHERE first_slice <= @last AND last_slice >= @first"


def type_of(field: Field) -> str:
    inner = ", ".join(f"`{part.name}` {type_of(part)}" for part in field.fields)
    kind = f"STRUCT<{inner}>" if field.type == "STRUCT" else str(field.type)
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def relation(fields: tuple[Field, ...]) -> str:
    return "SELECT " + ", ".join(f"CAST(NULL AS {type_of(field)}) AS `{field.name}`" for field in fields)


@pytest.fixture(scope="module")
def dataset() -> dict[str, str]:
    """What an organisation's dataset holds, and what a publication stages beside it."""
    template = json.loads((CONFIGS / "gcp/bq_etl/schema_template.json").read_text())["billing_cost"]
    raw = TableSchema.parse(template, "schema_template.json", name="gcp_billing_daily_raw")
    files = sorted((*(ONBOARDING / "schemas").glob("*.json"), *(GCP / "schemas").glob("*.json")))
    views = sorted((*(ONBOARDING / "views").glob("*.sql"), *(GCP / "views").glob("*.sql")))
    return {
        **{path.stem: relation(TableSchema.load(path).fields) for path in files},
        raw.name: relation(raw.fields),
        **{schema.name: relation(schema.fields) for schema in google().schemas},
        "incoming": relation(tuple(field for field in raw.fields if field.name not in MADE_BY_THE_LOAD)),
        "fetched": relation(raw.fields),
        **{
            path.stem: relation(with_told_since(TableSchema.load(path)).fields)
            for provider in reconciled(CONFIGS)
            for path in sorted((CONFIGS / provider / "schemas").glob("*.json"))
        },
        "rates": relation(RATES.fields),
        # what plans come to is reckoned and staged in the columns of its table
        "plan_months": relation(TableSchema.load(OPENAI / "schemas/openai_subscriptions_monthly.json").fields),
        **{path.stem: path.read_text() for path in views},
    }


@pytest.fixture(scope="module")
def places(dataset, ledger):
    """What each file's statement is asked over."""
    return lambda path: ledger if BOOTSTRAP in path.parents else dataset


@pytest.fixture(scope="module")
def ledger() -> dict[str, str]:
    return {name: relation(schema.fields) for name, schema in load_model(BOOTSTRAP).schemas.items()}


def statement(path: Path) -> str:
    """As its caller sends it."""
    sql = path.read_text()
    if path.parent == CONFIGS / "costs":
        for name in ("figures_of_days", "figures_of_months"):
            sql = sql.replace(f"{{{name}}}", (CONFIGS / f"costs/{name}.sql").read_text())
    if path.parent == CONFIGS / "costs" and path.stem in ASKED:
        table, column = ASKED[path.stem]
        sql = sql.replace("asked_source", "source_table").replace("asked_slice", "ingest_date")
        return sql.replace("asked_table", f"`{table}`").replace("asked_column", f"`{column}`")
    if path.parent == CONFIGS / "costs" and path.stem.startswith("models"):
        return of_models(sql)
    sql = sql.replace("{cause_not_in_report}", "CAST(0 AS BIGNUMERIC)")
    return sql.replace("asked_reconciliation", "openai_cost_reconciliation_daily").replace("asked_bill", "openai_bill_daily")


def of_models(sql: str) -> str:
    """Asked of two providers, as far as OpenAI's tables can stand for them."""
    for place, name in {**{name: name for name in ("uses", "requests", "apart", "apart_looked", "seats")}, "bills": "bill"}.items():
        part, none = ((CONFIGS / f"costs/models_{name}{end}.sql").read_text() for end in ("", "_none"))
        sql = sql.replace(f"{{{place}}}", f"{part}\nUNION ALL\n{part}" if not place.startswith("apart") else none)
    sql = re.sub(r"\{(cost_[a-z_]+)\}", r"\1", sql).replace("asked_requests", (OPENAI / "books/requests.sql").read_text())
    for asked, put in (
        ("apart_looked", LOOKED),
        ("apart", APART),
        ("seats", "openai_subscriptions_monthly"),
        ("cost", "openai_cost_daily"),
        ("bill", "openai_bill_daily"),
    ):
        sql = sql.replace(f"asked_{asked}", put)
    return sql


def google() -> Books:
    return SourceEngine.read(GoogleTables(), CONFIGS, CONFIGS / "gcp/bq_etl").books["gcp/cost"]


def questions() -> dict[str, str]:
    """What is asked to keep Google's books, as it is composed of the provider's files and those of every provider."""
    books = google()
    asked = {"days": books.days, "months": books.months, "months_touched": books.months_touched}
    for raw in books.raw.values():
        texts = {name: getattr(raw, name) for name in ("measured", "written", "counted", "touched", "loaded", "causes")}
        texts |= {"accounts": raw.accounts, "account_days": raw.account_days}
        asked |= {name: text for name, text in texts.items() if text}
    for derived in books.derived:
        retelling, before = derived.retelling, derived.retelling.before
        fills = {"fill": (derived.schema, retelling.first), "again": (derived.schema, retelling.again)}
        fills |= {name: (before, getattr(retelling, name)) for name in ("was", "now", "no_more")}
        asked |= {"clear": derived.clear, "held": retelling.held, "told_clear": retelling.clear}
        asked |= {name: inserted(schema, text) for name, (schema, text) in fills.items()}
    return asked


def inserted(schema: TableSchema, text: str) -> str:
    columns = ", ".join(name for name in schema.columns if name != "told_since" or name in text)
    return f"INSERT INTO {schema.name} ({columns}) SELECT {columns} FROM ({text})"


def test_every_sql_file_is_googlesql_over_the_tables_of_its_place(analyzer, places):
    files = sorted(path for path in CONFIGS.rglob("*.sql") if "{" not in statement(path))
    wrong = {str(path): said for path in files if (said := analyzer.analyse(statement(path), places(path), PARAMETERS))}
    assert wrong == {}
    assert len(files) > 20


def test_every_question_of_the_books_is_googlesql(analyzer, dataset):
    asked = questions()
    assert {name: said for name, text in asked.items() if (said := analyzer.analyse(text, dataset, PARAMETERS))} == {}
    assert len(asked) == 19


def test_every_question_of_openais_books_is_googlesql(analyzer, dataset):
    meters = (OPENAI / "books/meters.sql").read_text()
    files = [*(OPENAI / "books").glob("*.sql"), CONFIGS / "system/books/uses.sql", CONFIGS / "system/prices/cost.sql"]
    shared = [path.stem for path in (CONFIGS / FOLDER).glob("*.sql")]
    asked = {path.name: path.read_text().replace("{meters}", f"({meters})").replace("{rows}", "openai_usage_daily_raw") for path in files}
    for name in dataset:
        asked = {file: text.replace(f"{{{name}}}", name) for file, text in asked.items()}
    del asked["costs_measures.sql"]  # of the other table
    asked |= {f"{FOLDER}/{name}.sql": question(name) for name in shared}
    assert {name: said for name, text in asked.items() if (said := analyzer.analyse(text, dataset, PARAMETERS))} == {}
    assert len(asked) > 10


@pytest.mark.parametrize("provider", reconciled(CONFIGS))
def test_what_is_asked_to_keep_the_books_of_a_model_provider_is_googlesql(analyzer, dataset, provider):
    books = Books.read(CONFIGS, CONFIGS / provider, {}, Housekeeping.read(CONFIGS))
    tables = {**dataset, **{schema.name: relation(schema.fields) for schema in books.schemas}}
    assert books.prices
    asked = {**books.proofs, "tells": books.tells, "uses": books.prices.uses}
    asked |= {f"doubts {number}": text for number, text in enumerate(books.doubts)}
    asked |= {f"due {number}": text for number, text in enumerate(books.due)}
    asked |= {f"fill {one.table}": inserted(one.schema, one.retelling.first) for one in books.derived}
    assert {name: said for name, text in asked.items() if (said := analyzer.analyse(text, tables, PARAMETERS))} == {}


def test_every_view_of_the_ledger_is_googlesql_as_it_is_bootstrapped(analyzer, ledger):
    views = load_model(BOOTSTRAP).views
    assert {view.name: said for view in views if (said := analyzer.analyse(view.sql, ledger, {}))} == {}
    assert len(views) == 4


@pytest.mark.parametrize(
    ("file", "mistake", "said"),
    [
        ("days", ("SUM(credits)", "SUM(credit)"), "Unrecognized name: credit"),
        ("days", ("SUM(cost)", "SUM(currency)"), "No matching signature for aggregate function SUM"),
        ("fill", ("usage.pricing_unit AS", "usage_date AS"), "has type DATE"),
        ("clear", ("gcp_cost_daily", "gcp_cost_dayly"), "Table not found"),
        ("costs/summary.sql", ("@previous_day", "@page_rows"), "BETWEEN"),
        ("setup/bootstrap/views/step_logs_view.sql", ("r.status", "r.state"), "Name state not found"),
    ],
)
def test_a_planted_mistake_is_told(analyzer, places, file, mistake, said):
    path = CONFIGS / file
    sql = (questions().get(file) or statement(path)).replace(*mistake)
    assert said in (analyzer.analyse(sql, places(path), PARAMETERS) or "nothing was told")


def test_the_goldens_are_what_the_evaluator_answers(analyzer):
    for path in goldens.topics():
        kept = goldens.read(path)
        assert answered(analyzer, kept) == kept


def test_a_comparison_with_null_is_taken_as_it_is_written_and_not_as_it_was(analyzer):
    rows = {"t": "SELECT 'a' AS x, DATE '2026-11-01' AS day"}
    for sql, _ in texts():
        values = {"a": None, "b": "2026-11-01"} if "@b" in sql else {"a": None}
        assert "cannot be literal NULL" in str(analyzer.analyse(sql.replace("@a", "NULL"), rows, {"b": "DATE"}))
        assert analyzer.analyse(with_parameters(sql, values)[0], rows, {"b": "DATE"}) is None
