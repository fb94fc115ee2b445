"""One dataset's export, opened as a run opens it: with the client of production."""

from collections.abc import Mapping
from typing import Any

from src.core.base.identity import Tenant
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.step.gcp.bigquery_export import BigQueryExport, open_reader


def open_export(settings: Settings, tenant: Tenant, credential: Secret, connection: Mapping[str, Any]) -> BigQueryExport:
    """`connection` is the metadata stored beside the credential: project, dataset."""
    return BigQueryExport(open_reader(settings, tenant, credential), str(connection.get("project")), str(connection.get("dataset")))
