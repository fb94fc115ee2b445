"""An SMTP server with STARTTLS or TLS and a password. What a mail's receiver was told to do, it does to every mail for it."""

import asyncio
import email
import logging
import ssl
import threading
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from src.core.base.faults import Unavailable
from src.sandbox.receivers.arrivals import Arrivals, Behaviour

LOOPBACK: Final = "127.0.0.1"
PATIENCE_SECONDS: Final = 10.0
SLOW_SECONDS: Final = 900.0
OK: Final = "250 OK"
# a server says so to one receiver, before it has seen the mail
TO_RECEIVER: Final[dict[Behaviour, str]] = {
    "refused": "550 5.1.1 no such mailbox here",
    "later": "451 4.7.1 greylisted, try again later",
}
# and so of the mail
TO_MAIL: Final[dict[Behaviour, str]] = {
    "failing": "554 5.7.1 this mail is not wanted",
    "throttled": "452 4.3.1 no room for it now",
}


class MailHandler:
    """Named by aiosmtpd: it calls `handle_` and the verb."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]) -> str:
        said = TO_RECEIVER.get(self._arrivals.manner("mail", address).does)
        if said is None:
            envelope.rcpt_tos.append(address)
        return said or OK

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        for address in envelope.rcpt_tos:
            does = self._arrivals.manner("mail", address).does
            if does == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            if does in TO_MAIL:
                return TO_MAIL[does]
        raw = cast("bytes", envelope.content)
        mail = email.message_from_bytes(raw, policy=policy.default)
        self._arrivals.keep(
            "mail",
            envelope.rcpt_tos,
            str(mail["Message-ID"]),
            subject=str(mail["Subject"]),
            plain=_part(mail, "plain"),
            html=_part(mail, "html"),
            headers={name: str(value) for name, value in mail.items()},
            raw=raw.decode("utf-8", "replace"),
        )
        return OK


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    return "" if part is None else str(part.get_content())


class MailServer:
    """In a thread and on a loop of its own, on any free port."""

    def __init__(self, arrivals: Arrivals, certificate: Path, username: str, password: str, *, tls_at_once: bool = False) -> None:
        self._handler = MailHandler(arrivals)
        self._username = username
        self._password = password
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate)
        self._tls_at_once = tls_at_once
        self._listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="sandbox-mail", daemon=True)
        self.port = 0

    def start(self) -> None:
        # it warns at every password of what its next release will lack
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        self._thread.start()
        if not self._listening.wait(PATIENCE_SECONDS):
            raise Unavailable("the sandbox's mail server did not start to listen on loopback")

    def stop(self) -> None:
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(PATIENCE_SECONDS)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(self._session, LOOPBACK, 0, ssl=self._tls if self._tls_at_once else None)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stopping.wait()
        server.close()

    def _session(self) -> SMTP:
        return SMTP(
            self._handler,
            hostname="localhost",
            ident="Convergence sandbox",
            enable_SMTPUTF8=True,
            loop=self._loop,
            tls_context=None if self._tls_at_once else self._tls,
            require_starttls=not self._tls_at_once,
            # the library does not see TLS that was there at once, and would warn of a password in clear
            auth_required=not self._tls_at_once,
            auth_require_tls=not self._tls_at_once,
            authenticator=self._admit,
        )

    def _admit(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        known = isinstance(given, LoginPassword) and (given.login, given.password) == (self._username.encode(), self._password.encode())
        return AuthResult(success=known, handled=False)
