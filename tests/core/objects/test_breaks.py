"""A read that is broken off, falls silent, is refused, or whose object changes: over HTTP, against a server that does each on command."""

import threading
from datetime import timedelta

import pytest

from src.core.base.faults import CredentialRefused, Fault, Missing, Rejected, StepFailed, Throttled, Timeout, Unavailable
from src.core.base.secret import Secret
from src.core.objects import opening, store
from src.core.objects.keys import AwsKeys
from src.core.objects.opening import RETRIES, open_s3
from src.core.objects.place import S3Place
from src.core.objects.port import ObjectChanged
from tests.core.objects.opened import KEYS, NAME, opened, settings_with
from tests.fakes.broken_storage import Trouble, broken_storage

SIZE = 3_000_017


@pytest.fixture
def storage():
    with broken_storage(SIZE) as served:
        yield served


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(store, "PART", 1_000_000)
    monkeypatch.setattr(store, "PIECE", 10_000)
    monkeypatch.setattr(opening, "FIRST_WAIT", timedelta(milliseconds=1))
    monkeypatch.setattr(opening, "LONGEST_WAIT", timedelta(milliseconds=2))


def test_every_byte_comes_once_in_parts_that_are_each_of_the_same_state(storage):
    objects = opened(storage.address)
    found = objects.look(NAME)

    assert b"".join(objects.read(found)) == storage.whole()
    assert storage.asked == [("GET", f"bytes={at}-{min(at + 1_000_000, SIZE) - 1}", '"one"') for at in range(0, SIZE, 1_000_000)]
    assert b"".join(objects.read(found, start=SIZE - 5)) == storage.whole()[-5:]


@pytest.mark.parametrize("trouble", [Trouble(after=123_457), Trouble(after=123_457, silent=9)], ids=["broken off", "silent"])
def test_a_read_goes_on_where_it_was(storage, trouble):
    objects = opened(storage.address, object_timeout_seconds=0.3)
    storage.ahead.extend([trouble, trouble])

    assert b"".join(objects.read(objects.look(NAME))) == storage.whole()
    assert storage.starts == [0, 123_457, 246_914, 1_000_000, 2_000_000, 3_000_000]


def test_a_connection_that_always_breaks_ends_the_read_only_where_no_bytes_come_any_more(storage):
    objects = opened(storage.address)
    found = objects.look(NAME)
    storage.always = Trouble(after=40_000)

    assert b"".join(objects.read(found)) == storage.whole()
    assert len(storage.asked) > RETRIES * 3

    storage.asked.clear()
    storage.always = Trouble()
    with pytest.raises(Unavailable, match="broke off at exports/daily"):
        next(objects.read(found))
    assert len(storage.asked) == RETRIES + 1


def test_an_object_that_changes_while_it_is_read_is_noticed_and_nothing_is_kept(storage, tmp_path):
    objects = opened(storage.address)
    found = objects.look(NAME)
    pieces = objects.read(found)
    next(pieces)
    storage.etag = '"two"'

    with pytest.raises(ObjectChanged, match="begin anew") as caught:
        list(pieces)
    assert caught.value.retry
    with pytest.raises(ObjectChanged):
        objects.fetch(found, tmp_path / "bill")
    assert list(tmp_path.iterdir()) == []


def test_one_that_changes_while_the_connection_is_broken_is_noticed(storage):
    objects = opened(storage.address)
    found = objects.look(NAME)
    storage.always = Trouble(after=40_000)
    pieces = objects.read(found)
    next(pieces)
    storage.etag = '"two"'

    with pytest.raises(Fault):
        list(pieces)
    assert {state for _, of, state in storage.asked if of} == {'"one"'}


def test_one_that_has_grown_under_the_same_etag_is_noticed(storage):
    objects = opened(storage.address)
    found = objects.look(NAME)
    storage.size += 1

    with pytest.raises(ObjectChanged, match="another size"):
        list(objects.read(found))


def test_one_whose_state_has_no_name_is_not_read(storage):
    storage.etag = ""
    objects = opened(storage.address)

    with pytest.raises(StepFailed, match="could change unnoticed"):
        list(objects.read(objects.look(NAME)))


@pytest.mark.parametrize(
    ("status", "code", "fault", "words"),
    [
        (
            403,
            "AccessDenied",
            CredentialRefused,
            r"403 to exports/daily/bill.csv.gz \(AccessDenied\).*may not list and read s3://acme-billing",
        ),
        (401, "", CredentialRefused, "is wrong, has lapsed"),
        (400, "ExpiredToken", CredentialRefused, "ExpiredToken"),
        (404, "NoSuchKey", Missing, "there is no exports/daily/bill.csv.gz in s3://acme-billing"),
        (404, "NoSuchBucket", Missing, "there is no s3://acme-billing$"),
        (503, "SlowDown", Throttled, "SlowDown"),
        (429, "", Throttled, "429"),
        (500, "InternalError", Unavailable, "500"),
        (503, "ServiceUnavailable", Unavailable, "503"),
        (301, "PermanentRedirect", Rejected, "is not in the region eu-central-1"),
        (416, "InvalidRange", ObjectChanged, "shorter than when"),
        (418, "Teapot", StepFailed, "418"),
    ],
)
def test_a_refusal_is_told_by_what_to_do_and_quotes_nothing_that_was_sent(storage, status, code, fault, words):
    objects = opened(storage.address)
    found = objects.look(NAME)
    storage.always = Trouble(status=status, code=code)

    with pytest.raises(fault, match=words) as caught:
        next(objects.read(found))
    assert type(caught.value) is fault
    assert "AKIA" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_fault_of_whoever_gives_the_keys_stays_what_it_is(storage):
    def give() -> AwsKeys:
        raise CredentialRefused("the role lets nobody in")

    objects = open_s3(settings_with(s3_url=storage.address), S3Place("acme-billing", "eu-central-1", "exports"), give)

    with pytest.raises(CredentialRefused, match=r"^the role lets nobody in$"):
        objects.look(NAME)


def test_the_surroundings_of_the_platform_lend_neither_address_nor_key(storage, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "AKIAPLATFORM",
        "AWS_SECRET_ACCESS_KEY": "platform",
        "AWS_SESSION_TOKEN": "platform-session",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REGION": "us-west-2",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    }.items():
        monkeypatch.setenv(name, value)
    objects = opened(storage.address, keys=AwsKeys("AKIAACME", Secret("s")))

    next(objects.read(objects.look(NAME)))

    assert "Credential=AKIAACME/" in storage.headers["authorization"]
    assert "/eu-central-1/s3/" in storage.headers["authorization"]
    assert "x-amz-security-token" not in storage.headers


def test_a_step_that_is_given_up_reads_no_further(storage):
    over = threading.Event()
    objects = open_s3(settings_with(s3_url=storage.address), S3Place("acme-billing", "eu-central-1"), lambda: KEYS, given_up=over)
    pieces = objects.read(objects.look(NAME))
    next(pieces)
    over.set()

    with pytest.raises(Timeout, match="longer than the step may"):
        next(pieces)


def test_a_disk_that_takes_no_more_is_told_and_nothing_stays(storage, tmp_path):
    objects = opened(storage.address)

    with pytest.raises(Unavailable, match="cannot be written beside bill"):
        objects.fetch(objects.look(NAME), tmp_path / "no" / "bill")
