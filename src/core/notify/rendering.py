"""From events to what a mail or a Slack message says, by the templates in `configs/notify_systems`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from pydantic import Field

from src.core.base.documents import Document, read_document
from src.core.base.events import Event, Parcel
from src.core.notify import wording
from src.core.notify.destination import Destination
from src.core.notify.text import harmless, one_line
from src.core.notify.told import ToldEvent

FOLDER: Final = "notify_systems"
ALARMS: Final = frozenset(
    {"run.failed", "quota.exceeded", "credential.invalid", "reconciliation.failed", "data.stale", "plan.blocked", "channel.disabled"}
)
ALARM, NEWS = "#b42318", "#1f2933"
# every key that an event of any type may have: one that is left out is nothing, one that no event has is a mistake in a template
SINGLE: Final = (
    *("company_name", "timezone", "provider", "reason", "what_to_do"),
    *("pipeline_logging_id", "pipeline_id", "document", "domain", "trigger_type", "window_start", "window_end", "ended_at", "duration_ms"),
    *("rows_processed", "error_code", "error_message", "failed_since", "failures"),
    *("limit", "used", "allowed", "resets_at", "credential_name", "billing_status", "since"),
    *("channel_id", "name", "kind", "refused_since"),
)
LISTS: Final = ("totals", "completeness", "changes", "restatements", "days")
# the same of the members of its lists
MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "totals": ("currency", "amount", "figure"),
    "completeness": ("status", "days", "reason"),
    "restatements": ("period", "currency", "was", "is", "change", "reason", "changed_at"),
    "days": ("usage_date", "currency", "reported", "computed", "difference", "cause", "was", "now", "reason"),
}


class MessageConfig(Document):
    """`config.yml` beside the templates."""

    list_limit: int = Field(ge=1, le=100)
    event_limit: int = Field(ge=1, le=100)


@dataclass(frozen=True, slots=True)
class MailText:
    subject: str
    plain: str
    html: str


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """What both layouts are made of."""

    subject: str
    told: Sequence[ToldEvent]
    values: Mapping[str, Any]


class Renderer:
    """One kind of message: `email_notification` or `slack_notification`."""

    def __init__(self, configs_dir: Path, kind: str, public_url: str | None) -> None:
        folder = configs_dir / FOLDER
        self.config = read_document(folder / kind / "config.yml", MessageConfig)
        self._public_url = public_url or ""
        self._events = _environment(folder / "events", escapes=False)
        self._plain = _environment(folder / kind / "templates", escapes=False)
        self._html = _environment(folder / kind / "templates", escapes=True)
        self._events.filters.update(moment=_moment, some=self._some)
        self._plain.filters.update(wrapped=wording.wrapped, aligned=wording.aligned)
        self._plain.globals["underline"] = lambda text: "=" * min(len(text), wording.WIDTH)

    def message(self, parcel: Parcel, destination: Destination) -> RenderedMessage:
        told = [self._tell(event, destination) for event in parcel.events[: self.config.event_limit]]
        company = one_line(destination.company_name)
        said = f"{len(parcel.events):,} things since the last message" if len(parcel.events) != 1 else told[0].headline
        subject = one_line(f"{company}: {said}")
        values = {
            "subject": subject,
            "told": told,
            "gathered": len(parcel.events) != 1,
            "left_out": len(parcel.events) - len(told),
            "company_name": company,
            "channel": one_line(destination.name),
            "org_slug": destination.org_slug,
            "public_url": self._public_url,
        }
        return RenderedMessage(subject, told, values)

    def mail(self, parcel: Parcel, destination: Destination) -> MailText:
        message = self.message(parcel, destination)
        html = self._html.get_template("message.html").render(message.values)
        return MailText(message.subject, self.plain("message.txt", message.values), html)

    def plain(self, template: str, values: Mapping[str, Any]) -> str:
        return self._plain.get_template(template).render(values)

    def _tell(self, event: Event, destination: Destination) -> ToldEvent:
        told = ToldEvent(self.config.list_limit, colour=ALARM if event.type in ALARMS else NEWS)
        there = {"zone": wording.zone_or_utc(destination.timezone), "company": one_line(destination.company_name)}
        words = {"e": _filled(event), "link": self._link, **there, **told.words()}
        self._events.get_template(f"{event.type}.txt").render(words)
        return told

    def _some(self, members: Sequence[Any]) -> Sequence[Any]:
        return members[: self.config.list_limit]

    def _link(self, path: str, *names: str | None) -> str | None:
        if not self._public_url or not all(names):
            return None
        return f"{self._public_url}{path}{'/'.join(quote(str(name), safe='') for name in names)}"


@pass_context
def _moment(context: Context, value: object) -> str | None:
    return wording.moment(value, context["zone"])


def _environment(folder: Path, *, escapes: bool) -> Environment:
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=escapes,  # noqa: S701 - plain texts have nothing to escape; what is put into HTML comes from here as text, and is there
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    names = ("day", "window", "duration", "count", "days", "times", "money", "word")
    made.filters.update({name: getattr(wording, name) for name in names})
    return made


def _filled(event: Event) -> Mapping[str, Any]:
    data = harmless(event.data)
    filled = {
        **dict.fromkeys(SINGLE),
        **dict.fromkeys(LISTS, ()),
        **data,
        "type": event.type,
        "org_slug": event.org_slug,
        "occurred_at": event.occurred_at.isoformat(),
    }
    for name, keys in MEMBERS.items():
        filled[name] = [{**dict.fromkeys(keys), **member} for member in filled[name] or ()]
    return filled
