"""Acme, of which only usage is told: its price book makes costs of it, and a rule names the figure that is the bill."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from src.core.step.context import StepContext, StepResult
from src.core.step.prices.changes import Add, Update
from src.core.step.prices.kinds import PRICING, seed_of
from src.core.step.prices.rates import Rate
from src.core.step.prices.store import BookStore
from src.core.step.source.config import SourceStep
from src.core.step.source.port import Source
from tests.core.step.source.acme import RAW, SUITE, Acme
from tests.fakes.billing import ROOT, Billing

BOOKS = """
provider: acme
raw:
  acme_usage_raw:
    description: Usage as Acme tells it
    partition: {field: usage_date, granularity: month}
    sums: [tokens]
    counts: false
derived:
  acme_priced_daily:
    description: What use comes to by the price book
    fill: system/prices/cost.sql
    partition: {field: usage_date, granularity: month}
  acme_bill_daily:
    description: What the organisation is taken to have been billed
    fill: bill.sql
    partition: {field: usage_date, granularity: month}
cost: acme_bill_daily
figure: figure
prices: {meters: meters.sql}
proofs: [proof.sql]
doubts: [doubts.sql]
due: [due.sql]
suite: acme_suite.json
axis: {used: {restates: 2}}
"""
METERS = """
SELECT
  usage_date,
  TIMESTAMP(usage_date) AS bucket_start,
  TIMESTAMP_ADD(TIMESTAMP(usage_date), INTERVAL 86400 SECOND) AS bucket_end,
  source AS account,
  'completions' AS endpoint,
  CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS user_id,
  CAST(NULL AS STRING) AS api_key_id,
  CAST(NULL AS STRING) AS api_source,
  model,
  'standard' AS service_tier,
  'input' AS token_kind,
  CAST(NULL AS STRING) AS kind_else,
  tokens AS quantity,
  'token' AS unit,
  CAST(NULL AS STRING) AS detail,
  CAST(NULL AS INT64) AS prompt_tokens,
  CAST(NULL AS INT64) AS prompt_tokens_most,
  'any' AS region,
  'any' AS price_window,
  CAST(NULL AS BIGNUMERIC) AS price_told,
  CAST(NULL AS STRING) AS currency_told
FROM {acme_usage_raw} -- a remark at the end
"""
BILL = """
SELECT
  usage_date,
  FORMAT_DATE('%Y%m', usage_date) AS invoice_month,
  COALESCE(model_told, '') AS model,
  CASE WHEN usage_date IN UNNEST(@settled) THEN 'reported' ELSE 'computed' END AS figure,
  currency,
  SUM(cost) AS cost,
  CAST(0 AS BIGNUMERIC) AS credits,
  SUM(cost) AS net_cost,
  COUNT(*) AS row_count,
  CAST(NULL AS TIMESTAMP) AS source_as_of
FROM {acme_priced_daily}
WHERE cost IS NOT NULL
GROUP BY usage_date, model_told, currency
"""
PROOF = """
SELECT 'tokens' AS what, SUM(raw.tokens) AS ours, (SELECT SUM(priced.quantity) FROM {acme_priced_daily} AS priced) AS theirs
FROM {acme_usage_raw} AS raw
"""
DOUBTS = """
SELECT usage_date, 'unpriced' AS completeness, CONCAT('no price for ', MIN(model_told)) AS reason
FROM {acme_priced_daily}
WHERE cost IS NULL
GROUP BY usage_date
"""
DUE = "SELECT DISTINCT usage_date FROM {acme_bill_daily} WHERE figure = 'computed' AND usage_date IN UNNEST(@settled)"
SCHEMA = """[
  {"name": "usage_date", "type": "DATE", "mode": "REQUIRED"},
  {"name": "invoice_month", "type": "STRING", "mode": "REQUIRED"},
  {"name": "model", "type": "STRING"},
  {"name": "figure", "type": "STRING", "mode": "REQUIRED"},
  {"name": "currency", "type": "STRING", "mode": "REQUIRED"},
  {"name": "cost", "type": "BIGNUMERIC", "mode": "REQUIRED"},
  {"name": "credits", "type": "BIGNUMERIC", "mode": "REQUIRED"},
  {"name": "net_cost", "type": "BIGNUMERIC", "mode": "REQUIRED"},
  {"name": "row_count", "type": "INT64", "mode": "REQUIRED"},
  {"name": "source_as_of", "type": "TIMESTAMP"}
]"""
VIEW = """SELECT usage_date, 'acme' AS provider, 'usage' AS account_id, CAST(NULL AS STRING) AS project_id,
  CAST(NULL AS STRING) AS project_name, model AS service, CAST(NULL AS STRING) AS sku, CAST(NULL AS STRING) AS region,
  CAST(NULL AS STRING) AS labels, 'regular' AS cost_type, invoice_month, currency, cost AS billed_cost, credits, net_cost, row_count
FROM acme_bill_daily"""
PRICES = "acme,m,input,standard,0,any,any,3,7,token,USD,,,the tests,2026-11-01,\n"
REPRICE = {"books": "acme/cost", "reprice": True}


def priced(here: Billing, **files: str) -> Path:
    """The configs of the service with this provider's; `files` are others of its questions, by their stem."""
    configs = here.parts.settings.data_dir / "configs"
    shutil.copytree(here.parts.settings.configs_dir, configs)
    seed = configs / "openai" / "seed"
    texts = {
        "cost/books.yml": BOOKS,
        "cost/schemas/acme_usage_raw.json": RAW,
        "cost/schemas/acme_bill_daily.json": SCHEMA,
        "cost/schemas/acme_priced_daily.json": (configs / "openai/schemas/openai_cost_daily.json").read_text(),
        "cost/views/billing_cost_daily.sql": VIEW,
        "cost/books/measures.sql": "SELECT COUNT(*) AS row_count, SUM(tokens) AS tokens FROM {rows}",
        **{f"cost/books/{stem}.sql": text for stem, text in QUESTIONS.items()},
        **{f"cost/books/{stem}.sql": text for stem, text in files.items()},
        "seed/data/default_pricing.csv": (seed / "data/default_pricing.csv").read_text().splitlines()[0] + "\n" + PRICES,
        "seed/data/default_subscriptions.csv": (seed / "data/default_subscriptions.csv").read_text().splitlines()[0] + "\n",
        "seed/data/model_aliases.csv": (seed / "data/model_aliases.csv").read_text().splitlines()[0] + "\n",
        "seed/schemas/acme_model_pricing.json": (seed / "schemas/openai_model_pricing.json").read_text(),
        "seed/schemas/acme_subscriptions.json": (seed / "schemas/openai_subscriptions.json").read_text(),
    }
    for name, text in texts.items():
        path = configs / "acme" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (configs / "data_quality/expectations/acme_suite.json").write_text(
        json.dumps({**json.loads(SUITE), "meta": {"table": "acme_bill_daily"}})
    )
    return configs


QUESTIONS: Mapping[str, str] = {"meters": METERS, "bill": BILL, "proof": PROOF, "doubts": DOUBTS, "due": DUE}


@dataclass
class PricedAcme(Acme):
    def __post_init__(self) -> None:
        # the price books of a step are those of the service's configs
        self.here.parts.settings = self.here.parts.settings.model_copy(update={"configs_dir": self.configs})

    @property
    def store(self) -> BookStore[Rate]:
        return BookStore(self.here.parts, self.here.tenant, seed_of(self.configs, "acme", PRICING))

    def lay(self, *rates: Rate) -> None:
        self.store.make()
        self.store.change(Add(rates), ROOT, "pricing.add")

    def correct(self, model: str, price: str) -> None:
        """Also of days that are over."""
        request = Update[Rate]({"model": model}, {"price": Decimal(price)}, effective_from=datetime(2026, 1, 1, tzinfo=UTC))
        self.store.change(request, ROOT, "pricing.update")

    def tell(self, first: date, last: date, *rows: dict[str, Any]) -> StepResult:
        """Loads what the provider tells, as the step of a document does."""
        with self.told(list(rows)) as source:
            return self.publish(self.context(first, last), source)

    def publish(self, context: StepContext, *sources: Source) -> StepResult:
        staged = SourceStep.model_validate({"books": "acme/cost", "destination_table": "acme_usage_raw", "stage": True})
        extract = replace(context, step_id="extract_usage")
        self.engine.stage(staged, extract, sources)
        return self.engine.run({"books": "acme/cost", "staged_by": ["extract_usage"]}, context)

    def reprice(self, first: date, last: date) -> StepResult:
        return self.engine.run(REPRICE, self.repricing(first, last))

    def repricing(self, first: date, last: date) -> StepContext:
        return replace(self.context(first, last, "load_prices"), document_id="acme/cost/reprice")

    def days(self) -> dict[str, tuple[str | None, str, str | None]]:
        rows = self.here.ask("SELECT usage_date, net_cost, completeness, figure FROM x_cost_daily WHERE completeness != 'missing'")
        return {f"{row['usage_date']:%m-%d}": (plain(row["net_cost"]), row["completeness"], row["figure"]) for row in rows}


def rate(model: str, price: str, per: int = 7) -> Rate:
    return Rate(provider="acme", model=model, token_kind="input", price=Decimal(price), per=per, origin="own", source="the tests")


def plain(money: Decimal | None) -> str | None:
    return None if money is None else format(money.normalize(), "f")
