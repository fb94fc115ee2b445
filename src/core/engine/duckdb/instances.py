"""The open DuckDB files of one process: one instance per dataset, a bounded number of them open."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from src.core.base.faults import Fault, Throttled, Unavailable
from src.core.base.settings import Settings
from src.core.engine.duckdb.faults import fault_of, is_damage
from src.core.engine.duckdb.instance import Instance
from src.core.engine.duckdb.opening import open_instance
from src.core.engine.duckdb.store.folding import fold
from src.core.engine.files.datasets import Damage
from src.core.engine.files.folder import refused_folder

BUSY_RETRY_SECONDS = 2.0


class Instances:
    """A bounded LRU of open instances. One in use is never closed under its user; when all are, the next one waits."""

    def __init__(self, home: Path, settings: Settings, wait_seconds: float) -> None:
        self._home, self._settings, self._wait = home, settings, wait_seconds
        self.damage = Damage()
        self._open: OrderedDict[str, Instance] = OrderedDict()
        self._reserved: set[str] = set()  # being opened, or held by one caller alone
        self._changed = threading.Condition()
        self._closed = False

    def folder(self, dataset: str) -> Path:
        return self._home / dataset

    @property
    def opened(self) -> tuple[str, ...]:
        with self._changed:
            return tuple(self._open)

    @contextmanager
    def lease(self, dataset: str, *, create: bool = False) -> Iterator[Instance]:
        instance = self._take(dataset, create=create)
        try:
            yield instance
        finally:
            with self._changed:
                instance.users -= 1
                tidying = instance.users == 0 and not instance.broken and not self._closed and instance.has_to_tidy
                # counted as a user, so that nobody closes it under the thread
                instance.users += tidying
                self._changed.notify_all()
            if tidying:
                # beside what goes on: who has just published does not wait for it
                threading.Thread(target=self._tidy, args=(instance,), name=f"tidy-{dataset}").start()

    def _tidy(self, instance: Instance) -> None:
        try:
            fold(instance)
            with suppress(Fault):
                instance.tidy()
        finally:
            with self._changed:
                instance.users -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, dataset: str) -> Iterator[Path]:
        """Its folder with nobody in it: the instance is closed, and who asks for it waits."""
        with self._changed:
            self._await(lambda: dataset not in self._reserved and self._users(dataset) == 0, f"{dataset} is in use")
            instance = self._open.pop(dataset, None)
            self._reserved.add(dataset)
        try:
            if instance:
                instance.root.close()
            yield self.folder(dataset)
        finally:
            self._release(dataset)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            # not without end: a process that stops closes what is still in use
            self._changed.wait_for(lambda: not self._reserved and all(held.users == 0 for held in self._open.values()), self._wait)
            for instance in self._open.values():
                instance.root.close()
            self._open.clear()

    def _take(self, dataset: str, *, create: bool) -> Instance:
        with self._changed:
            self._await(lambda: self._held(dataset) is not None or self._room_for(dataset), "all open datasets are busy")
            held = self._held(dataset)
            if held:
                held.users += 1
                self._open.move_to_end(dataset)
                return held
            self._reserved.add(dataset)
        # outside the lock: after a crash a long log is read again first, and other datasets need not wait for it
        instance = None
        try:
            instance = open_instance(self.folder(dataset), self._settings, self.damage, create=create)
            # before others see it: one that nobody uses may be closed
            instance.users = 1
        except duckdb.Error as error:
            if is_damage(error, self.folder(dataset)):
                self.damage.met(self.folder(dataset))
            raise fault_of(error, self.folder(dataset)) from error
        except OSError as refused:
            raise refused_folder(self.folder(dataset), refused) from refused
        finally:
            self._release(dataset, instance)
        return instance

    def _release(self, dataset: str, instance: Instance | None = None) -> None:
        with self._changed:
            if instance:
                self._open[dataset] = instance
            self._reserved.discard(dataset)
            self._changed.notify_all()

    def _await(self, ready: Callable[[], bool], busy: str) -> None:
        if not self._changed.wait_for(lambda: self._closed or ready(), self._wait):
            raise Throttled(f"{busy}; try again in a moment, or raise DUCKDB_MAX_OPEN", retry_after=BUSY_RETRY_SECONDS)
        if self._closed:
            raise Unavailable("the warehouse is closed")

    def _users(self, dataset: str) -> int:
        held = self._open.get(dataset)
        return held.users if held else 0

    def _held(self, dataset: str) -> Instance | None:
        held = self._open.get(dataset)
        return held if held and not held.broken and held.has_its_file else None

    def _room_for(self, dataset: str) -> bool:
        """Makes room when it can: closes the broken one of this name, or the least used one that nobody uses."""
        if dataset in self._reserved or self._users(dataset):
            return False
        stale = self._open.pop(dataset, None)
        if stale:
            stale.root.close()
            self.damage.closed(stale.folder)
        # those that are being opened count: each takes its share of memory as soon as it is open
        while len(self._open) + len(self._reserved) >= self._settings.duckdb_max_open:
            idle = next((name for name, held in self._open.items() if held.users == 0), None)
            if idle is None:
                return False
            self._open.pop(idle).root.close()
        return True
