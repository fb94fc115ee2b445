import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from src.core.base.faults import CredentialRefused, Misconfigured, Rejected, StepFailed, Throttled, Unavailable
from src.core.base.secret import Secret
from src.core.objects import sigv4
from src.core.objects.keys import AwsKeys
from src.core.objects.roles import LONGEST_ANSWER, AssumedRole
from tests.core.objects.opened import settings_with

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/billing"
GRANTED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>secret/+=</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>{}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Code>{}</Code><Message>AKIAX</Message></Error></ErrorResponse>"""


class Noon:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


class Sts:
    def __init__(self) -> None:
        self.address = ""
        self.answer = (200, GRANTED.format("2026-11-30T13:00:00Z"))
        self.forms: list[dict[str, list[str]]] = []


@contextmanager
def running(sts: Sts):
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """The tests say what went wrong."""

        def do_POST(self):
            sts.forms.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
            status, text = sts.answer
            self.send_response(status)
            if status == 302:
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(text.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    sts.address = f"http://127.0.0.1:{server.server_port}"
    yield sts
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def sts():
    with running(Sts()) as one:
        yield one


def role(sts: Sts, clock: Noon | None = None, **changed: Any) -> AssumedRole:
    own = {"platform_aws_access_key_id": "AKIAPLATFORM00000001", "platform_aws_secret_access_key": "p" * 40}
    settings = settings_with(**{"sts_url": sts.address, **own, **changed.pop("settings", {})})
    given = {"role": ROLE, "external_id": "x-1", "session": "convergence", "region": "eu-central-1", **changed}
    return AssumedRole(settings, clock or Noon(), **given)


@pytest.mark.parametrize("token", [None, Secret("a-token/+=")])
def test_a_call_is_signed_as_amazons_own_library_signs_it(token, monkeypatch):
    keys = AwsKeys("AKIAPLATFORM00000001", Secret("secret/+key"), token)
    body = b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam"
    url = "https://sts.eu-central-1.amazonaws.com/"
    ours = sigv4.signed_headers(url, body, keys, region="eu-central-1", service="sts", at=NOON)
    request = AWSRequest("POST", url, headers={"content-type": sigv4.FORM}, data=body)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: NOON)
    SigV4Auth(Credentials(keys.access_key_id, "secret/+key", token.reveal() if token else None), "sts", "eu-central-1").add_auth(request)

    assert ours["x-amz-date"] == request.headers["X-Amz-Date"] == "20261130T120000Z"
    assert ours["authorization"] == request.headers["Authorization"]


def test_the_external_id_goes_along_and_keys_are_made_anew_before_they_lapse(sts):
    clock = Noon()
    assumed = role(sts, clock)

    first = assumed()
    assert (first.access_key_id, first.secret_access_key, first.session_token) == ("ASIA1", Secret("secret/+="), Secret("token"))
    clock.at = NOON + timedelta(minutes=50)
    assert assumed() is first
    sts.answer = (200, GRANTED.format("2026-11-30T14:00:00Z"))
    clock.at += timedelta(seconds=1)
    assert assumed().until == datetime(2026, 11, 30, 14, tzinfo=UTC)
    assert [(form["RoleArn"], form["ExternalId"], form["RoleSessionName"]) for form in sts.forms] == [
        ([ROLE], ["x-1"], ["convergence"])
    ] * 2


@pytest.mark.parametrize(
    ("status", "code", "fault", "words"),
    [
        (403, "AccessDenied", CredentialRefused, "may not assume arn:aws:iam::123456789012:role/billing.*external id"),
        (403, "InvalidClientTokenId", Misconfigured, "PLATFORM_AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", Misconfigured, "or the clock"),
        (403, "RegionDisabledException", Rejected, "not active in eu-central-1"),
        (400, "Throttling", Throttled, "Throttling"),
        (503, "ServiceUnavailable", Unavailable, "503"),
        (400, "ValidationError", StepFailed, "400"),
        (302, "Found", StepFailed, "302"),
    ],
)
def test_a_refusal_is_told_by_who_mends_it(sts, status, code, fault, words):
    sts.answer = (status, REFUSED.format(code))

    with pytest.raises(fault, match=words) as caught:
        role(sts)()
    assert type(caught.value) is fault
    assert "AKIA" not in str(caught.value).replace("PLATFORM_AWS", "")


@pytest.mark.parametrize("text", ["no xml", "<a/>", GRANTED.format(""), "<a>" + "b" * LONGEST_ANSWER])
def test_an_answer_without_keys_is_none(sts, text):
    sts.answer = (200, text)

    with pytest.raises(StepFailed):
        role(sts)()


@pytest.mark.parametrize(
    "changed",
    [
        {"role": "arn:aws:iam::123456789012:user/billing"},
        {"role": "arn:aws:iam::123:role/billing"},
        {"role": ROLE + "\n"},
        {"external_id": ""},
        {"external_id": "a b"},
        {"session": ""},
    ],
)
def test_a_role_without_an_external_id_or_of_another_shape_is_refused(sts, changed):
    with pytest.raises(Rejected):
        role(sts, **changed)
    assert sts.forms == []


def test_without_a_key_of_its_own_the_platform_assumes_nothing(sts):
    with pytest.raises(Misconfigured, match="PLATFORM_AWS_ACCESS_KEY_ID is not set"):
        role(sts, settings={"platform_aws_access_key_id": None})()
    with pytest.raises(Misconfigured, match=r"SANDBOX=true: nothing is sent to sts.eu-central-1.amazonaws.com"):
        role(sts, settings={"sts_url": "https://sts.{region}.amazonaws.com", "sandbox": True})()
