from collections.abc import Callable

from src.app.wiring import Parts
from src.core.base.faults import Misconfigured
from src.core.scheduler import accounting


def check_quotas(parts: Parts, say: Callable[[str], None], *, mend: bool) -> bool:
    """Whether all counters say what the runs say, or do so now."""
    if parts.ledger.missing():
        raise Misconfigured("not bootstrapped: nothing is counted yet; POST /api/v1/admin/bootstrap with the root key first")
    found = accounting.check(parts)
    left = 0
    for account in found.disagreeing:
        mended = mend and accounting.mend(parts, account)
        left += not mended
        say(f"{account}{': mended' if mended else ''}")
    for slug in found.in_use:
        say(f"{slug}: in use a moment ago; look again in a quarter of an hour")
    say(f"{found.looked_at} organisations: {len(found.disagreeing)} disagree with their runs, {left + len(found.in_use)} left as they are")
    return left == 0 and not found.in_use
