"""Measures ours beside an anchor: each in a process of its own, alternating, after one warm-up, and prints medians and ratios.

A child may print a line `measured <seconds>` to time its work alone, without imports and preparation; otherwise its whole life counts.
CPU time and peak memory are those of the whole process.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MARK = "measured "
LEAST_PAIRS = 5
MEGABYTE = 1024 * 1024
# Linux counts in kilobytes, macOS in bytes
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Sample:
    wall: float
    cpu: float
    peak_mb: float
    said: str = ""
    """What it printed beside its measure."""


@dataclass(frozen=True, slots=True)
class Comparison:
    name: str
    goal: str
    anchor: tuple[Sample, ...]
    ours: tuple[Sample, ...]

    def ratios(self, of: str) -> tuple[float, float, float]:
        """Median, least and greatest of ours over anchor, pair by pair."""
        found = [getattr(mine, of) / getattr(theirs, of) for mine, theirs in zip(self.ours, self.anchor, strict=True)]
        return median(found), min(found), max(found)


def compare(name: str, anchor_argv: Sequence[str], ours_argv: Sequence[str], pairs: int, goal_text: str) -> Comparison:
    run(anchor_argv)
    run(ours_argv)
    anchor, ours = [], []
    for number in range(max(pairs, LEAST_PAIRS)):
        # who goes first changes, so that a slow spell of the machine does not always meet the same one
        if number % 2:
            ours.append(run(ours_argv))
            anchor.append(run(anchor_argv))
        else:
            anchor.append(run(anchor_argv))
            ours.append(run(ours_argv))
    found = Comparison(name, goal_text, tuple(anchor), tuple(ours))
    show(found)
    return found


def run(argv: Sequence[str]) -> Sample:
    started = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        said = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {child.returncode}")
    wall = time.perf_counter() - started
    own = [line.removeprefix(MARK) for line in said.splitlines() if line.startswith(MARK)]
    rest = "\n".join(line for line in said.splitlines() if not line.startswith(MARK))
    return Sample(float(own[-1]) if own else wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT / MEGABYTE, rest)


def show(found: Comparison) -> None:
    print(f"\n{found.name}: {len(found.ours)} pairs; goal: {found.goal}")
    print(f"{'':10}{'anchor':>12}{'ours':>12}{'ratio':>9}{'least':>9}{'most':>9}")
    for label, of in (("wall s", "wall"), ("cpu s", "cpu"), ("peak MB", "peak_mb")):
        middle, least, most = found.ratios(of)
        theirs, mine = (median(getattr(sample, of) for sample in side) for side in (found.anchor, found.ours))
        print(f"{label:10}{theirs:12.3f}{mine:12.3f}{middle:9.2f}{least:9.2f}{most:9.2f}")
    sys.stdout.flush()
