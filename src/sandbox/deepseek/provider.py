from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.core.base.faults import Missing
from src.sandbox.deepseek.accounts import ACCOUNTS, DEMO, DeepseekAccount
from src.sandbox.deepseek.export import FORMS, console_zip, month_of
from src.sandbox.deepseek.gateway import records
from src.sandbox.deepseek.keys import DeepseekKeys
from src.sandbox.deepseek.service import DeepseekService
from src.sandbox.keyed import NamedKeysApi

MONTHS_LAID = 4  # on the first of a month three whole ones are before it


class Deepseek(NamedKeysApi[DeepseekKeys]):
    """DeepSeek as the sandbox knows it."""

    name = "deepseek"

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = 1) -> None:  # noqa: ARG002
        super().__init__(DeepseekKeys(folder / "credentials"), clock, today)
        self._exports = folder / "exports"

    @property
    def app(self) -> ASGIApp:
        return DeepseekService(self._keys, self.now).app

    def prepare(self) -> None:
        super().prepare()
        self._exports.mkdir(parents=True, exist_ok=True)
        self._lay(DEMO)

    def export(self, name: str, first: date, last: date, made: datetime | None = None, form: str = "") -> bytes:
        """The console's ZIP of these days, as it was made at a moment; its `form` is new, plain, old or bare, or the account's own."""
        account = account_of(name)
        return console_zip(account, first, last, made or self.now(), FORMS[form or account.form])

    def records(self, name: str, first: date, last: date) -> str:
        """What the account wrote down itself of its requests: a line of JSON for each, with DeepSeek's own `usage`."""
        return records(account_of(name), first, last, self.now())

    def _lay(self, name: str) -> None:
        """This month as far as it has come, and those before it: what a person would have downloaded."""
        first, last = month_of(self.now().date())
        for _ in range(MONTHS_LAID):
            file = self._exports / f"deepseek-{name}-{first:%Y-%m}.zip"
            draft = file.with_name(f"{uuid4().hex}.draft")
            draft.write_bytes(self.export(name, first, last))
            draft.replace(file)
            first, last = month_of(first - timedelta(1))


def account_of(name: str) -> DeepseekAccount:
    if name not in ACCOUNTS:
        raise Missing(f"the sandbox has no account {name!r} of DeepSeek; it has {', '.join(ACCOUNTS)}")
    return ACCOUNTS[name]
