"""What happens between two statements of a processor: somebody else is quicker, a clock steps back, time runs out."""

import asyncio
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from src.app.wiring import Parts
from src.core.base.clock import SystemClock
from src.core.base.faults import Conflict, Missing, Timeout
from src.core.base.identity import Actor, Tenant
from src.core.base.ids import SystemIds
from src.core.base.names import Environment, OrgSlug
from src.core.base.settings import ROOT, Settings
from src.core.engine.port import Warehouse
from src.core.ledger.tables import keys, orgs
from src.core.ledger.tables.orgs import NewOrg
from src.core.step import api_keys
from tests.core.processors.test_onboarding import GOOD, erase, onboard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def settings(folder: Path, **more: object) -> Settings:
    return Settings.model_validate({"ca_root_api_key": "admin_key", "embedded_data_dir": folder, **more})


@dataclass
class MeddlingIds(SystemIds):
    """Calls out where a key is minted: after the dataset is filled and before the ledger is written."""

    meddle: Callable[[], None]

    def secret(self, length: int) -> str:
        self.meddle()
        return super().secret(length)


@dataclass
class SetClock(SystemClock):
    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass
class MeddledParts(Parts):
    """Calls out when the warehouse is asked for, once."""

    meddle: list[Callable[[], None]] = field(default_factory=list)

    @property
    def warehouse(self) -> Warehouse:
        while self.meddle:
            self.meddle.pop()()
        return super().warehouse


def rival(parts: Parts, generation: int = 1) -> bool:
    org = NewOrg(
        org_slug="good_org",
        company_name="Rival",
        admin_email="r@example.com",
        plan=parts.ledger.plans.default,
        created_at=NOON,
        generation=generation,
    )
    return parts.ledger.write(orgs.create, org)


async def test_an_organisation_made_meanwhile_by_another_process_wins_and_the_refusal_names_rotation(tmp_path):
    made: list[bool] = []
    parts = Parts(settings(tmp_path), ids=MeddlingIds(lambda: made.append(rival(parts))))
    parts.ledger.bootstrap()

    fault = await onboard(parts, GOOD)

    assert made == [True]
    assert isinstance(fault, Conflict)
    assert "/api/v1/organizations/good_org/keys/rotate" in fault.detail
    org = parts.ledger.read(orgs.get, "good_org")
    assert org is not None
    assert org.company_name == "Rival"
    assert parts.ledger.read(keys.list_for, "good_org") == []
    parts.close()


async def test_a_key_is_not_made_for_who_has_the_slug_once_it_is_sealed(tmp_path):
    parts = Parts(settings(tmp_path), ids=MeddlingIds(lambda: None))
    parts.ledger.bootstrap()
    assert await onboard(parts, GOOD) is None

    def replaced() -> None:
        parts.ledger.write(orgs.erase, "good_org", NOON)
        assert rival(parts, generation=2)

    parts.ids = MeddlingIds(replaced)

    with pytest.raises(Missing, match="off-boarded"):
        api_keys.rotate(parts, Actor("org"), Tenant(OrgSlug("good_org"), Environment.DEVELOPMENT, 1), timedelta())

    assert parts.ledger.read(keys.list_for, "good_org") == []
    parts.close()


async def test_a_clock_that_steps_back_does_not_keep_a_slug_from_being_onboarded(tmp_path):
    ahead = Parts(settings(tmp_path), clock=SetClock(NOON + timedelta(hours=1)))
    ahead.ledger.bootstrap()
    assert await onboard(ahead, GOOD) is None
    ahead.ledger.bootstrap(force=True)
    ahead.close()

    back = Parts(settings(tmp_path), clock=SetClock(NOON))

    assert await onboard(back, GOOD) is None
    back.close()


async def test_an_onboarding_whose_time_ran_out_makes_no_organisation_later(tmp_path):
    configs = tmp_path / "configs"
    shutil.copytree(ROOT / "configs", configs)
    document = configs / "setup" / "organizations" / "onboarding" / "pipeline.yml"
    document.write_text(document.read_text().replace("timeout: 2m", "timeout: 2s"))
    go_on, done = threading.Event(), threading.Event()

    def hang() -> None:
        go_on.wait(30)
        done.set()

    parts = Parts(settings(tmp_path / "data", configs_dir=configs), ids=MeddlingIds(hang))
    parts.ledger.bootstrap()

    fault = await onboard(parts, GOOD)
    go_on.set()
    await asyncio.to_thread(done.wait, 30)
    await asyncio.sleep(0.5)  # what the thread would write, it has written by now

    assert isinstance(fault, Timeout)
    assert parts.ledger.read(orgs.get, "good_org") is None
    parts.close()


async def test_off_boarding_erases_only_the_organisation_it_was_asked_for(tmp_path):
    parts = MeddledParts(settings(tmp_path))
    parts.ledger.bootstrap()
    assert await onboard(parts, GOOD) is None

    def replaced() -> None:
        parts.ledger.write(orgs.erase, "good_org", NOON)
        assert rival(parts, generation=2)

    parts.meddle.append(replaced)

    with pytest.raises(Conflict, match="meanwhile"):
        await erase(parts, "good_org")

    org = parts.ledger.read(orgs.get, "good_org")
    assert org is not None
    assert (org.company_name, org.generation) == ("Rival", 2)
    parts.close()
