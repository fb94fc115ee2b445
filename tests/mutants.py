"""Planted defects: a line of the code is changed in a copy of the tree, and the tests that are named beside it must turn red.

`make mutants` prints them. They stand in `tests/planted.py`; the tests are run first as the tree is, for what is red anyway sees nothing.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.engines.places import ROOT, emulator, postgres_bin
from tests.planted import PLANTED
from tests.planted.defect import Defect, Engine

LINKED = (".venv", ".venv-engines")
# without what only tests/fuzz needs, which takes a third of the start
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:schemathesis")
LONGEST_SECONDS = 600.0  # only a hang takes longer
ENDING_SECONDS = 60.0
SHOWN_LINES = 25
RED = "red"
# by what pytest answers; anything else says that no test was begun
WORDS = {0: "GREEN", 1: RED, -signal.SIGALRM: "HUNG"}


@dataclass(frozen=True, slots=True)
class Selection:
    tests: tuple[str, ...]
    only: str


@dataclass(frozen=True, slots=True)
class Ran:
    word: str
    seconds: float
    said: str = ""


class Copy:
    """A tree of its own to plant defects in, one at a time."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self._folder = folder / "tree"
        self._scratch = folder / "tmp"
        self._planted = 0
        self._scratch.mkdir(parents=True)
        listing = ["git", "-C", str(tree), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listing, check=True, capture_output=True, text=True).stdout.rstrip("\0").split("\0"):
            # what stands in the index may be gone by now
            if name not in LINKED and os.path.lexists(tree / name):
                (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, self._folder / name, follow_symlinks=False)
        for name in LINKED:
            if (tree / name).exists():
                (self._folder / name).symlink_to((tree / name).resolve())

    @contextmanager
    def planted(self, defect: Defect) -> Iterator[None]:
        path = self._folder / defect.file
        right, facts = path.read_text(), path.stat()
        if right.count(defect.line) != 1:
            raise ValueError(f"{defect.file} has {right.count(defect.line)} times: {defect.line}")
        self._planted += 1
        path.write_text(right.replace(defect.line, defect.wrong))
        # Python tells by size and time whether what it has compiled is of this text, so no two texts of a file have one time
        os.utime(path, (facts.st_atime, facts.st_mtime + self._planted))
        try:
            yield
        finally:
            path.write_text(right)
            os.utime(path, (facts.st_atime, facts.st_mtime))

    def run(self, chosen: Selection) -> Ran:
        began = time.monotonic()
        status, said = self._pytest([*PYTEST, *(["-k", chosen.only] if chosen.only else []), *chosen.tests])
        return Ran(WORDS.get(status, "BROKE"), time.monotonic() - began, said)

    def _pytest(self, argv: Sequence[str]) -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "PYTHONPATH")}
        environment["TMPDIR"] = str(self._scratch)
        with subprocess.Popen(
            argv, cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                said, _ = process.communicate(timeout=LONGEST_SECONDS)
            except subprocess.TimeoutExpired:
                return -signal.SIGALRM, _ended(process)
            return process.returncode, said


def _ended(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)  # so that it ends the engines that it has started
    try:
        return process.communicate(timeout=ENDING_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


class Copies:
    """As many as are worked in at once."""

    def __init__(self, tree: Path, folder: Path, count: int) -> None:
        self._free: SimpleQueue[Copy] = SimpleQueue()
        for number in range(count):
            self._free.put(Copy(tree, folder / str(number)))

    def as_it_is(self, chosen: Selection) -> Ran:
        with self._one() as copy:
            return copy.run(chosen)

    def with_defect(self, defect: Defect) -> Ran:
        with self._one() as copy, copy.planted(defect):
            return copy.run(Selection(defect.tests, defect.only))

    @contextmanager
    def _one(self) -> Iterator[Copy]:
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)


def lacking(defect: Defect) -> str | None:
    """The engine it needs that is not there."""
    there = {Engine.POSTGRESQL: postgres_bin() is not None, Engine.EMULATOR: emulator() is not None}
    return next((engine.value for engine in defect.needs if not there[engine]), None)


def selections(defects: Sequence[Defect]) -> list[Selection]:
    """Every test that is named, each once; those that need no engine beside those that do."""
    named: dict[tuple[str, tuple[Engine, ...]], dict[str, None]] = {}
    for defect in defects:
        named.setdefault((defect.only, defect.needs), {}).update(dict.fromkeys(defect.tests))
    return [Selection(tuple(tests), only) for (only, _), tests in named.items()]


def told(defect: Defect, ran: Ran) -> str:
    return f"{defect.part:<15} {ran.word:<6} {ran.seconds:5.1f} s  {defect.harm}"


def stayed(defect: Defect, ran: Ran) -> str:
    again = f"pytest {' '.join(defect.tests)}{f' -k {defect.only}' if defect.only else ''}"
    said = "" if ran.word == WORDS[0] else "\n" + "\n".join(ran.said.splitlines()[-SHOWN_LINES:])
    return f"\n{ran.word}: {defect.file}\n  - {defect.line.strip()}\n  + {defect.wrong.strip()}\n  {again}{said}"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its purpose


def control(copies: Copies, pool: ThreadPoolExecutor, tried: Sequence[Defect]) -> bool:
    began = time.monotonic()
    chosen = selections(tried)
    wrong = [(one, ran) for one, ran in zip(chosen, pool.map(copies.as_it_is, chosen), strict=True) if ran.word != WORDS[0]]
    for one, ran in wrong:
        say(f"not green without any defect ({ran.word}): {' '.join(one.tests)} {one.only}\n{ran.said}")
    if not wrong:
        say(f"without any defect the tests named here are green ({time.monotonic() - began:.0f} s)\n")
    return not wrong


def plant(tree: Path, chosen: Sequence[Defect], workers: int) -> int:
    began, seen, missed, untried = time.monotonic(), 0, [], 0
    tried = [defect for defect in chosen if lacking(defect) is None]
    with tempfile.TemporaryDirectory(prefix="mutants-") as name, ThreadPoolExecutor(workers) as pool:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL serves from a folder in it, as an account of its own
        copies = Copies(tree, folder, workers)
        if tried and not control(copies, pool, tried):
            return 1
        outcomes = pool.map(copies.with_defect, tried)
        for defect in chosen:
            lack = lacking(defect)
            if lack is not None:
                say(f"{defect.part:<15} not tried: no {lack}  {defect.harm}")
                untried += 1
                continue
            ran = next(outcomes)
            say(told(defect, ran))
            seen += ran.word == RED
            if ran.word != RED:
                missed.append(stayed(defect, ran))
    say("".join(f"{one}\n" for one in missed))
    say(f"{len(chosen)} planted, {seen} red, {untried} not tried ({time.monotonic() - began:.0f} s)")
    return 1 if missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="WORD", default="", help="those whose part, harm or file has this word")
    parser.add_argument("--workers", type=int, default=2, help="how many at once")
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout to plant the same defects in")
    asked = parser.parse_args()
    # also who is told to end takes the copies away
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    word = asked.only.lower()
    chosen = [defect for defect in PLANTED if any(word in text.lower() for text in (defect.part, defect.harm, defect.file))]
    if not chosen:
        parser.error(f"no planted defect has the word {asked.only!r}")
    return plant(asked.tree.resolve(), chosen, asked.workers)


if __name__ == "__main__":
    sys.exit(main())
