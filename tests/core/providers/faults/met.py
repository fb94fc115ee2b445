"""What was seen of a row, and what its row says should be."""

from dataclasses import dataclass

from tests.core.providers.faults.conftest import Faulty
from tests.core.providers.faults.drives import Drive
from tests.core.providers.faults.table import WireFault


@dataclass
class Met:
    """What was seen of one row."""

    said: str
    code: str | None
    again: bool
    credential: str
    error: str | None
    figures: str = "as before"


def set_up(faulty: Faulty, drive: Drive) -> None:
    if not faulty.ask("GET", f"integrations/{{org}}/{drive.provider}")[1]["credentials"]:
        faulty.run(faulty.acme.connect(drive.provider, drive.credential))
    assert faulty.validate(drive)[1]["validation_status"] == "VALID"


def run(faulty: Faulty, drive: Drive) -> Met:
    run = faulty.load(drive)[1]
    failed = run.get("error") or {}
    return Met(failed.get("message") or "", failed.get("code"), bool(faulty.slept), *faulty.stands(drive))


def failed(row: WireFault, seen: Met) -> Met:
    assert row.fault is not None
    said = said_of(row, seen.said)
    return Met(said, row.fault.code, row.retried, row.run, said if row.run == "INVALID" else None)


def said_of(row: WireFault, said: str) -> str:
    """The same, where it has the words."""
    return said if row.says in said else f"... {row.says} ..."
