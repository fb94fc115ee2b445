"""Google's shapes over real HTTP, and every refusal in its own words."""

import base64
import json
from datetime import timedelta

import httpx2
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from src.sandbox.server import Sandbox
from tests.sandbox.conftest import DETAILED, EURO, STANDARD, TODAY, HeldClock

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
READ = "https://www.googleapis.com/auth/bigquery.readonly"
PROJECT = "bigquery/v2/projects/sandbox-billing"
TABLES = f"{PROJECT}/datasets/billing_export/tables"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("http") / "sandbox"


@pytest.fixture
def sandbox(folder, clock: HeldClock):
    sandbox = Sandbox(folder, clock)
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def client(sandbox):
    with httpx2.Client(base_url=f"{sandbox.address}/gcp/", timeout=60, trust_env=False) as client:
        yield client


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def private_key(text) -> RSAPrivateKey:
    key = load_pem_private_key(json.loads(text)["private_key"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def assertion(sandbox, clock, name="demo", signer=None, header=None, **claims: object):
    key = json.loads(sandbox.service_account(name))
    now = int(clock.now().timestamp())
    said = {"iss": key["client_email"], "scope": READ, "aud": sandbox.endpoints["gcp_token_url"], "iat": now, "exp": now + 3600, **claims}
    parts = ({"alg": "RS256", "typ": "JWT", "kid": key["private_key_id"], **(header or {})}, said)
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    signature = private_key(sandbox.service_account(signer or name)).sign(signed.encode(), PKCS1v15(), hashes.SHA256())
    return f"{signed}.{encoded(signature)}"


def ask_token(client, text):
    return client.post("token", data={"grant_type": GRANT, "assertion": text})


def refused_token(answer):
    assert answer.status_code == 400
    return answer.json()["error"], answer.json()["error_description"]


@pytest.fixture
def bearer(sandbox, client, clock):
    def headers(name="demo", **claims: object):
        token = ask_token(client, assertion(sandbox, clock, name, **claims)).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}

    return headers


def test_a_key_file_is_of_googles_shape(sandbox):
    key = json.loads(sandbox.service_account("demo"))

    assert key["type"] == "service_account"
    assert key["client_email"] == "demo@sandbox-billing.iam.gserviceaccount.com"
    assert key["private_key"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert private_key(sandbox.service_account("demo")).key_size == 2048
    assert len(key["private_key_id"]) == 40
    assert len(key["client_id"]) == 21
    assert key["token_uri"] == "https://oauth2.googleapis.com/token"


def test_a_signed_assertion_gets_a_token(sandbox, client, clock):
    answer = ask_token(client, assertion(sandbox, clock))

    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "expires_in", "token_type"}
    assert (answer.json()["expires_in"], answer.json()["token_type"]) == (3599, "Bearer")
    assert ask_token(client, assertion(sandbox, clock, aud="https://oauth2.googleapis.com/token")).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"signer": "second"}, "invalid_grant", "Invalid JWT Signature."),
        ({"header": {"kid": "0" * 40}}, "invalid_grant", "Invalid JWT Signature."),
        ({"header": {"alg": "none"}}, "invalid_grant", "Invalid JWT Signature."),
        ({"name": "revoked"}, "invalid_grant", "Invalid JWT Signature."),
        ({"iss": "nobody@sandbox-billing.iam.gserviceaccount.com"}, "invalid_grant", "Invalid grant: account not found"),
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant", "Invalid JWT: Failed audience check."),
        ({"iat": 1, "exp": 3601}, "invalid_grant", "Check your iat and exp values"),
        ({"iat": 4102444800, "exp": 4102448400}, "invalid_grant", "Check your iat and exp values"),
        ({"exp": 4102448400}, "invalid_grant", "Check your iat and exp values"),
        ({"exp": None}, "invalid_grant", "Check your iat and exp values"),
        ({"scope": ""}, "invalid_scope", "Invalid OAuth scope"),
    ],
)
def test_a_wrong_assertion_is_refused_in_googles_words(sandbox, client, wrong, error, words):
    told = refused_token(ask_token(client, assertion(sandbox, HeldClock(), **wrong)))

    assert told[0] == error
    assert words in told[1]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password", "assertion": "x"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"grant_type": GRANT, "assertion": "not a token"}, "invalid_grant"),
        ({"grant_type": GRANT, "assertion": "e30.e30"}, "invalid_grant"),
        ({"grant_type": GRANT, "assertion": "W10.W10.x"}, "invalid_grant"),
        ({"grant_type": GRANT, "assertion": "e30.e30." + "A" * 70_000}, "invalid_request"),
    ],
)
def test_what_is_no_assertion_is_refused(client, form, error):
    answer = client.post("token", data=form)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_datasets_and_tables_are_listed(client, bearer):
    headers = bearer()
    datasets = client.get(f"{PROJECT}/datasets", headers=headers).json()
    tables = client.get(TABLES, headers=headers).json()

    assert datasets["kind"] == "bigquery#datasetList"
    assert [one["datasetReference"] for one in datasets["datasets"]] == [{"datasetId": "billing_export", "projectId": "sandbox-billing"}]
    assert [one["tableReference"]["tableId"] for one in tables["tables"]] == ["cloud_pricing_export", *sorted([STANDARD, EURO, DETAILED])]
    assert tables["totalItems"] == 4
    assert "nextPageToken" not in tables


def test_long_lists_come_in_pages(client, bearer):
    headers, token, names = bearer(), None, []
    for _ in range(4):
        page = client.get(TABLES, headers=headers, params={"maxResults": 1, **({"pageToken": token} if token else {})}).json()
        names += [one["tableReference"]["tableId"] for one in page["tables"]]
        token = page.get("nextPageToken")

    assert token is None
    assert len(set(names)) == 4
    wrong = client.get(TABLES, headers=headers, params={"pageToken": "x"})
    assert (wrong.status_code, wrong.json()["error"]["errors"][0]["reason"]) == (400, "invalid")


def test_a_table_tells_its_columns_and_size(client, bearer, clock):
    table = client.get(f"{TABLES}/{DETAILED}", headers=bearer()).json()
    fields = {field["name"]: field for field in table["schema"]["fields"]}

    assert (table["kind"], table["type"], table["location"], table["timePartitioning"]) == (
        "bigquery#table",
        "TABLE",
        "US",
        {"type": "DAY"},
    )
    assert int(table["numRows"]) > 400_000
    assert int(table["numBytes"]) > int(table["numRows"])
    assert int(table["lastModifiedTime"]) < clock.now().timestamp() * 1000
    assert fields["cost"] == {"name": "cost", "type": "FLOAT", "mode": "NULLABLE"}
    assert (fields["credits"]["type"], fields["credits"]["mode"]) == ("RECORD", "REPEATED")
    assert [one["name"] for one in fields["resource"]["fields"]] == ["name", "global_name"]
    standard = client.get(f"{TABLES}/{STANDARD}", headers=bearer()).json()
    assert "resource" not in {field["name"] for field in standard["schema"]["fields"]}
    assert standard["etag"] != table["etag"]


def test_the_columns_of_a_table_are_those_its_newest_file_has(client, bearer, tmp_path, export):
    newest = export.load_days(STANDARD, TODAY - timedelta(days=1), TODAY)
    (path,) = export.fetch(STANDARD, newest, tmp_path, lambda _: None)
    told = client.get(f"{TABLES}/{STANDARD}", headers=bearer()).json()["schema"]["fields"]

    assert [*(field["name"] for field in told), "load_day"] == pq.read_schema(path).names


def refusal(answer):
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["errors"][0]["reason"], error["status"]


@pytest.mark.parametrize(
    ("name", "path", "refused"),
    [
        ("narrow", TABLES, (403, "accessDenied", "PERMISSION_DENIED")),
        ("narrow", f"{TABLES}/{STANDARD}", (403, "accessDenied", "PERMISSION_DENIED")),
        ("second", TABLES, (403, "accessDenied", "PERMISSION_DENIED")),
        ("demo", f"{PROJECT}/datasets/other/tables", (404, "notFound", "NOT_FOUND")),
        ("demo", f"{TABLES}/other", (404, "notFound", "NOT_FOUND")),
        ("demo", "bigquery/v2/projects/nobodys/datasets", (404, "notFound", "NOT_FOUND")),
    ],
)
def test_what_may_not_be_seen_is_refused(client, bearer, name, path, refused):
    assert refusal(client.get(path, headers=bearer(name))) == refused


def test_an_empty_dataset_lists_nothing(client, bearer):
    answer = client.get("bigquery/v2/projects/sandbox-empty/datasets/billing_export/tables", headers=bearer("empty"))

    assert answer.status_code == 200
    assert "tables" not in answer.json()


def test_without_a_token_that_lasts_and_reads_nothing_is_told(client, bearer, clock):
    headers = bearer()
    too_narrow = bearer(scope="https://www.googleapis.com/auth/userinfo.email")

    assert refusal(client.get(TABLES)) == (401, "authError", "UNAUTHENTICATED")
    assert refusal(client.get(TABLES, headers={"Authorization": "Bearer ya29.c.made-up"})) == (401, "authError", "UNAUTHENTICATED")
    assert refusal(client.get(TABLES, headers=too_narrow)) == (403, "insufficientPermissions", "PERMISSION_DENIED")
    clock.pass_by(minutes=59)
    assert client.get(TABLES, headers=headers).status_code == 200
    clock.pass_by(minutes=2)
    assert refusal(client.get(TABLES, headers=headers)) == (401, "authError", "UNAUTHENTICATED")


def test_trouble_comes_as_often_as_it_was_asked_for(sandbox, client, bearer):
    headers = bearer()
    sandbox.gcp.trouble("rateLimitExceeded", times=2)
    sandbox.gcp.trouble("unavailable")

    answers = [client.get(TABLES, headers=headers) for _ in range(4)]

    assert [refusal(answer) for answer in answers[:3]] == [
        (403, "rateLimitExceeded", "PERMISSION_DENIED"),
        (403, "rateLimitExceeded", "PERMISSION_DENIED"),
        (503, "backendError", "UNAVAILABLE"),
    ]
    assert answers[3].status_code == 200
