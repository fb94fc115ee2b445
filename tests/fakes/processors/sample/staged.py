"""A processor for queued runs, whose inputs are plain: a test puts a stage under a name and gives the name as input."""

import asyncio
from collections.abc import Awaitable, Callable

from src.core.base.documents import Document
from src.core.step.context import StepConfig, StepContext, StepResult

Act = Callable[[StepContext], Awaitable[StepResult | None]]


class Stage:
    """What the steps of its runs do, and who came."""

    def __init__(self, act: Act | None = None) -> None:
        self.act = act
        self.seen: list[StepContext] = []
        self.running = 0
        self.most_at_once = 0
        self.open = asyncio.Event()


STAGES: dict[str, Stage] = {}


class StagedConfig(Document):
    waits: bool = False
    rows: int = 0


class Staged:
    config_model = StagedConfig

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        stage = STAGES[context.inputs["stage"]]
        stage.seen.append(context)
        stage.running += 1
        stage.most_at_once = max(stage.most_at_once, stage.running)
        try:
            if step_config.get("waits"):
                await stage.open.wait()
            answer = await stage.act(context) if stage.act else None
        finally:
            stage.running -= 1
        return answer or {"status": "SUCCESS", "rows_processed": step_config.get("rows", 0)}


def get_engine() -> Staged:
    return Staged()
