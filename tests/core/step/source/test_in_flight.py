"""What a source gave is counted before it is a file, and each object of it stands in the manifest."""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from src.core.base.faults import BooksNotClosed
from src.core.providers.slices import day_slice
from src.core.step.source.config import SourceStep
from src.core.step.source.in_flight import brought_files
from tests.core.step.source.acme import READ, Acme, Delivered, configured, used
from tests.fakes.billing import Billing

FIRST, LAST = date(2026, 11, 9), date(2026, 11, 12)
STAGE = SourceStep.model_validate({**READ, "stage": True})
PUBLISH = {"books": "acme/cost", "staged_by": ["extract_usage"]}


@pytest.fixture
def acme(bare: Billing) -> Acme:
    bare.clock.today = LAST
    return Acme(bare, configured(bare, "{used: {restates: 3}}"))


def objects(acme: Acme) -> list[dict[str, Any]]:
    [manifest] = acme.here.ask("SELECT objects FROM x_load_manifests ORDER BY published_at DESC LIMIT 1")
    told: list[dict[str, Any]] = json.loads(manifest["objects"])
    return told


def spoil(path: Path) -> None:
    """Another amount in as many rows: a disk, or a writer of Parquet, that has kept something else."""
    rows = pq.read_table(path)
    place = rows.column_names.index("tokens")
    pq.write_table(rows.set_column(place, rows.field(place), pc.add(rows.column(place), pa.scalar(1, rows.column(place).type))), path)


def test_a_file_that_holds_something_else_than_was_written_to_it_is_not_published(acme: Acme, monkeypatch: pytest.MonkeyPatch):
    with acme.told([used(FIRST), used(LAST, 50)]) as source:
        fetched = source.fetch

        def fetch(*asked: Any) -> tuple[Path, ...]:
            paths = fetched(*asked)
            spoil(paths[0])
            return paths

        monkeypatch.setattr(source, "fetch", fetch)
        with pytest.raises(BooksNotClosed, match="the source says 2 rows, tokens 150; written were 2 rows, tokens 151"):
            acme.load(FIRST, LAST, source)
    assert acme.said() == {}


def test_what_was_spoiled_while_it_was_staged_is_not_published(acme: Acme):
    with acme.told([used(FIRST)]) as source:
        acme.engine.stage(STAGE, acme.context(FIRST, LAST, "extract_usage", "run-1"), [source])
    [kept] = acme.here.parts.warehouse.io_folder(acme.here.tenant).rglob("*.parquet")
    spoil(kept)
    with pytest.raises(BooksNotClosed, match="tokens 100"):
        acme.engine.run(PUBLISH, acme.context(FIRST, LAST, "load_usage", "run-1"))


def test_each_slice_stands_in_the_manifest_with_what_it_came_in(acme: Acme):
    with acme.told([used(FIRST), used(LAST, 50), used(LAST, 7, "n")]) as source:
        acme.load(FIRST, LAST, source)
    ninth, twelfth = objects(acme)
    assert [(one["table"], one["source"], one["slice"], one["rows"]) for one in (ninth, twelfth)] == [
        ("acme_usage_raw", "usage", "2026-11-09", 1),
        ("acme_usage_raw", "usage", "2026-11-12", 2),
    ]
    [came] = twelfth["objects"]
    assert (came["name"], came["etag"], came["rows"], len(came["sha256"])) == ("2026-11-12", None, 2, 64)
    assert came["bytes"] > 0

    with acme.told([used(LAST, 50)]) as source:
        acme.load(FIRST, LAST, source)
    assert {one["slice"]: one["rows"] for one in objects(acme)} == {"2026-11-09": 0, "2026-11-12": 1}


def test_what_came_as_a_file_is_known_by_its_bytes(acme: Acme, tmp_path: Path):
    acme = Acme(acme.here, configured_again(acme))
    export = Delivered()
    export.deliver("2026-11", "one", used(FIRST), used(LAST, 50))
    seen: list[str] = []

    class Watched(Delivered):
        def fetch(self, *asked: Any) -> tuple[Path, ...]:
            paths = super().fetch(*asked)
            seen.extend(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
            return paths

    acme.load(FIRST, LAST, Watched(export.months))
    [entry] = objects(acme)
    assert (entry["slice"], entry["version"], entry["rows"]) == ("2026-11", "one", 2)
    assert [(one["name"], one["sha256"]) for one in entry["objects"]] == [("2026-11.parquet", seen[0])]


def configured_again(acme: Acme) -> Path:
    books = acme.configs / "acme/cost/books.yml"
    books.write_text(books.read_text().replace("{used: {restates: 3}}", "{period: {closing_day: 10}}"))
    return acme.configs


def test_a_source_whose_files_do_not_say_of_which_slice_they_are_is_refused(tmp_path: Path):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.write_bytes(b"rows")
    days = [day_slice(day, 1, 4, "one") for day in (FIRST, LAST)]
    assert [one.slice for one in brought_files(Delivered(), days, paths[:2]).came] == ["2026-11-09", "2026-11-12"]
    assert {one.slice for one in brought_files(Delivered(), days[:1], paths).came} == {"2026-11-09"}
    with pytest.raises(BooksNotClosed, match="2 slices were asked for, and 3 files came that do not say of which"):
        brought_files(Delivered(), days, paths)
