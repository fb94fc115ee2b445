"""Asks GoogleSQL's evaluator every golden question anew and writes down what it answers."""

import sys
from dataclasses import replace

from tests.engines import places
from tests.engines.analyzer import goldens
from tests.engines.analyzer.client import Analyzer, running_analyzer


def answered(analyzer: Analyzer, golden: goldens.Golden) -> goldens.Golden:
    answer = analyzer.evaluate(goldens.with_table(golden.sql))
    if "error" in answer:
        return replace(golden, types=(), rows=(), error=f"{answer['error']}: {answer['message']}"[:160])
    return replace(golden, types=tuple(answer["types"]), rows=tuple(answer["rows"]), error="")


def main() -> None:
    python = places.analyzer()
    if python is None:
        sys.exit(f"Google's analyzer is not there; {places.MEND}")
    with running_analyzer(python) as analyzer:
        for path in goldens.topics():
            goldens.write(path, [answered(analyzer, golden) for golden in goldens.read(path)])


if __name__ == "__main__":
    main()
