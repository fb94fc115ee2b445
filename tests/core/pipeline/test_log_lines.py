"""What a step logs is kept for its record, up to a limit, and what is left out is counted."""

import pytest

from src.core.pipeline.log_lines import LINES_KEPT, LogLines
from src.core.pipeline.mask import Mask
from tests.core.pipeline.parts import HandClock


@pytest.mark.parametrize(("of_the_run", "of_the_step"), [(0, LINES_KEPT + 1), (3, LINES_KEPT), (0, 5 * LINES_KEPT), (3 * LINES_KEPT, 2)])
def test_every_line_is_kept_or_counted(of_the_run, of_the_step):
    lines = LogLines(Mask(), HandClock())
    run, step = lines.logger(), lines.logger(step="load_it")
    for log, count in ((run, of_the_run), (step, of_the_step)):
        for number in range(count):
            log.info("line.written", number=number)

    *kept, cut = lines.take("load_it")

    assert (len(kept), cut["event"]) == (LINES_KEPT - 1, "log.cut")
    assert cut["message"] == f"{of_the_run + of_the_step - len(kept)} more lines were left out"
    assert kept[0]["message"] == "number=0"
    step.info("line.written", number=7)
    assert [line["message"] for line in lines.take("load_it")] == ["number=7"]


def test_as_many_lines_as_are_kept_lose_none():
    lines = LogLines(Mask(), HandClock())
    for number in range(LINES_KEPT):
        lines.logger(step="load_it").info("line.written", number=number)

    assert {line["event"] for line in lines.take("load_it")} == {"line.written"}
