"""Where a step reads from. Which of a provider's endpoints these are is the platform's to say, never a credential's."""

from collections.abc import Mapping
from typing import Any, Protocol

from src.core.base.identity import Tenant
from src.core.base.secret import Secret
from src.core.providers.export import BillingExport


class Sources(Protocol):
    def gcp_export(self, tenant: Tenant, credential: Secret, connection: Mapping[str, Any]) -> BillingExport:
        """`connection` is the metadata stored beside the credential: project, dataset, tables."""
        ...
