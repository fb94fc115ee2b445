"""A process that stages a month of Acme's usage, begins to publish it, and is killed before anything is visible. FOLDER is its place."""

import os
import signal
import sys
from datetime import date
from pathlib import Path
from unittest.mock import patch

from src.core.step.source import load
from src.core.step.source.config import SourceStep
from tests.core.step.source.acme import READ, Acme, Delivered, configured, used
from tests.fakes.billing import billing

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 12)
RUN = "run-killed"


def dies(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path) -> None:
    export = Delivered()
    export.deliver("2026-11", "one", used(date(2026, 11, 10)), used(date(2026, 11, 11), 50))
    with billing(folder, LAST, sandbox=False) as here:
        here.parts.warehouse.ensure_dataset(here.tenant)
        acme = Acme(here, configured(here, "{period: {closing_day: 10}}"))
        acme.engine.stage(SourceStep.model_validate({**READ, "stage": True}), acme.context(FIRST, LAST, "extract_usage", RUN), [export])
        # raw and derived rows stand in an open transaction when the manifest is written
        with patch.object(load, "manifest", dies):
            acme.engine.run({"books": "acme/cost", "staged_by": ["extract_usage"]}, acme.context(FIRST, LAST, "load_usage", RUN))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
