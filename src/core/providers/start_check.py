from src.core.base.settings import Settings
from src.core.providers.directory import known_providers
from src.core.providers.endpoints import check_endpoints
from src.core.providers.packages import PACKAGES


def check_providers(settings: Settings) -> None:
    """At the start: every provider that is served has its package, and every address that is set is of a known one."""
    for provider in known_providers(settings.configs_dir).by_name.values():
        if provider.served:
            PACKAGES.credential(provider.name)
    check_endpoints(settings)
