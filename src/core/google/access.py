"""How the platform itself is known to Google, and how its services are reached. Imported only by what speaks to one of them."""

from typing import Any
from urllib.parse import urlsplit

import google.auth
import grpc
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import DefaultCredentialsError
from google.auth.impersonated_credentials import Credentials as Impersonated
from google.auth.transport.grpc import secure_authorized_channel
from google.auth.transport.requests import Request

from src.core.base.faults import Misconfigured
from src.core.base.settings import Settings

# the widest, for BigQuery and KMS are both reached with it; what the account may do is said by its roles
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRPC_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # one message of rows may be larger than the library's 4 MB
    ("grpc.max_reconnect_backoff_ms", 5000),  # it waits two minutes otherwise, after an outage is over
)


def is_open(url: str) -> bool:
    """A plain address is a stand-in on this machine, to which the platform's own credentials are never sent."""
    return urlsplit(url).scheme == "http"


def platform_credentials(settings: Settings, url: str) -> Credentials:
    if is_open(url):
        return AnonymousCredentials()
    try:
        if settings.google_application_credentials:
            credentials, _ = google.auth.load_credentials_from_file(str(settings.google_application_credentials), scopes=[SCOPE])
        else:
            credentials, _ = google.auth.default(scopes=[SCOPE])
    except (DefaultCredentialsError, OSError, ValueError) as wrong:
        named = settings.google_application_credentials
        if named:
            why = f"no account can be read from {named} ({'there is no such file' if not named.exists() else type(wrong).__name__})"
        else:
            why = "the platform has no Google account here"
        raise Misconfigured(f"GOOGLE_APPLICATION_CREDENTIALS: {why}; name its key file, or run where an account is attached") from wrong
    known: Credentials = credentials
    return known


def impersonated(source: Credentials, account: str) -> Credentials:
    """Asks for a token of `account` in its name; needs roles/iam.serviceAccountTokenCreator on it."""
    if isinstance(source, AnonymousCredentials):
        return source
    return Impersonated(source_credentials=source, target_principal=account, target_scopes=[SCOPE])


def grpc_channel(url: str, credentials: Credentials) -> grpc.Channel:
    parts = urlsplit(url)
    target = f"{parts.hostname}:{parts.port or 443}"
    if is_open(url):
        plain = grpc.insecure_channel(target, options=GRPC_OPTIONS)
        return plain if isinstance(credentials, AnonymousCredentials) else grpc.intercept_channel(plain, _Bearer(credentials))
    return secure_authorized_channel(credentials, Request(), target, options=GRPC_OPTIONS)


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]  # grpc brings no types
    """Sends a token where gRPC's own way of it wants an encrypted channel."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._request = Request()

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._signed(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._signed(client_call_details), request)

    def _signed(self, details: Any) -> Any:
        headers: dict[str, str] = {}
        self._credentials.before_request(self._request, "POST", details.method, headers)
        metadata = [*(details.metadata or ()), *((name.lower(), value) for name, value in headers.items())]
        return details._replace(metadata=metadata)
