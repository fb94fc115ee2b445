"""What is gone that was there before: told by holding ledger, datasets and keyring against each other."""

from collections.abc import Mapping, Sequence
from typing import Final

from src.core.base.faults import Fault, Misconfigured
from src.core.base.identity import dataset_name
from src.core.base.names import OrgSlug
from src.core.base.settings import Settings
from src.core.crypto.keyring import IN_CLOUD
from src.core.crypto.vault import Vault
from src.core.engine import EMBEDDED, absent_datasets, standing_datasets
from src.core.engine.port import Warehouse
from src.core.ledger.store import Ledger
from src.core.ledger.tables import kms_keys, orgs

ORGANISATIONS: Final = "org_profiles"
SHOWN: Final = 3


def lost_ledger(settings: Settings, missing: Sequence[str]) -> Fault | None:
    """A ledger without its organisations beside datasets that stand was there before; bootstrapping would begin another."""
    if ORGANISATIONS not in missing:
        return None
    datasets = standing_datasets(settings)
    if not datasets:
        return None
    place = "ledger.db in EMBEDDED_DATA_DIR (or the file that LEDGER_URL names)" if settings.ledger_engine == "sqlite" else "its database"
    return Misconfigured(
        f"the ledger is lost: it knows no organisations, and the datasets {_named(datasets)} stand; stop the service and restore {place} "
        "from its backup, or let LEDGER_URL name the right one. To give up all keys, credentials and runs and begin anew: "
        'POST /api/v1/admin/bootstrap with "force_recreate_dataset": true'
    )


def find_losses(settings: Settings, ledger: Ledger, vault: Vault, warehouse: Warehouse | None) -> dict[str, Fault]:
    """By name. `warehouse` is the one that is open, which knows what was met."""
    missing = ledger.missing()
    if missing:
        lost = lost_ledger(settings, missing)
        return {"ledger": lost} if lost else {}
    return _lost_keyring(settings, ledger, vault) | _lost_datasets(settings, ledger, warehouse)


def _lost_datasets(settings: Settings, ledger: Ledger, warehouse: Warehouse | None) -> dict[str, Fault]:
    met = dict(warehouse.lost_datasets()) if warehouse else {}
    # where each look at the ledger is a job, only what was met is looked up there
    looked = settings.warehouse_engine == EMBEDDED and ledger.traits.polled
    if not (met or looked):
        return {}
    found = met | (absent_datasets(settings, _active(ledger)) if looked else {})
    # asked after the files: who was off-boarded in between has lost nothing
    active = {dataset_name(slug, settings.environment) for slug in _active(ledger)} if found else set()
    return {name: found[name] for name in sorted(found) if name in active}


def told(lost: Mapping[str, Fault]) -> Fault:
    """One fault of several: the first in full, the rest by name."""
    first, *others = lost
    rest = f". Lost or damaged as well: {_named(others)}" if others else ""
    return Misconfigured(f"{lost[first].detail}{rest}")


def _lost_keyring(settings: Settings, ledger: Ledger, vault: Vault) -> dict[str, Fault]:
    """Without its witness a keyring that is gone looks like a first start, and another is made; the ledger knows the key that sealed."""
    if settings.kms_key_name or not ledger.traits.polled:
        return {}
    sealing = ledger.glance(kms_keys.sealing)
    if sealing is None or sealing.startswith(IN_CLOUD) or sealing in vault.keyring.key_ids():
        return {}
    lost = Misconfigured(
        f"the keyring is lost: the ledger's secrets are sealed with its key {sealing}, which {settings.keyring_path.name} does not hold. "
        "Stop the service and restore the keyring from its backup, or let LOCAL_KEYRING name the right one; without it every credential "
        "has to be stored anew and every API key rotated"
    )
    return {"keyring": lost}


def _active(ledger: Ledger) -> list[OrgSlug]:
    return [OrgSlug(slug) for slug in ledger.read(orgs.active)]


def _named(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return f"{', '.join(names[:SHOWN])}{f' and {more} more' if more > 0 else ''}"
