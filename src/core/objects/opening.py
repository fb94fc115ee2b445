"""Opens a place. What obstore would else take from the environment is told: keys and addresses of whatever this service runs on
are never mixed with an organisation's."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from src.core.base.faults import Fault, Misconfigured, Missing
from src.core.base.names import is_loopback
from src.core.base.settings import Settings
from src.core.objects.keys import AwsKeys, AzureKey, AzureKeys, AzureSas, GivesAws, GivesAzure, GivesGoogle, GoogleToken
from src.core.objects.place import AzurePlace, FolderPlace, GcsPlace, S3Place
from src.core.objects.port import Objects
from src.core.objects.refusals import Refused
from src.core.objects.store import ObstoreObjects

if TYPE_CHECKING:
    # obstore has these for type checkers alone
    from obstore.store import AzureCredential, BackoffConfig, ClientConfig, GCSCredential, RetryConfig, S3Credential

K = TypeVar("K")
S = TypeVar("S")

RETRIES = 4
RETRY_SECONDS = 60
FIRST_WAIT = timedelta(milliseconds=100)
LONGEST_WAIT = timedelta(seconds=5)
# beside the limit for silence: one answer that drips is asked for anew from where it was
ANSWER_TIMES = 4


def open_s3(settings: Settings, place: S3Place, keys: GivesAws, *, given_up: threading.Event | None = None) -> Objects:
    refused = Refused(place)
    url = address_of(settings, settings.s3_url.replace("{region}", place.region), "S3_URL")
    store = S3Store(
        place.bucket,
        config={
            "aws_endpoint_url_s3": url,
            "region": place.region,
            "skip_signature": False,
            "virtual_hosted_style_request": False,
            "s3_express": False,
        },
        client_options=_client(settings, url),
        retry_config=_retries(),
        credential_provider=_given(keys, _aws, refused),
    )
    return ObstoreObjects(place, store, refused, given_up=given_up)


def open_gcs(settings: Settings, place: GcsPlace, keys: GivesGoogle, *, given_up: threading.Event | None = None) -> Objects:
    refused = Refused(place)
    url = address_of(settings, settings.gcs_url, "GCS_URL")
    store = GCSStore(
        place.bucket,
        config={"base_url": url, "skip_signature": False},
        client_options=_client(settings, url),
        retry_config=_retries(),
        credential_provider=_given(keys, _google, refused),
    )
    return ObstoreObjects(place, store, refused, given_up=given_up)


def open_azure(settings: Settings, place: AzurePlace, keys: GivesAzure, *, given_up: threading.Event | None = None) -> Objects:
    refused = Refused(place)
    url = address_of(settings, settings.azure_blob_url.replace("{account}", place.account), "AZURE_BLOB_URL")
    store = AzureStore(
        place.container,
        config={
            "account_name": place.account,
            "endpoint": url,
            "skip_signature": False,
            "use_emulator": False,
            "use_fabric_endpoint": False,
            "use_azure_cli": False,
        },
        client_options=_client(settings, url),
        retry_config=_retries(),
        credential_provider=_given(keys, _azure, refused),
    )
    return ObstoreObjects(place, store, refused, given_up=given_up)


def open_folder(settings: Settings, place: FolderPlace, *, given_up: threading.Event | None = None) -> Objects:
    if settings.object_folder is None:
        raise Misconfigured("OBJECT_FOLDER is not set: no exports are read from a folder of this machine")
    root = settings.object_folder.resolve() / place.tenant.org_slug
    if root.is_symlink() or not root.is_dir():
        raise Missing(f"OBJECT_FOLDER has no folder {place.tenant.org_slug}; an operator makes it and puts exports there")
    return ObstoreObjects(place, LocalStore(Path(root)), Refused(place), root=root, given_up=given_up)


def address_of(settings: Settings, url: str, named: str) -> str:
    host = urlsplit(url).hostname or ""
    # who tries things out in the sandbox must not reach a real bucket with a key that happens to be real
    if settings.sandbox and not is_loopback(host):
        raise Misconfigured(f"SANDBOX=true: nothing is sent to {host}, which is not on this machine; set {named}")
    return url


def _client(settings: Settings, url: str) -> "ClientConfig":
    silence = timedelta(seconds=settings.object_timeout_seconds)
    return {
        "allow_http": urlsplit(url).scheme == "http",
        "allow_invalid_certificates": False,
        "read_timeout": silence,
        "timeout": silence * ANSWER_TIMES,
    }


def _retries() -> "RetryConfig":
    backoff: BackoffConfig = {"init_backoff": FIRST_WAIT, "max_backoff": LONGEST_WAIT, "base": 2}
    return {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS), "backoff": backoff}


def _given(keys: Callable[[], K], shaped: Callable[[K], S], refused: Refused) -> Callable[[], S]:
    def give() -> S:
        try:
            return shaped(keys())
        except Fault as fault:
            refused.of_keys = fault
            raise

    return give


def _aws(keys: AwsKeys) -> "S3Credential":
    return {
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key.reveal(),
        "token": keys.session_token.reveal() if keys.session_token else None,
        "expires_at": keys.until,
    }


def _google(keys: GoogleToken) -> "GCSCredential":
    return {"token": keys.token.reveal(), "expires_at": keys.until}


def _azure(keys: AzureKeys) -> "AzureCredential":
    if isinstance(keys, AzureKey):
        return {"access_key": keys.key.reveal(), "expires_at": None}
    if isinstance(keys, AzureSas):
        return {"sas_token": keys.query.reveal().removeprefix("?"), "expires_at": None}
    return {"token": keys.token.reveal(), "expires_at": keys.until}
