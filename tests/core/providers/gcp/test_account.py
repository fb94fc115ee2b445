import base64
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.core.base.clock import SystemClock
from src.core.base.faults import CredentialRefused, Missing, Rejected, StepFailed, Throttled, Unavailable
from src.core.base.secret import Secret
from src.core.providers.gcp.account import GcpAccount
from src.core.providers.gcp.refusals import refusal
from src.core.providers.http.client import Http, HttpAnswer
from tests.fakes.google import FakeGoogle, error, key_pair, pem, service_account
from tests.fakes.odd_keys import made_of

CLOCK = SystemClock()


def parsed(account: object) -> GcpAccount:
    return GcpAccount.parse(Secret(json.dumps(account)))


def refused(text: str) -> Rejected:
    with pytest.raises(Rejected) as caught:
        GcpAccount.parse(Secret(text))
    return caught.value


def test_a_whole_key_is_read_and_only_what_is_needed_is_kept():
    account = service_account()

    read = parsed(account)

    assert (read.client_email, read.project_id) == (account["client_email"], "acme-billing")
    assert json.loads(read.secret.reveal()) == {name: text for name, text in account.items() if name not in ("auth_uri", "token_uri")}
    assert GcpAccount.parse(read.secret).fingerprint == read.fingerprint
    assert read.fingerprint != parsed(service_account(number=1)).fingerprint
    assert "PRIVATE" not in repr(read)


KINDS: list[tuple[str, str]] = [
    ("", "empty"),
    (" ", "empty"),
    ("AIza" + "S" * 35, "Google API key"),
    ("ya29.a0AfH6SM", "access token"),
    ("sk-proj-abcdefghijklmnop", "model provider"),
    ("AKIAABCDEFGHIJKLMNOP", "AWS"),
    ("GOCSPX-abcdefgh", "OAuth client"),
    ("eyJhbGciOi.eyJpc3M.sig", "JWT"),
    ("/home/me/key.json", "name of a file"),
    ("~/keys/billing.json", "name of a file"),
    (pem(key_pair()), "private key alone"),
    ("-----BEGIN CERTIFICATE-----\nMII", "certificate"),
    ('{"type": "service_account"', "not JSON (line 1, column 27)"),
    ('{"private_key": "-----BEGIN\nPRIVATE"}', "goes over the end of line 1"),
    (base64.b64encode(json.dumps(service_account()).encode()).decode(), "in base64"),
    (json.dumps(json.dumps(service_account())), "encoded twice"),
    ("[]", "no object"),
    ("{}", "another kind"),
    ("1" * 5000, "too long"),
    ("[" * 15000, "nested too deeply"),
    ("x" * 30_000, "longer than"),
    ('{"type": "authorized_user", "refresh_token": "1//0abc"}', "person's own credentials"),
    ('{"type": "external_account"}', "workload identity federation"),
    ('{"type": "impersonated_service_account"}', "impersonates"),
    ('{"installed": {"client_secret": "x"}}', "OAuth client"),
    ('{"client_email": "a", "private_key": "b"}', '"type" must say'),
]


@pytest.mark.parametrize(("text", "told"), KINDS, ids=[told for _, told in KINDS])
def test_what_is_not_the_right_kind_is_named_and_the_right_kind_too(text: str, told: str):
    fault = refused(text)

    assert told in fault.detail
    assert "IAM & Admin > Service Accounts" in fault.detail
    assert fault.flaws[0].field == "credential"


@pytest.mark.parametrize("name", ["project_id", "private_key_id", "private_key", "client_email"])
@pytest.mark.parametrize("value", [None, "", 7, "../../etc", "a b"])
def test_a_field_that_is_missing_or_unfit_is_named(name: str, value: object):
    account = {**service_account(), name: value}

    fault = refused(json.dumps(account))

    assert [flaw.field for flaw in fault.flaws] == [f"credential.{name}"]


def test_everything_that_is_missing_is_told_at_once():
    fault = refused('{"type": "service_account", "universe_domain": "apis-elsewhere.example"}')

    assert {flaw.field for flaw in fault.flaws} == {
        f"credential.{name}" for name in ("project_id", "private_key_id", "private_key", "client_email", "universe_domain")
    }


def small_rsa() -> str:
    return pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))


def elliptic() -> str:
    return pem(ec.generate_private_key(ec.SECP256R1()))


def locked(form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> str:
    return key_pair().private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"pass")).decode()


UNFIT: list[tuple[str, str]] = [
    (pem(key_pair())[:-200], "cannot be loaded"),
    (pem(key_pair())[:200] + pem(key_pair())[200:].replace("M", "N", 20), "cannot be loaded"),
    (pem(key_pair()).replace("\n", "\\n"), "escaped twice"),
    (pem(key_pair()).replace("-----BEGIN", "BEGIN"), "PEM text"),
    (small_rsa(), "RSA key of 2048 to 4096 bits"),
    (elliptic(), "RSA key of 2048 to 4096 bits"),
    (made_of(n=2**8192 - 1, d=2**8192 - 1, p=2**4096 - 1), "a key of 4096 bits, the most that is taken"),
    (locked(), "passphrase"),
    (locked(serialization.PrivateFormat.TraditionalOpenSSL), "passphrase"),
    ("-----BEGIN PRIVATE KEY-----\n" + "\ud800" * 80, "cannot be loaded"),
]


@pytest.mark.parametrize(("key", "told"), UNFIT, ids=range(len(UNFIT)))
def test_a_key_that_cannot_sign_is_refused_without_a_word_of_it(key: str, told: str):
    fault = refused(json.dumps({**service_account(), "private_key": key}))

    assert told in str(fault)
    assert key[40:80] not in str(fault)
    assert fault.__cause__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(service_account())), JSON, min_size=1))
def test_no_damage_to_a_key_is_anything_but_read_or_refused(damage: dict[str, object]):
    assert service_account()["private_key"][60:100] not in answered({**service_account(), **damage})


def answered(account: object) -> str:
    try:
        return repr(parsed(account))
    except Rejected as fault:
        return str(fault)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda data: data.decode("latin-1")))
def test_no_text_is_anything_but_refused(text: str):
    with pytest.raises(Rejected):
        GcpAccount.parse(Secret(text))


def token_of(google: FakeGoogle, account: dict[str, str]):
    with Http("gcp", 60.0) as http:
        return parsed(account).token(http, google.settings["GCP_TOKEN_URL"], CLOCK)


def test_a_token_is_had_from_the_platforms_address_and_not_the_credentials_own(google: FakeGoogle):
    token = token_of(google, google.knows(service_account()))

    assert token.text.reveal().startswith("ya29.reader")
    assert timedelta(minutes=50) < token.expires_at - CLOCK.now() <= timedelta(hours=1)
    assert "ya29" not in repr(token)
    assert google.asked == ["POST /token"]


def test_a_key_google_does_not_know_is_refused_in_googles_words(google: FakeGoogle):
    forged = {**service_account(number=1), "client_email": google.knows(service_account())["client_email"]}
    with pytest.raises(CredentialRefused, match=r"Invalid JWT Signature\..*keys? .*enabled"):
        token_of(google, forged)
    with pytest.raises(CredentialRefused, match="account not found"):
        token_of(google, service_account("stranger"))
    google.disabled.add(service_account()["client_email"])
    with pytest.raises(CredentialRefused, match="was disabled"):
        token_of(google, service_account())


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": 7}, [], {"access_token": "a\r\nX-Evil: 1"}])
def test_an_answer_without_a_token_is_no_token(google: FakeGoogle, body: object):
    google.fail = lambda _path: (200, body, {})

    with pytest.raises(StepFailed, match="access_token"):
        token_of(google, service_account())


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_token_endpoint_in_trouble_is_asked_again_later(google: FakeGoogle, status: int):
    google.fail = lambda _path: (status, b"oops", {"Retry-After": "3"})

    with pytest.raises((Unavailable, Throttled)) as caught:
        token_of(google, service_account())

    assert (caught.value.retry, caught.value.retry_after) == (True, 3.0)


def test_a_token_endpoint_that_is_asked_too_often_refuses_no_key(google: FakeGoogle):
    google.fail = lambda _path: error(403, "slow down", "rateLimitExceeded", Retry_After="5")

    with pytest.raises(Throttled) as caught:
        token_of(google, service_account())

    assert caught.value.retry_after == 5.0


@pytest.mark.parametrize(
    ("status", "reason", "kind", "told"),
    [
        (403, "accessDenied", CredentialRefused, "roles/bigquery.dataViewer"),
        (401, "authError", CredentialRefused, "roles/bigquery.jobUser"),
        (403, "accessNotConfigured", Rejected, "Enable the BigQuery API"),
        (403, "rateLimitExceeded", Throttled, "said"),
        (403, "quotaExceeded", Throttled, "said"),
        (429, "rateLimitExceeded", Throttled, "said"),
        (404, "notFound", Missing, "said"),
        (500, "backendError", Unavailable, "said"),
        (503, "backendError", Unavailable, "said"),
        (400, "invalid", StepFailed, "said"),
        (302, "found", StepFailed, "302"),
    ],
)
def test_a_refusal_says_what_to_do_next(status: int, reason: str, kind: type[Exception], told: str):
    fault = refusal(HttpAnswer(status, {"retry-after": "9"}, error(status, "said", reason)[1]), CLOCK.now(), "projects/p/datasets")

    assert type(fault) is kind
    assert told in fault.detail
    assert fault.retry_after == (9.0 if fault.retry else None)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(300, 599),
    st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(["error", "errors", "message", "reason"]), inner)),
)
def test_no_refusal_breaks_its_reader(status: int, body: object):
    assert refusal(HttpAnswer(status, {}, body), CLOCK.now(), "x").detail
