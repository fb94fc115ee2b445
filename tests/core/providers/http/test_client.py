import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from src.core.base.faults import StepFailed, Timeout, Unavailable
from src.core.providers.http.client import Http, HttpAnswer, words
from tests.fakes.google import FakeGoogle

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def http():
    with Http("gcp", 60.0) as made:
        yield made


def test_an_answer_is_its_status_and_its_json(google: FakeGoogle, http: Http):
    google.fail = lambda path: (418, {"said": path}, {"X-More": "1"})

    answer = http.ask("GET", f"{google.address}/a/b", params={"page": 2})

    assert (answer.status, answer.body, answer.ok, answer.headers["x-more"]) == (418, {"said": "/a/b?page=2"}, False, "1")


def test_money_is_the_decimal_that_was_written(google: FakeGoogle, http: Http):
    google.fail = lambda _path: (200, b'{"cost": 123456789012.123456789, "tiny": 1e-9, "huge": 1E400, "count": 7}', {})

    assert http.ask("GET", google.address).body == {
        "cost": Decimal("123456789012.123456789"),
        "tiny": Decimal("1e-9"),
        "huge": Decimal("1E400"),
        "count": 7,
    }


def test_a_parameter_may_have_several_values(google: FakeGoogle, http: Http):
    google.fail = lambda _path: (200, {}, {})
    http.ask("GET", f"{google.address}/usage", params={"group_by[]": ["model", "project id"], "limit": 31})

    assert google.asked == ["GET /usage?group_by%5B%5D=model&group_by%5B%5D=project+id&limit=31"]
    http.ask("GET", f"{google.address}/usage?page=2", params={})
    assert google.asked[1:] == ["GET /usage?page=2"]


@pytest.mark.parametrize(
    "text",
    [b"", b"<html>", b"{", b"\xff\xfe", b"[" * 100_000, b'{"cost": NaN}', b"[-Infinity]", b"1e99999999999999999999"],
    ids=["nothing", "markup", "half", "bytes", "deep", "nan", "infinity", "beyond decimals"],
)
def test_what_is_no_json_is_none(google: FakeGoogle, http: Http, text: bytes):
    google.fail = lambda _path: (200, text, {})

    assert http.ask("GET", google.address).body is None


def test_a_redirect_is_not_followed(google: FakeGoogle, http: Http):
    google.fail = lambda _path: (302, {}, {"Location": f"{google.address}/elsewhere"})

    assert http.ask("GET", f"{google.address}/here").status == 302
    assert google.asked == ["GET /here"]


def test_an_answer_that_is_too_long_is_cut_off(google: FakeGoogle):
    google.fail = lambda _path: (200, b'"' + b"x" * 200_000 + b'"', {})

    with Http("gcp", 60.0, limit=100_000) as http, pytest.raises(StepFailed, match="more than"):
        http.ask("GET", google.address)


def test_a_packed_answer_is_refused(google: FakeGoogle, http: Http):
    google.fail = lambda _path: (200, b"\x1f\x8b", {"Content-Encoding": "gzip"})

    with pytest.raises(StepFailed, match="packed"):
        http.ask("GET", google.address)


def test_one_that_does_not_answer_in_time_is_unavailable(google: FakeGoogle):
    given_up = threading.Event()
    google.fail = lambda _path: (200 if given_up.wait(60) else 500, {}, {})

    with Http("gcp", 0.1) as http, pytest.raises(Unavailable, match=r"within 0.1 s"):
        http.ask("GET", google.address)
    given_up.set()


def test_one_that_is_not_there_is_unavailable(http: Http):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="could not be reached"):
            http.ask("GET", f"http://127.0.0.1:{mute.getsockname()[1]}/")


def test_who_was_given_up_asks_nothing_more():
    given_up = threading.Event()
    given_up.set()

    with Http("gcp", 60.0, given_up=given_up) as http, socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(0)
        with pytest.raises(Timeout, match="not asked any more"):
            http.ask("GET", f"http://127.0.0.1:{mute.getsockname()[1]}/")
        with pytest.raises(BlockingIOError):
            mute.accept()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("", None),
        ("soon", None),
        ("999999", 3600.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
    ],
)
def test_how_long_to_wait_is_read_in_both_spellings(said: str, seconds: float | None):
    assert HttpAnswer(429, {"retry-after": said}, None).retry_after(NOW) == seconds


def test_words_of_a_provider_are_short_and_hold_no_secret():
    assert words("a\nb\x1b[31m  c ya29." + "t" * 40) == "a b [31m c ****"
    assert len(words("word " * 200)) <= 303


def test_threads_that_ask_first_at_the_same_moment_share_one_client():
    begin = threading.Barrier(16)

    def client(_: int) -> httpx2.Client:
        begin.wait()
        return shared._client("127.0.0.1")

    with Http("acme", 1.0) as shared, ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(client, range(16)))) == 1
