"""A processor that does what its config says: the executor's tests are written in documents."""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict

from src.core.base import faults
from src.core.base.documents import Document
from src.core.base.faults import Fault, Flaw
from src.core.base.secret import Secret
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.placeholders import bind_sql


class ScriptedConfig(Document):
    """Whatever a test writes."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Scripted:
    config_model = ScriptedConfig

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        given = context.inputs.get("script")
        script: Script = Script() if given is None else given
        script.events.append(("start", context.step_id))
        script.seen[context.step_id] = context
        script.configs.append(step_config)
        try:
            await asyncio.sleep(step_config.get("for", 0))
            if step_config.get("forever"):
                await asyncio.Event().wait()
            _act(step_config, script.next_attempt(context.step_id))
        finally:
            script.events.append(("end", context.step_id))
        if "query" in step_config:
            sql, params = bind_sql(step_config["query"], context.variables)
            return {"status": "SUCCESS", "sql": sql, "params": params}
        result: StepResult = {"status": "SUCCESS", "rows_processed": step_config.get("rows"), **step_config.get("answers", {})}
        if "secret" in step_config:
            result["handed_over"] = Secret(step_config["secret"])
        return result


class Script(dict[str, Any]):
    """Travels as an input of type object, so that a test sees what the steps did."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, str]] = []
        self.seen: dict[str, StepContext] = {}
        self.configs: list[StepConfig] = []
        self.attempts: dict[str, int] = {}

    def next_attempt(self, step_id: str) -> int:
        self.attempts[step_id] = self.attempts.get(step_id, 0) + 1
        return self.attempts[step_id]

    @property
    def order(self) -> list[str]:
        return [step for what, step in self.events if what == "start"]


def _act(config: StepConfig, attempt: int) -> None:
    raises = config.get("raises")
    if raises is None or attempt > config.get("times", 1_000):
        return
    text = config.get("says", "as the script says")
    if raises in CRASHES:
        raise CRASHES[raises](text)
    fault: type[Fault] = getattr(faults, raises)
    raise fault(text, retry_after=config.get("retry_after"), flaws=[Flaw(text)])


CRASHES: dict[str, Callable[..., BaseException]] = {
    "KeyError": KeyError,
    "OSError": OSError,
    "TimeoutError": TimeoutError,
    "CancelledError": asyncio.CancelledError,
    "Group": lambda text: ExceptionGroup("several", [faults.Throttled(text), faults.Unavailable(text)]),
    "MixedGroup": lambda text: ExceptionGroup("several", [faults.Throttled(text), KeyError(text)]),
}


def get_engine() -> Scripted:
    return Scripted()
