"""An organisation's channels as it makes, changes and removes them, and as the courier opens them for one sending."""

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from src.core.base.events import ChannelKind, EventType
from src.core.base.faults import Conflict, Flaw, Missing, Rejected, Unavailable
from src.core.base.identity import Actor, Tenant
from src.core.base.redaction import redacted_text
from src.core.base.secret import Secret
from src.core.base.threads import blocking
from src.core.crypto.vault import Binding
from src.core.ledger.store import Unit
from src.core.ledger.tables import channels, kms_keys, notifications, orgs
from src.core.ledger.tables.channels import Channel, SealedColumn
from src.core.notify.destination import Destination
from src.core.outbox.terms import DIGEST_TIME, USUAL, ChannelTerms, check, columns_of
from src.core.step import audit_trail
from src.core.step.context import Services

MOST: Final = 20
SECRET_BYTES: Final = 32
PEOPLE: Final[frozenset[ChannelKind]] = frozenset({"email", "slack"})
SYSTEMS: Final[frozenset[ChannelKind]] = frozenset({"webhook"})
PURPOSES: Final[Mapping[SealedColumn, str]] = {
    "sealed_url": "channel:url",
    # one that is replaced moves from the one column to the other as it is
    "sealed_secret": "channel:secret",
    "sealed_secret_before": "channel:secret",
}

CheckAddress = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class MadeChannel:
    channel: Channel
    secret: Secret | None = None
    """Of a webhook, where it was made just now: it is shown this once."""


def wanted(channel: Channel) -> tuple[EventType, ...]:
    """The types of events that it is sent."""
    return USUAL[channel.kind] if channel.events is None else tuple(channel.events)


def binding(slug: str, channel_id: str, column: SealedColumn) -> Binding:
    return Binding(slug, PURPOSES[column], channel_id)


def destination(services: Services, channel: Channel) -> Destination:
    """Waits on the ledger and on the keyring."""
    org = services.ledger.read(orgs.get, channel.org_slug)
    if org is None:
        raise Missing(f"organisation {channel.org_slug} is gone, and its channel {channel.name} with it")
    signing: list[SealedColumn] = ["sealed_secret"]
    if channel.secret_before_until is not None and channel.secret_before_until > services.clock.now():
        signing.append("sealed_secret_before")
    return Destination(
        kind=channel.kind,
        name=channel.name,
        org_slug=channel.org_slug,
        company_name=org.company_name or channel.org_slug,
        timezone=org.timezone,
        recipients=tuple(channel.recipients),
        url=_opened(services, channel, "sealed_url"),
        signing_secrets=tuple(secret for name in signing if (secret := _opened(services, channel, name)) is not None),
    )


def signing_secret(services: Services, channel: Channel, digest: str | None = None) -> Secret | None:
    """The newest that signs, or the one of this SHA-256 if that signs still."""
    before = channel.secret_before_until is not None and channel.secret_before_until > services.clock.now()
    names: tuple[SealedColumn, ...] = ("sealed_secret", "sealed_secret_before") if before else ("sealed_secret",)
    found = (secret for name in names if (secret := _opened(services, channel, name)) is not None)
    return next((secret for secret in found if digest in (None, hashlib.sha256(secret.reveal().encode()).hexdigest())), None)


def existing(unit: Unit, slug: str, channel_id: str, kinds: frozenset[ChannelKind]) -> Channel:
    found = channels.get(unit, slug, channel_id)
    if found is None or found.kind not in kinds:
        one, many = ("webhook", "webhooks") if kinds == SYSTEMS else ("channel", "channels")
        raise Missing(f"organisation {slug} has no {one} {channel_id[:64]!r}; GET /api/v1/organizations/{slug}/{many} lists those it has")
    return found


def listed(unit: Unit, slug: str, kinds: frozenset[ChannelKind]) -> list[Channel]:
    return [channel for channel in channels.of_org(unit, slug) if channel.kind in kinds]


@dataclass(frozen=True, slots=True)
class ChannelEditor:
    """Who changes the channels of whom. `check_address` refuses an address that nothing may be sent to."""

    services: Services
    check_address: CheckAddress
    actor: Actor
    tenant: Tenant

    async def create(self, kind: ChannelKind, terms: ChannelTerms) -> MadeChannel:
        lacking = {"name", "recipients" if kind == "email" else "url"} - terms.keys()
        if lacking:
            flaws = [Flaw("is missing", name) for name in sorted(lacking)]
            raise Rejected(f"{flaws[0].field} is missing", flaws=flaws)
        await self._checked(kind, terms)
        return await blocking(self._create, kind, terms)

    async def change(self, channel_id: str, kinds: frozenset[ChannelKind], terms: ChannelTerms) -> Channel:
        seen = await blocking(self.services.ledger.read, existing, self.tenant.org_slug, channel_id, kinds)
        await self._checked(seen.kind, terms)
        return await blocking(self._change, seen, terms)

    def remove(self, channel_id: str, kinds: frozenset[ChannelKind]) -> Channel:
        return self.services.ledger.write(self._remove, channel_id, kinds)

    def rotate(self, channel_id: str, grace: timedelta) -> MadeChannel:
        """The secret that signed until now signs too for the time of grace; one before that no longer."""
        now = self.services.clock.now()
        seen = self.services.ledger.read(existing, self.tenant.org_slug, channel_id, SYSTEMS)
        secret = _new_secret()
        rotated = replace(
            seen,
            sealed_secret=self._sealed(secret, channel_id, "sealed_secret"),
            sealed_secret_before=seen.sealed_secret if grace else None,
            secret_before_until=now + grace if grace else None,
            updated_at=_after(seen, now),
        )
        return MadeChannel(self.services.ledger.write(self._put, seen, rotated, "rotate"), secret)

    async def _checked(self, kind: ChannelKind, terms: ChannelTerms) -> None:
        check(kind, terms)
        if "url" in terms:
            try:
                await self.check_address(terms["url"].reveal())
            except (Rejected, Unavailable) as wrong:
                # a name that is not found now is a misspelt one, nearly always
                raise Rejected(f"url: {wrong.detail}", flaws=[Flaw(wrong.detail, "url")]) from wrong

    def _create(self, kind: ChannelKind, terms: ChannelTerms) -> MadeChannel:
        now, channel_id = self.services.clock.now(), self.services.ids.new()
        secret = _new_secret() if kind == "webhook" else None
        usual = {"digest_time": DIGEST_TIME if kind in PEOPLE else None}
        made = Channel(
            channel_id=channel_id,
            org_slug=self.tenant.org_slug,
            kind=kind,
            **{**usual, **columns_of(terms), **self._address(kind, channel_id, terms)},
            # before the transaction: a keyring in the cloud may take seconds, and the ledger has one writer at a time
            sealed_secret=None if secret is None else self._sealed(secret, channel_id, "sealed_secret"),
            created_at=now,
            updated_at=now,
        )
        return MadeChannel(self.services.ledger.write(self._add, made), secret)

    def _add(self, unit: Unit, made: Channel) -> Channel:
        self._alone(unit)
        if channels.number(unit, made.org_slug) >= MOST:
            raise Conflict(f"{made.org_slug} has {MOST} channels and webhooks, and an organisation has no more; remove one first")
        self._name_is_free(unit, made)
        if not channels.add(unit, made):
            raise _named_so(made)
        self._note_keys(unit, made)
        self._note(unit, "create", made)
        return made

    def _change(self, seen: Channel, terms: ChannelTerms) -> Channel:
        now = self.services.clock.now()
        told = {**columns_of(terms), **self._address(seen.kind, seen.channel_id, terms)}
        changed = replace(seen, **told, updated_at=_after(seen, now))
        if changed.is_active and not seen.is_active:
            changed = replace(changed, disabled_at=None, disabled_reason=None)
        return self.services.ledger.write(self._put, seen, changed, "update")

    def _put(self, unit: Unit, seen: Channel, changed: Channel, verb: str) -> Channel:
        self._alone(unit)
        existing(unit, seen.org_slug, seen.channel_id, frozenset({seen.kind}))
        self._name_is_free(unit, changed)
        if not channels.change(unit, seen, changed):
            raise Conflict(f"the channel {seen.channel_id} was changed meanwhile; look at it and ask again")
        if changed.sealed_url != seen.sealed_url or changed.is_active != seen.is_active:
            # what was refused before says nothing of what its receiver does from here on
            channels.accepted(unit, seen.channel_id)
            changed = replace(changed, refused_since=None)
        if not changed.is_active:
            self._withdraw(unit, changed, "its channel was paused")
        self._note_keys(unit, changed)
        self._note(unit, verb, changed)
        return changed

    def _remove(self, unit: Unit, channel_id: str, kinds: frozenset[ChannelKind]) -> Channel:
        orgs.alone(unit, self.tenant.org_slug)
        found = existing(unit, self.tenant.org_slug, channel_id, kinds)
        # first: an event that is fanned out between would else wait for a channel that is gone
        channels.remove(unit, found.org_slug, channel_id)
        self._withdraw(unit, found, "its channel was removed")
        self._note(unit, "delete", found)
        return found

    def _alone(self, unit: Unit) -> None:
        orgs.alone(unit, self.tenant.org_slug)
        if not orgs.lives(unit, self.tenant.org_slug, self.tenant.generation):
            raise orgs.off_boarded(self.tenant.org_slug)

    def _name_is_free(self, unit: Unit, channel: Channel) -> None:
        other = channels.named(unit, channel.org_slug, channel.name)
        if other is not None and other.channel_id != channel.channel_id:
            raise _named_so(channel)

    def _withdraw(self, unit: Unit, channel: Channel, why: str) -> None:
        notifications.withdraw(unit, channel.org_slug, channel.channel_id, self.services.clock.now(), why)

    def _address(self, kind: ChannelKind, channel_id: str, terms: ChannelTerms) -> dict[str, Any]:
        if "url" not in terms:
            return {}
        return {"address": _shown(kind, terms["url"]), "sealed_url": self._sealed(terms["url"], channel_id, "sealed_url")}

    def _sealed(self, secret: Secret, channel_id: str, column: SealedColumn) -> str:
        return self.services.vault.seal(secret, binding(self.tenant.org_slug, channel_id, column))

    def _note_keys(self, unit: Unit, channel: Channel) -> None:
        for sealed in (channel.sealed_url, channel.sealed_secret):
            if sealed is not None:
                kms_keys.note_current(unit, self.services.vault.key_id(sealed), self.services.clock.now())

    def _note(self, unit: Unit, verb: str, channel: Channel) -> None:
        audit_trail.note(
            unit,
            self.services,
            self.actor,
            f"{'webhooks' if channel.kind in SYSTEMS else 'channels'}.{verb}",
            resource(channel.org_slug, channel.kind, channel.channel_id),
            org_slug=channel.org_slug,
            details={
                "kind": channel.kind,
                "name": channel.name,
                "is_active": channel.is_active,
                "events": None if channel.events is None else list(channel.events),
                # the row outlives the organisation, and who works there is no business of those who read it then
                "recipients_count": len(channel.recipients),
                "address": channel.address,
            },
        )


def resource(slug: str, kind: ChannelKind, channel_id: str) -> str:
    """As audit rows name it."""
    return f"organizations/{slug}/{'webhooks' if kind in SYSTEMS else 'channels'}/{channel_id}"


def _opened(services: Services, channel: Channel, column: SealedColumn) -> Secret | None:
    sealed = {
        "sealed_url": channel.sealed_url,
        "sealed_secret": channel.sealed_secret,
        "sealed_secret_before": channel.sealed_secret_before,
    }[column]
    return None if sealed is None else services.vault.open(sealed, binding(channel.org_slug, channel.channel_id, column))


def _new_secret() -> Secret:
    """As the convention writes it."""
    return Secret(f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}")


def _shown(kind: ChannelKind, url: Secret) -> str:
    """Of Slack's the path is the secret; of a webhook's whatever stands in its query may be one."""
    parts = urlsplit(url.reveal())
    host = parts.netloc.rpartition("@")[2]
    if kind == "slack":
        return host
    return redacted_text(f"{parts.scheme}://{host}{parts.path}{'?...' if parts.query else ''}")


def _after(seen: Channel, now: datetime) -> datetime:
    return max(now, seen.updated_at + timedelta(microseconds=1))


def _named_so(channel: Channel) -> Conflict:
    message = f"another channel or webhook of {channel.org_slug} is named {channel.name!r}; choose another name"
    return Conflict(message, flaws=[Flaw("is another's", "name")])
