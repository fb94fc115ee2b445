"""Google Cloud Storage and Azure Blob Storage over HTTP: what is sent, and what is made of their answers."""

import base64
from datetime import timedelta
from urllib.parse import unquote

import pytest

from src.core.base.faults import CredentialRefused, Misconfigured, Unavailable
from src.core.base.secret import Secret
from src.core.objects import opening, store
from src.core.objects.keys import AzureKey, AzureSas, AzureToken, GoogleToken
from src.core.objects.opening import open_azure, open_gcs, open_s3
from src.core.objects.place import AzurePlace, GcsPlace, S3Place
from src.core.objects.port import ObjectChanged, Objects
from tests.core.objects.opened import KEYS, NAME, settings_with
from tests.fakes.broken_storage import BrokenStorage, Trouble, broken_storage

SIZE = 2_000_003
GOOGLES = """<?xml version='1.0'?><ListBucketResult><IsTruncated>{more}</IsTruncated>{next}
<Contents><Key>exports/{name}.csv</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>3</Size></Contents>
</ListBucketResult>"""
AZURES = """<?xml version="1.0"?><EnumerationResults><Blobs><Blob><Name>exports/{name}.csv</Name><Properties>
<Last-Modified>Sun, 01 Nov 2026 00:00:00 GMT</Last-Modified><Content-Length>3</Content-Length>
<Content-Type>text/csv</Content-Type><Etag>0x8D</Etag></Properties></Blob></Blobs>{next}</EnumerationResults>"""


@pytest.fixture
def storage(monkeypatch):
    monkeypatch.setattr(store, "PART", 1_000_000)
    monkeypatch.setattr(store, "PIECE", 10_000)
    monkeypatch.setattr(opening, "FIRST_WAIT", timedelta(milliseconds=1))
    with broken_storage(SIZE) as served:
        yield served


def google(storage: BrokenStorage, **changed: object) -> Objects:
    settings = settings_with(**{"gcs_url": storage.address, **changed})
    return open_gcs(settings, GcsPlace("acme-billing", "exports"), lambda: GoogleToken(Secret("of-acme")))


def azure(storage: BrokenStorage, keys=None, **changed: object) -> Objects:
    settings = settings_with(**{"azure_blob_url": storage.address, **changed})
    return open_azure(settings, AzurePlace("acmebilling", "cost-exports", "exports"), lambda: keys or AzureToken(Secret("of-acme")))


@pytest.mark.parametrize("open_it", [google, azure])
def test_a_read_goes_on_where_it_was_and_notices_a_change(storage, open_it):
    objects = open_it(storage)
    found = objects.look(NAME)
    storage.ahead.append(Trouble(after=123_457))

    assert b"".join(objects.read(found)) == storage.whole()
    assert storage.starts == [0, 123_457, 1_000_000, 2_000_000]
    assert {state for _, _, state in storage.asked} == {'"one"'}
    storage.etag = '"two"'
    with pytest.raises(ObjectChanged):
        list(objects.read(found))


@pytest.mark.parametrize("open_it", [google, azure])
def test_a_refusal_is_told_by_what_to_do(storage, open_it):
    objects = open_it(storage)
    found = objects.look(NAME)
    for status, code, fault in ((403, "AuthorizationFailure", CredentialRefused), (503, "", Unavailable)):
        storage.always = Trouble(status=status, code=code)
        with pytest.raises(fault):
            next(objects.read(found))


@pytest.mark.parametrize(
    ("keys", "where", "sent"),
    [
        (AzureToken(Secret("of-acme")), "authorization", "Bearer of-acme"),
        (AzureSas(Secret("?sv=2026&sig=abc%2B")), "path", "?sv=2026&sig=abc%2B"),
        (AzureKey(Secret(base64.b64encode(b"key").decode())), "authorization", "SharedKey acmebilling:"),
    ],
    ids=["token", "signature", "key"],
)
def test_azure_is_shown_the_organisations_own_key_and_nothing_of_the_platforms(storage, monkeypatch, keys, where, sent):
    for name in ("AZURE_STORAGE_TOKEN", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_CLIENT_SECRET", "AZURE_STORAGE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/of-the-platform")
    monkeypatch.setenv("AZURE_SKIP_SIGNATURE", "true")
    objects = azure(storage, keys)
    next(objects.read(objects.look(NAME)))

    assert sent in {**storage.headers, "path": storage.path}[where]
    assert storage.path.startswith(f"/cost-exports/{NAME}")
    assert "of-the-platform" not in f"{storage.path}{storage.headers}"


def test_google_is_shown_the_organisations_own_token(storage, monkeypatch):
    for name in ("GOOGLE_BASE_URL", "GOOGLE_BEARER_TOKEN"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/of-the-platform")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    objects = google(storage)
    next(objects.read(objects.look(NAME)))

    assert storage.headers["authorization"] == "Bearer of-acme"
    assert unquote(storage.path) == f"/acme-billing/{NAME}"


@pytest.mark.parametrize(
    ("open_it", "answers"),
    [
        (
            google,
            (
                GOOGLES.format(more="true", next="<NextContinuationToken>2</NextContinuationToken>", name="a"),
                GOOGLES.format(more="false", next="", name="b"),
            ),
        ),
        (azure, (AZURES.format(next="<NextMarker>2</NextMarker>", name="a"), AZURES.format(next="<NextMarker/>", name="b"))),
    ],
)
def test_a_listing_goes_on_from_page_to_page(storage, open_it, answers):
    storage.listings.extend(answers)

    assert [one.name for page in open_it(storage).pages() for one in page] == ["exports/a.csv", "exports/b.csv"]
    assert not storage.listings


def test_the_sandbox_sends_nothing_to_another_machine(storage):
    with pytest.raises(Misconfigured, match=r"nothing is sent to storage.googleapis.com.*set GCS_URL"):
        google(storage, gcs_url="https://storage.googleapis.com", sandbox=True)
    with pytest.raises(Misconfigured, match=r"nothing is sent to acmebilling.blob.core.windows.net.*set AZURE_BLOB_URL"):
        azure(storage, azure_blob_url="https://{account}.blob.core.windows.net", sandbox=True)
    with pytest.raises(Misconfigured, match=r"nothing is sent to s3.eu-central-1.amazonaws.com.*set S3_URL"):
        open_s3(settings_with(sandbox=True), S3Place("acme-billing", "eu-central-1"), lambda: KEYS)
