"""Asks GoogleSQL's evaluator every golden question anew and writes down what it answers."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace

from tests.engines import places
from tests.engines.analyzer import goldens
from tests.engines.analyzer.client import Analyzer, running_analyzer

TOGETHER = 40
ALIKE = re.compile(r"SELECT (?!.*SELECT)(.+) AS x(| FROM t ORDER BY id)")


def answered(analyzer: Analyzer, asked: Sequence[goldens.Golden]) -> list[goldens.Golden]:
    """What can be asked in one statement is: a statement costs the evaluator more than an expression."""
    groups: dict[str, list[goldens.Golden]] = {}
    for golden in asked:
        alike = None if golden.error else ALIKE.fullmatch(golden.sql)
        if alike:
            groups.setdefault(alike[2], []).append(golden)
    found: dict[goldens.Golden, goldens.Golden] = {}
    for tail, members in groups.items():
        for start in range(0, len(members), TOGETHER):
            found.update(_together(analyzer, members[start : start + TOGETHER], tail))
    return [found[golden] if golden in found else _alone(analyzer, golden) for golden in asked]


def _together(analyzer: Analyzer, members: Sequence[goldens.Golden], tail: str) -> dict[goldens.Golden, goldens.Golden]:
    """Nothing, where one of them fails or is more than an expression."""
    parts = [f"{golden.sql[len('SELECT ') : -len(f' AS x{tail}')]} AS x{number}" for number, golden in enumerate(members)]
    answer = analyzer.evaluate(goldens.with_table(f"SELECT {', '.join(parts)}{tail}"))
    if len(answer.get("types", ())) != len(members):
        return {}
    return {
        golden: replace(golden, types=(answer["types"][number],), rows=tuple([row[number]] for row in answer["rows"]), error="")
        for number, golden in enumerate(members)
    }


def _alone(analyzer: Analyzer, golden: goldens.Golden) -> goldens.Golden:
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
            goldens.write(path, answered(analyzer, goldens.read(path)))


if __name__ == "__main__":
    main()
