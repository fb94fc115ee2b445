"""Where a provider is asked: the platform says it, never a credential."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import did_you_mean, is_loopback
from src.core.base.settings import Settings
from src.core.providers.directory import known_providers

NAMED_IN = "configs/system/providers.yml"


def endpoint(settings: Settings, provider: str, name: str = "api") -> str:
    """As PROVIDER_URLS says, the sandbox's own among them; else as the file of providers does. Without a slash at its end."""
    asked = f"{provider}.{name}"
    known = known_providers(settings.configs_dir).endpoints
    if asked not in known:
        raise Misconfigured(f"there is no endpoint {asked[:80]!r}{_hint(asked, known)}")
    url = settings.provider_urls.get(asked, known[asked])
    # who tries things out in the sandbox must not reach a real account with a key that happens to be real
    if settings.sandbox and not is_loopback(urlsplit(url).hostname or ""):
        raise Misconfigured(f"SANDBOX=true, and the sandbox does not serve {asked}: nothing is sent to {urlsplit(url).hostname}")
    return url.rstrip("/")


def check_endpoints(settings: Settings) -> None:
    """At the start: an address set for a misspelt name would leave the right one as it is."""
    known = known_providers(settings.configs_dir).endpoints
    flaws = [Flaw(f"names {one[:80]!r}{_hint(one, known)}", "PROVIDER_URLS") for one in settings.provider_urls if one not in known]
    if flaws:
        raise Misconfigured("the service cannot start: PROVIDER_URLS needs mending", flaws=flaws)


def _hint(asked: str, known: Mapping[str, str]) -> str:
    return did_you_mean(asked, known) or f"; {NAMED_IN} names {', '.join(known) or 'none'}"
