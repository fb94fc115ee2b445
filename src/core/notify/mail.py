"""Mails by SMTP, and what each answer of the server means for whoever waits for them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Final, cast

import aiosmtplib

from src.core.base.clock import Clock
from src.core.base.faults import Fault, Misconfigured, Rejected, Unavailable
from src.core.base.notify_settings import NotifySettings
from src.core.notify.rendering import MailText
from src.core.notify.text import one_line

ENCODED_WORD: Final = "=?"
FROM_HERE_IT_STAYS: Final = 500
"""SMTP's answers from here on will be the same tomorrow; those below may pass."""
# the first that fits: what it means where it stays
ANSWERS: Final[Sequence[tuple[type[aiosmtplib.SMTPResponseException], str, type[Fault]]]] = (
    (aiosmtplib.SMTPAuthenticationError, "did not let SMTP_USERNAME in", Misconfigured),
    (aiosmtplib.SMTPSenderRefused, "does not take mails from SMTP_FROM", Misconfigured),
    (aiosmtplib.SMTPConnectResponseError, "does not serve this service", Misconfigured),
    (aiosmtplib.SMTPHeloError, "does not serve this service", Misconfigured),
    (aiosmtplib.SMTPResponseException, "refused the mail", Rejected),
)


class Mailer:
    def __init__(self, settings: NotifySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tls: ssl.SSLContext | None = None

    async def send(self, parcel_id: str, recipients: Sequence[str], text: MailText) -> tuple[str, ...]:
        """Answers who did not get it, in sentences; raises where nobody did."""
        settings = self._settings
        if settings.smtp_host is None or settings.smtp_from is None:
            raise Misconfigured("no mail can be sent: SMTP_HOST is not set")
        if not recipients:
            raise Rejected("the channel has no recipients; give it one")
        message = self._message(parcel_id, recipients, text)
        refused: Mapping[str, aiosmtplib.SMTPResponse] | None = None
        try:
            async with asyncio.timeout(settings.smtp_timeout_seconds), self._connected() as server:
                refused, _ = await server.send_message(message, recipients=list(recipients))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as wrong:
            # once it is handed over, a goodbye that goes wrong does not make it be sent again
            if refused is None:
                raise self._fault(wrong) from None
        return tuple(_told(name, answer.code, answer.message) for name, answer in (refused or {}).items())

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        settings = self._settings
        server = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            tls_context=None if settings.smtp_security == "none" else await self._trusted(),
            timeout=settings.smtp_timeout_seconds,
            # not this machine's own name, which is nobody's business
            local_hostname=settings.sender_host,
        )
        transport = None
        try:
            await server.connect()
            transport = server.transport
            yield server
            with suppress(aiosmtplib.SMTPException):
                await server.quit()
        finally:
            server.close()
            if transport is not None:
                # one that says goodbye in TLS too is open as long as the other side likes
                cast("asyncio.Transport", transport).abort()
            # closed in the loop's next turn, also where this was its last call
            await asyncio.sleep(0)

    @property
    def _server(self) -> str:
        return f"the mail server {self._settings.smtp_host}:{self._settings.smtp_port}"

    def _message(self, parcel_id: str, recipients: Sequence[str], text: MailText) -> EmailMessage:
        message = EmailMessage(policy=SMTP_POLICY)
        name, address = parseaddr(self._settings.smtp_from or "")
        message["From"] = Address(display_name=name, addr_spec=address)
        message["To"] = [_address(recipient) for recipient in recipients]
        # the library reads encoded words in what it is given, and a line break hidden in one would begin another header
        message["Subject"] = text.subject.replace(ENCODED_WORD, "= ?")
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{parcel_id}@{self._settings.sender_host}>"
        # out-of-office answers would go to a sender that nobody reads
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(text.plain, cte="quoted-printable")
        message.add_alternative(text.html, subtype="html", cte="quoted-printable")
        return message

    async def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            ca_file = self._settings.smtp_ca_file
            self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=str(ca_file) if ca_file else None)
        return self._tls

    def _fault(self, wrong: Exception) -> Fault:
        if isinstance(wrong, TimeoutError):
            return Unavailable(f"{self._server} took longer than {self._settings.smtp_timeout_seconds:g} s (SMTP_TIMEOUT_SECONDS)")
        if isinstance(wrong, aiosmtplib.SMTPRecipientsRefused):
            told = "; ".join(_told(one.recipient, one.code, one.message) for one in wrong.recipients)
            stays = all(one.code >= FROM_HERE_IT_STAYS for one in wrong.recipients)
            return Rejected(f"{told}; mend the channel's recipients") if stays else Unavailable(told)
        for kind, said, fault in ANSWERS:
            if isinstance(wrong, kind):
                lasting = fault if wrong.code >= FROM_HERE_IT_STAYS else Unavailable
                return lasting(f"{self._server} {said} ({wrong.code} {one_line(wrong.message)})")
        # the library has no class of its own for a server that lets nobody sign in before TLS
        if isinstance(wrong, aiosmtplib.SMTPNotSupported) or type(wrong) is aiosmtplib.SMTPException:
            return Misconfigured(f"{self._server} has no STARTTLS or no way to sign in; mend SMTP_SECURITY or SMTP_USERNAME")
        if isinstance(wrong, ssl.SSLCertVerificationError) or isinstance(wrong.__cause__, ssl.SSLCertVerificationError):
            return Misconfigured(f"the certificate of {self._server} is not trusted; mend SMTP_HOST, or name its issuer in SMTP_CA_FILE")
        return Unavailable(f"{self._server} could not be reached ({type(wrong).__name__})")


def _address(recipient: str) -> Address:
    try:
        if recipient.isprintable() and ENCODED_WORD not in recipient:
            return Address(addr_spec=recipient)
    except (ValueError, IndexError):
        pass
    raise Rejected(f"{one_line(recipient)!r} is no address of mail; mend the channel's recipients")


def _told(recipient: str, code: int, message: str) -> str:
    return f"{one_line(recipient)} was refused ({code} {one_line(message)})"
