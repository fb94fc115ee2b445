"""What a step has brought for a later step of its run to publish: listings and files, kept until the run is over.

They lie in the dataset's io folder under the run's id, so that a run taken over on this machine finds them and asks its sources nothing
again. Taken over on another machine it does not, and brings them anew.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from shutil import copyfile, rmtree
from tempfile import mkdtemp
from typing import Any

from src.core.base.faults import Misconfigured
from src.core.base.window import Window
from src.core.engine import Measure
from src.core.engine.files.disk_space import room_for_files
from src.core.engine.port import RemoteRows
from src.core.providers.slices import Came, Listing, OnBytes, Slice, source_changed
from src.core.step.context import StepContext
from src.core.step.source.config import SourceStep
from src.core.step.source.fetching import PREFIX
from src.core.step.source.in_flight import brought_files
from src.core.step.source.planning import Planned

INDEX = "staged.json"


@dataclass(frozen=True)
class StagedSource:
    """A source as it was when it was staged; it is read no further than it was then."""

    name: str
    marks: bool
    listing: Listing
    files: dict[str, tuple[Path, ...]]
    """Of the slices that were to be read, by key."""
    known: dict[Path, Came]
    """What is known of each from when it was staged; nothing of those that the release before has staged."""
    fetched: dict[Path, Came] = field(default_factory=dict)

    def slices(self, wanted: Window, everything: Window) -> Listing:  # noqa: ARG002 - it was asked before
        return self.listing

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        paths: list[Path] = []
        for one in slices:
            if one.key not in self.files:
                raise source_changed(self.name, [one])
            for path in self.files[one.key]:
                # each slice was brought into a folder of its own, so files of two may have one name
                there = into / f"{secrets.token_hex(4)}-{path.name}"
                # a link takes no second room on the disk; not every file system has them
                try:
                    there.hardlink_to(path)
                except OSError:
                    copyfile(path, there)
                paths.append(there)
                if path in self.known:
                    self.fetched[there] = self.known[path]
            on_bytes(one.bytes or 0)
        return tuple(paths)

    def count_by(self, measure: Measure) -> None:
        """It was counted when it was staged."""

    def counted(self, path: Path) -> Came | None:
        return self.fetched.get(path)

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:  # noqa: ARG002 - it was brought
        return None


@dataclass(frozen=True)
class StagedStep:
    """What one step has staged: for which table, by which query, and what is there of each source."""

    table: str
    query: str | None
    late_days: int | None
    again: bool
    sources: tuple[StagedSource, ...]

    @property
    def slices(self) -> int:
        return sum(len(source.files) for source in self.sources)


def find_staged(io: Path, context: StepContext, step_id: str) -> StagedStep | None:
    """What this step of this run has staged whole."""
    folder = _folder(io, context, step_id)
    try:
        index = json.loads((folder / INDEX).read_text())
    except FileNotFoundError:
        return None
    sources = tuple(_source(folder, one) for one in index["sources"])
    return StagedStep(index["table"], index["query"], index["late_days"], index["again"], sources)


def require_staged(io: Path, context: StepContext, step_id: str) -> StagedStep:
    found = find_staged(io, context, step_id)
    if found is None:
        raise Misconfigured(f"step {context.step_id}: staged_by names {step_id!r}, which is no earlier step that stages")
    return found


def stage(io: Path, context: StepContext, step: SourceStep, plans: Iterable[Planned]) -> StagedStep:
    """Whole or not at all: it counts as staged once its folder has its name."""
    folder = _folder(io, context, context.step_id)
    draft = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    with room_for_files():
        draft.mkdir(mode=0o700, parents=True)
        try:
            brought = [_bring(draft, number, plan, context) for number, plan in enumerate(plans)]
            how = {"table": step.destination_table, "query": step.source_query, "late_days": step.late_days, "again": step.reload}
            index = {**how, "sources": brought}
            (draft / INDEX).write_text(json.dumps(index, default=str))
            context.still_wanted()
            draft.rename(folder)
        except BaseException:
            rmtree(draft, ignore_errors=True)
            raise
    return require_staged(io, context, context.step_id)


def _folder(io: Path, context: StepContext, step_id: str) -> Path:
    return _of_run(io, context) / step_id


def _of_run(io: Path, context: StepContext) -> Path:
    # no document's inbox begins so
    return io / f"{PREFIX}@staged.{context.run_id}"


def forget(io: Path, context: StepContext) -> None:
    """Once it is published."""
    rmtree(_of_run(io, context), ignore_errors=True)


def _bring(draft: Path, number: int, plan: Planned, context: StepContext) -> dict[str, Any]:
    def on_bytes(_: int) -> None:
        context.still_wanted()

    files: dict[str, list[dict[str, Any]]] = {}
    own = draft / str(number)
    own.mkdir()
    for one in plan.filled:
        context.progress(doing=f"staging {one.key}")
        brought = brought_files(plan.source, [one], plan.source.fetch([one], Path(mkdtemp(dir=own)), on_bytes))
        files[one.key] = [
            {**asdict(came), "path": str(path.relative_to(draft))} for path, came in zip(brought.paths, brought.came, strict=True)
        ]
    listed = plan.listing
    return {
        "name": plan.source.name,
        "marks": plan.source.marks,
        "looked": [listed.looked.start, listed.looked.end],
        # the day on which the source was asked: published after midnight, it must not count as looked at on that day
        "at": plan.at,
        "reads": [listed.reads.start, listed.reads.end] if listed.reads else None,
        "slices": [asdict(one) for one in listed.slices],
        "files": files,
    }


def _source(folder: Path, told: dict[str, Any]) -> StagedSource:
    slices = (
        Slice(**{**one, "first": date.fromisoformat(one["first"]), "last": date.fromisoformat(one["last"])}) for one in told["slices"]
    )
    # the release before staged paths alone
    told_of = {key: [one if isinstance(one, dict) else {"path": one} for one in brought] for key, brought in told["files"].items()}
    known = [Came(**{**one, "path": folder / one["path"]}) for brought in told_of.values() for one in brought if "sha256" in one]
    files = {key: tuple(folder / one["path"] for one in brought) for key, brought in told_of.items()}
    reads = _window(told["reads"]) if told["reads"] else None
    listing = Listing(tuple(slices), _window(told["looked"]), date.fromisoformat(told["at"]), reads)
    return StagedSource(told["name"], told["marks"], listing, files, {one.path: one for one in known})


def _window(told: Sequence[str]) -> Window:
    return Window(*map(date.fromisoformat, told))
