"""Another process at the same ledger: `python -m tests.contract.ledger.rivals ACT URL CONFIGS COUNT`.

It says `ready`, waits for a line, then lets COUNT threads do ACT at once and prints what they were answered as JSON.
"""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from src.core.base.settings import Settings
from src.core.ledger.store import open_ledger
from src.core.ledger.tables import queue, quotas
from tests.contract.ledger import patience
from tests.contract.ledger.samples import AT, TODAY, org
from tests.fakes.nursery import Program, spoken_with

PLACES = ("GCP_PROJECT_ID", "PLATFORM_BIGQUERY_URL", "PLATFORM_BIGQUERY_STORAGE_URL")


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def reserve(ledger):
    return ledger.write(quotas.reserve, "acme", day=TODAY, at=AT) is None


def create(ledger):
    return ledger.write(org, "acme")


def bootstrap(ledger):
    return list(ledger.bootstrap().tables_created)


def claim(ledger):
    """All that this one can get."""
    got = []
    while found := ledger.write(queue.claim, "rival", AT, AT + timedelta(seconds=30)):
        got.append(found.queue_id)
    return got


def stall(ledger):
    """Stays inside a unit until it is killed."""
    with ledger.writing() as unit:
        org(unit, "acme")
        say("inside")
        sys.stdin.readline()


ACTS = {act.__name__: act for act in (reserve, create, bootstrap, claim, stall)}


def at_once(count, act):
    """What `count` threads are answered by `act`; the barrier has them start together."""
    barrier = threading.Barrier(count)

    def one(_):
        barrier.wait()
        return act()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def spawn(act, settings, count=1):
    arguments = [act, settings.ledger, str(settings.configs_dir), str(count)]
    places = {name: str(value) for name in PLACES if (value := getattr(settings, name.lower()))}
    return spoken_with(Program("tests.contract.ledger.rivals", arguments, {**os.environ, **places}))


def race(act, settings, *, processes, threads):
    """The answers of all threads of all processes, let go together."""
    with ExitStack() as stack:
        rivals = [stack.enter_context(spawn(act, settings, threads)) for _ in range(processes)]
        for rival in rivals:
            assert rival.stdout.readline() == "ready\n"
        for rival in rivals:
            rival.stdin.write("go\n")
            rival.stdin.flush()
        said = [rival.stdout.readline() for rival in rivals]
        assert all(said), "a rival broke off; its own words are in what was written to standard error"
        return [answer for line in said for answer in json.loads(line)]


def main(act, url, configs, count):
    for module, name in patience.WAITS:
        setattr(module, name, patience.SECONDS)
    settings = Settings(_env_file=None, ledger_url=url, configs_dir=Path(configs))
    ledger = open_ledger(settings)
    say("ready")
    sys.stdin.readline()
    answers = at_once(int(count), lambda: ACTS[act](ledger))
    say(json.dumps(answers))
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
