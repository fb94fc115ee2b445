from typing import Any


class Statusless:
    async def execute(self, step_config: Any, context: Any) -> dict[str, int]:
        return {"rows": 1}


def get_engine() -> Statusless:
    return Statusless()
