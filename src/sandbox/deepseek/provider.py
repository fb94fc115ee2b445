from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event
from uuid import uuid4

from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.core.base.faults import Missing
from src.sandbox.deepseek.accounts import ACCOUNTS, DEMO, DeepseekAccount
from src.sandbox.deepseek.export import FORMS, console_zip, month_of
from src.sandbox.deepseek.gateway import records
from src.sandbox.deepseek.keys import DeepseekKeys
from src.sandbox.deepseek.service import DeepseekService

MONTHS_LAID = 3


class Deepseek:
    """DeepSeek as the sandbox knows it."""

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = 1) -> None:  # noqa: ARG002
        self._clock = clock
        self._today = today
        self._keys = DeepseekKeys(folder / "credentials")
        self._exports = folder / "exports"

    @property
    def app(self) -> ASGIApp:
        return DeepseekService(self._keys, self._now).app

    def endpoints(self, base: str) -> Mapping[str, str]:
        return {"deepseek.api": base}

    def prepare(self) -> None:
        self._keys.lay()
        self._exports.mkdir(parents=True, exist_ok=True)
        self._lay(DEMO)

    def prepare_more(self, stopping: Event) -> None:
        """All is there already."""

    def key(self, name: str) -> str:
        """As an organisation would store it."""
        return self._keys.text(name)

    def export(self, name: str, first: date, last: date, made: datetime | None = None, form: str = "") -> bytes:
        """The console's ZIP of these days, as it was made at a moment; its `form` is new, plain, old or bare, or the account's own."""
        account = account_of(name)
        return console_zip(account, first, last, made or self._now(), FORMS[form or account.form])

    def records(self, name: str, first: date, last: date) -> str:
        """What the account wrote down itself of its requests: a line of JSON for each, with DeepSeek's own `usage`."""
        return records(account_of(name), first, last, self._now())

    def _lay(self, name: str) -> None:
        """The last months, this one as far as it has come: what a person would have downloaded."""
        first, last = month_of(self._now().date())
        for _ in range(MONTHS_LAID):
            file = self._exports / f"deepseek-{name}-{first:%Y-%m}.zip"
            draft = file.with_name(f"{uuid4().hex}.draft")
            draft.write_bytes(self.export(name, first, last))
            draft.replace(file)
            first, last = month_of(first - timedelta(1))

    def _now(self) -> datetime:
        now = self._clock.now()
        return now if self._today is None else datetime.combine(self._today, now.timetz())


def account_of(name: str) -> DeepseekAccount:
    if name not in ACCOUNTS:
        raise Missing(f"the sandbox has no account {name!r} of DeepSeek; it has {', '.join(ACCOUNTS)}")
    return ACCOUNTS[name]
