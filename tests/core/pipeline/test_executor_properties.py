"""Random documents through the whole executor, held against a model of a few lines."""

import random
from typing import Any

import structlog.testing

from src.core.base.settings import Settings
from src.core.pipeline.catalog import Catalog, CatalogEntry
from src.core.pipeline.document import Pipeline
from src.core.pipeline.executor import AsyncPipelineExecutor
from src.core.pipeline.journal import HeldJournal
from tests.core.pipeline.parts import REGISTRY, ROOT_ACTOR, Bench, statuses
from tests.fakes.processors.sample.scripted import Script

SETTINGS = Settings(_env_file=None)
FATES = ("fine", "fine", "fine", "rejected", "crash", "shaky")
CONFIGS: dict[str, dict[str, Any]] = {
    "fine": {},
    "rejected": {"raises": "Rejected"},
    "crash": {"raises": "KeyError"},
    "shaky": {"raises": "Unavailable", "times": 2},
}


def drawn_document(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    steps = []
    for index in range(chance.randint(1, 9)):
        needed = chance.sample(range(index), k=chance.randint(0, min(index, 3)))
        whens = ["on_success", "on_success", "on_completion", "always", *(["on_failure"] if needed else [])]
        steps.append(
            {
                "id": f"load_{index}",
                "ps_type": "sample.scripted",
                "depends_on": [f"load_{other}" for other in needed],
                "when": chance.choice(whens),
                "retry": {"attempts": chance.randint(1, 4), "wait": "1s"},
                "config": CONFIGS[chance.choice(FATES)],
            }
        )
    chance.shuffle(steps)
    return {"pipeline": "drawn", "scope": "platform", "timeout": "24h", "inputs": {"script": {"type": "object"}}, "steps": steps}


def expected_statuses(document: dict[str, Any]) -> dict[str, str]:
    """In the order of their numbers every step comes after what it depends on."""
    by_id = {step["id"]: step for step in document["steps"]}
    found: dict[str, str] = {}
    failed_above: dict[str, bool] = {}
    for step_id in sorted(by_id):
        step = by_id[step_id]
        needed = step["depends_on"]
        failed_above[step_id] = any(found[name] == "FAILED" or failed_above[name] for name in needed)
        succeeded = all(found[name] == "SUCCESS" for name in needed)
        runs = {
            "on_success": succeeded,
            "on_failure": failed_above[step_id],
            "on_completion": succeeded or failed_above[step_id],
            "always": True,
        }
        fails = step["config"].get("raises") and not (step["config"].get("times", 99) < step["retry"]["attempts"])
        found[step_id] = "SKIPPED" if not runs[step["when"]] else "FAILED" if fails else "SUCCESS"
    return found


async def test_any_document_ends_as_its_edges_and_fates_say():
    with structlog.testing.capture_logs():
        for seed in range(1200):
            await check(drawn_document(seed), seed)


async def check(raw: dict[str, Any], seed: int) -> None:
    entry = CatalogEntry("drawn", "drawn.yml", Pipeline.model_validate(raw))
    services, journal, script = Bench(SETTINGS), HeldJournal(), Script()
    executor = AsyncPipelineExecutor(services, Catalog({"drawn": entry}, REGISTRY), journal, sleep=services.clock.sleep)

    outcome = await executor.run("drawn", actor=ROOT_ACTOR, inputs={"script": script})

    expected = expected_statuses(raw)
    assert statuses(outcome) == expected, seed
    assert outcome.status == ("FAILED" if "FAILED" in expected.values() else "SUCCESS"), seed
    assert set(script.attempts) == {name for name, status in expected.items() if status != "SKIPPED"}, seed
    ends = {row.step_id: row.status for row in sorted(journal.steps, key=lambda row: row.attempt)}
    assert ends == expected, seed
    assert len({row.step_log_id for row in journal.steps}) == len(journal.steps), seed
    for step in raw["steps"]:
        if ("start", step["id"]) in script.events:
            begun = script.events.index(("start", step["id"]))
            assert not {("start", name) for name in step["depends_on"]} & set(script.events[begun:]), seed
            assert not {("end", name) for name in step["depends_on"]} & set(script.events[begun:]), seed
