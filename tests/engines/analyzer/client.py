"""Google's analyzer asked from the tests: started once, answering as many questions as there are."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICE = Path(__file__).with_name("service.py")


@dataclass(frozen=True)
class Analyzer:
    process: subprocess.Popen[str]

    def evaluate(self, sql: str) -> dict[str, Any]:
        """The types and rows of a query over literals, or the error GoogleSQL makes of it."""
        return self._ask({"ask": "evaluate", "sql": sql})

    def analyse(self, sql: str, relations: Mapping[str, str], parameters: Mapping[str, str]) -> str | None:
        """What is wrong with the statement. Relations are queries by name, each over those before it; parameters are types by name."""
        answer = self._ask({"ask": "analyse", "sql": sql, "relations": dict(relations), "parameters": dict(parameters)})
        return answer.get("message")

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the analyzer ended before it answered")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def running_analyzer(python: Path) -> Iterator[Analyzer]:
    process = subprocess.Popen([python, SERVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Analyzer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
