"""What the step knows of its organisation before it asks OpenAI: where prices turn, and that costs by key were refused."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import structlog

from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.engine.port import Fence
from src.core.processors.openai.usage import get_engine
from src.core.step.context import StepContext
from src.core.step.credentials import OpenCredential
from src.core.step.prices.changes import Update
from src.core.step.prices.kinds import PRICING, seed_of
from src.core.step.prices.seeding import lay
from src.core.step.prices.store import BookStore
from src.core.step.source.config import SourceStep
from src.core.step.source.load import prepare
from src.sandbox.openai.provider import Openai
from tests.fakes.billing import ROOT, Billing, billing

TODAY = date(2026, 11, 21)
WINDOW = Window(date(2026, 11, 17), date(2026, 11, 19))
USAGE, COSTS = "openai_usage_daily_raw", "openai_costs_daily_raw"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Billing]:
    with billing(tmp_path, TODAY) as made:
        made.parts.warehouse.ensure_dataset(made.tenant)
        yield made


def told(here: Billing, table: str, into: Path, subject: str | None = "org-a") -> tuple[str, list[dict[str, Any]]]:
    """The name of the source, and what the step reads of the window."""
    assert here.parts.sandbox is not None
    sandbox = here.parts.sandbox.providers["openai"]
    assert isinstance(sandbox, Openai)
    credential = OpenCredential("id", "openai", "default", Secret(sandbox.key("demo")), "wxyz-12345678", subject)
    context = StepContext("run", "extract", ROOT, here.parts, structlog.get_logger(), here.tenant)
    processor = get_engine()
    prepare(context, here.tenant, processor.engine.books["openai"], processor.engine.views)
    step = SourceStep(books="openai", destination_table=table, stage=True)
    with processor.open(context, here.tenant, credential, step) as [source]:
        files = source.fetch(source.slices(WINDOW, WINDOW).slices, into, lambda _: None)
        return source.name, [row for file in files for row in pq.read_table(file).to_pylist()]


def test_a_day_on_which_a_price_of_the_book_turns_is_read_by_the_hour(here: Billing, tmp_path: Path):
    name, rows = told(here, USAGE, tmp_path)
    assert (name, {row["bucket_seconds"] for row in rows}) == ("org-a", {86_400})

    store = BookStore(here.parts, here.tenant, seed_of(here.parts.settings.configs_dir, "openai", PRICING))
    lay(store, "release", ROOT)
    turn = datetime(2026, 11, 18, 13, tzinfo=UTC)
    store.change(Update({"model": "gpt-6.1-sol", "token_kind": "input"}, {"price": Decimal(9)}, effective_from=turn), ROOT, "test")

    _, rows = told(here, USAGE, tmp_path)
    assert {(row["usage_date"].day, row["bucket_seconds"]) for row in rows} == {(17, 86_400), (18, 3_600), (19, 86_400)}


def test_costs_that_were_refused_by_key_are_not_asked_by_key_again(here: Billing, tmp_path: Path):
    name, rows = told(here, COSTS, tmp_path)
    assert (name, {row["grouped_by"] for row in rows}) == ("org-a costs", {"project_id,line_item,api_key_id"})

    refused = {"source": name, "source_slice": "2026-11-01", "usage_date": date(2026, 11, 1), "refused_on": TODAY - timedelta(3)}
    row = {**refused, "amount": Decimal(1), "currency": "USD", "grouped_by": "project_id,line_item"}
    with here.parts.warehouse.publication(here.tenant, "before", Fence("test", 1)) as publication:
        publication.append(COSTS, [row])

    _, again = told(here, COSTS, tmp_path)
    assert {(row["grouped_by"], row["refused_on"]) for row in again} == {("project_id,line_item", TODAY - timedelta(3))}
    assert sum(row["amount"] for row in again) == sum(row["amount"] for row in rows) > 0
    # another organisation was refused nothing
    assert {row["grouped_by"] for row in told(here, COSTS, tmp_path, "org-b")[1]} == {"project_id,line_item,api_key_id"}


def test_an_organisation_that_openai_does_not_name_is_known_by_its_credential_s_name(here: Billing, tmp_path: Path):
    assert [told(here, table, tmp_path, None)[0] for table in (USAGE, COSTS)] == ["openai-default", "openai-default costs"]
