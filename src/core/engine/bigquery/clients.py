"""Google's clients: the platform's own, one for each service account of an organisation that is used, and one for each run that writes."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from google.api_core.client_options import ClientOptions
from google.auth.credentials import Credentials
from google.cloud import bigquery
from google.cloud.bigquery_storage import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from src.core.base.faults import Misconfigured, Unavailable
from src.core.base.identity import Tenant
from src.core.base.settings import Settings
from src.core.google.access import grpc_channel, impersonated, platform_credentials

# each keeps connections open, and with ORG_SERVICE_ACCOUNT there is one for every organisation
OPEN: Final = 64
ACCOUNT_ID: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


@dataclass(eq=False, slots=True)
class AccountClients:
    """One account's way to BigQuery, for many threads at once."""

    client: bigquery.Client
    credentials: Credentials
    storage_url: str
    _reader: BigQueryReadClient | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reader(self) -> BigQueryReadClient:
        with self._lock:
            if self._reader is None:
                channel = grpc_channel(self.storage_url, self.credentials)
                self._reader = BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
            return self._reader

    def close(self) -> None:
        self.client.close()
        with self._lock:
            if self._reader is not None:
                self._reader.transport.close()
                self._reader = None


class Clients:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._links: OrderedDict[str | None, AccountClients] = OrderedDict()
        self._closed = False

    def account(self, tenant: Tenant) -> str | None:
        template = self._settings.org_service_account
        return account_of(template, tenant.org_slug) if template else None

    def platform(self) -> AccountClients:
        return self._link(None)

    def of(self, tenant: Tenant) -> AccountClients:
        return self._link(self.account(tenant))

    @contextmanager
    def for_run(self, tenant: Tenant) -> Iterator[AccountClients]:
        """One of its own, gone after the block. The token is the account's, and the same whichever of its clients shows it."""
        # not asked for anew: a token is a call to Google, two where an account is impersonated (decision 0016)
        credentials = self.of(tenant).credentials
        link = self._linked(credentials)
        try:
            yield link
        finally:
            link.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for link in self._links.values():
                link.close()
            self._links.clear()

    def _link(self, account: str | None) -> AccountClients:
        with self._lock:
            if self._closed:
                raise Unavailable("the warehouse is closed")
            held = self._links.get(account)
            if held is None:
                held = self._links[account] = self._opened(account)
            self._links.move_to_end(account)
            if len(self._links) > OPEN:
                # not closed: a job of another thread may be running through it
                self._links.popitem(last=False)
            return held

    def _opened(self, account: str | None) -> AccountClients:
        settings = self._settings
        if not settings.gcp_project_id:
            raise Misconfigured("GCP_PROJECT_ID names the project of BigQuery, and is not set")
        credentials = platform_credentials(settings, settings.platform_bigquery_url)
        if account:
            credentials = impersonated(credentials, account)
        return self._linked(credentials)

    def _linked(self, credentials: Credentials) -> AccountClients:
        settings = self._settings
        client = bigquery.Client(
            settings.gcp_project_id,
            credentials,
            location=settings.bigquery_location,
            client_options=ClientOptions(api_endpoint=settings.platform_bigquery_url),
        )
        return AccountClients(client, credentials, settings.platform_bigquery_storage_url)


def account_of(template: str, org_slug: str) -> str:
    """ORG_SERVICE_ACCOUNT for one organisation; account ids have hyphens where slugs have underscores."""
    account = template.replace("{org}", org_slug.replace("_", "-"))
    own = account.partition("@")[0]
    if not ACCOUNT_ID.fullmatch(own):
        raise Misconfigured(
            f"ORG_SERVICE_ACCOUNT gives {org_slug} the account {own!r}, and an account's id has 6 to 30 letters, digits and hyphens, "
            "the first a letter and the last no hyphen; shorten the setting's text, or give the organisation a shorter slug"
        )
    return account
