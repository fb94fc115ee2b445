"""A small Google on loopback: tokens for service accounts it knows, and lists of BigQuery tables to those who may see them."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

STANDARD = "gcp_billing_export_v1_0A0A0A_1B1B1B_2C2C2C"
DETAILED = "gcp_billing_export_resource_v1_0A0A0A_1B1B1B_2C2C2C"
PATH = re.compile(r"/bigquery/v2/projects/([^/]+)/datasets(?:/([^/]+)/tables(?:/([^/]+))?)?")
PAGE = 2  # small, so that every list has several
Fail = tuple[int, Any, dict[str, str]]


def record(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": "STRING", "mode": "NULLABLE"} for name in names]


EXPORT_COLUMNS: list[dict[str, Any]] = [
    *record("billing_account_id", "cost_type", "currency", "transaction_type", "seller_name"),
    {"name": "invoice", "type": "RECORD", "fields": record("month", "publisher_type")},
    {"name": "service", "type": "RECORD", "fields": record("id", "description")},
    {"name": "sku", "type": "RECORD", "fields": record("id", "description")},
    {"name": "project", "type": "RECORD", "fields": record("id", "number", "name", "ancestry_numbers")},
    {"name": "labels", "type": "RECORD", "mode": "REPEATED", "fields": record("key", "value")},
    {"name": "location", "type": "RECORD", "fields": record("location", "country", "region", "zone")},
    {"name": "credits", "type": "RECORD", "mode": "REPEATED", "fields": [*record("id", "type"), {"name": "amount", "type": "FLOAT"}]},
    *({"name": name, "type": "TIMESTAMP"} for name in ("usage_start_time", "usage_end_time", "export_time")),
    {"name": "cost", "type": "FLOAT"},
]
RESOURCE: dict[str, Any] = {"name": "resource", "type": "RECORD", "fields": record("name", "global_name")}


@cache
def key_pair(number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(key.private_bytes(*form).decode())


def service_account(name: str = "reader", project: str = "acme-billing", number: int = 0) -> dict[str, str]:
    email = f"{name}@{project}.iam.gserviceaccount.com"
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": f"{number:040x}",
        "private_key": pem(key_pair(number)),
        "client_email": email,
        "client_id": "1" * 21,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "http://127.0.0.1:9/stolen",
        "universe_domain": "googleapis.com",
    }


@dataclass
class FakeTable:
    columns: list[dict[str, Any]] = field(default_factory=lambda: list(EXPORT_COLUMNS))
    rows: int = 10
    modified: int = 1_700_000_000_000
    created: int = 1_600_000_000_000
    kind: str = "TABLE"


@dataclass
class FakeGoogle:
    keys: dict[str, rsa.RSAPublicKey] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    projects: dict[str, dict[str, dict[str, FakeTable]]] = field(default_factory=dict)
    blind: set[str] = field(default_factory=set)
    """Accounts that may read no dataset."""
    fail: Callable[[str], Fail | None] = lambda _path: None
    asked: list[str] = field(default_factory=list)
    address: str = ""
    delay: float = 0.0

    def knows(self, account: dict[str, str], number: int = 0) -> dict[str, str]:
        self.keys[account["client_email"]] = key_pair(number).public_key()
        return account

    @property
    def settings(self) -> dict[str, str]:
        return {"GCP_TOKEN_URL": f"{self.address}/token", "BIGQUERY_URL": self.address}

    @property
    def audiences(self) -> tuple[str, ...]:
        return (f"{self.address}/token",)

    def answer(self, method: str, path: str, body: str, headers: Any) -> Fail:
        self.asked.append(f"{method} {path}")
        time.sleep(self.delay)
        failure = self.fail(path)
        if failure is not None:
            return failure
        if urlsplit(path).path == "/token":
            return self._token(parse_qs(body)["assertion"][0])
        email = headers["Authorization"].removeprefix("Bearer ya29.").replace("-at-", "@")
        if email not in self.keys:
            return error(401, "Request had invalid authentication credentials.", "authError")
        return self._listed(email, urlsplit(path).path, parse_qs(urlsplit(path).query))

    def _token(self, assertion: str) -> Fail:
        header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in assertion.split("."))
        said = json.loads(claims)
        email = said["iss"]
        if said["aud"] not in self.audiences or said["exp"] - said["iat"] > 3600 or json.loads(header)["alg"] != "RS256":
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT: bad claims"}, {}
        if email not in self.keys:
            return 400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, {}
        if email in self.disabled:
            return 401, {"error": "invalid_client", "error_description": "The service account was disabled."}, {}
        try:
            self.keys[email].verify(signature, assertion.rsplit(".", 1)[0].encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, {}
        return 200, {"access_token": "ya29." + email.replace("@", "-at-"), "expires_in": 3599, "token_type": "Bearer"}, {}

    def _listed(self, email: str, path: str, query: dict[str, list[str]]) -> Fail:
        shape = PATH.fullmatch(path)
        if shape is None:
            return error(404, "Not found", "notFound")
        project, dataset, table = (None if part is None else unquote(part) for part in shape.groups())
        datasets = self.projects.get(str(project), {})
        if email in self.blind:
            return (200, {}, {}) if dataset is None else error(403, f"Access Denied: Dataset {project}:{dataset}", "accessDenied")
        if dataset is None:
            return page("datasets", [{"datasetReference": {"projectId": project, "datasetId": name}} for name in datasets], query)
        if dataset not in datasets:
            return error(404, f"Not found: Dataset {project}:{dataset}", "notFound")
        name: dict[str, str | None] = {"projectId": project, "datasetId": dataset}
        if table is None:
            listed = [{"tableReference": {**name, "tableId": one}, "type": facts.kind} for one, facts in datasets[dataset].items()]
            return page("tables", listed, query)
        return self._described(name, table, datasets[dataset].get(table))

    def _described(self, name: dict[str, str | None], table: str, found: FakeTable | None) -> Fail:
        if found is None:
            return error(404, f"Not found: Table {':'.join(map(str, name.values()))}.{table}", "notFound")
        return 200, {
            "tableReference": {**name, "tableId": table},
            "type": found.kind,
            "schema": {"fields": found.columns},
            "numRows": str(found.rows),
            "lastModifiedTime": str(found.modified),
            "creationTime": str(found.created),
            "location": "EU",
        }, {}  # fmt: skip


def page(what: str, listed: list[Any], query: dict[str, list[str]]) -> Fail:
    start = int(query.get("pageToken", ["0"])[0])
    body: dict[str, Any] = {"kind": f"bigquery#{what}List", "totalItems": len(listed)}
    if listed[start : start + PAGE]:
        body[what] = listed[start : start + PAGE]
    if start + PAGE < len(listed):
        body["nextPageToken"] = str(start + PAGE)
    return 200, body, {}


def error(status: int, message: str, reason: str, **headers: str) -> Fail:
    body = {"error": {"code": status, "message": message, "errors": [{"message": message, "domain": "global", "reason": reason}]}}
    return status, body, headers


@contextmanager
def serving(google: FakeGoogle) -> Iterator[FakeGoogle]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _answer(self, body: str) -> None:
            status, said, headers = google.answer(self.command, self.path, body, self.headers)
            text = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """The test run's own output stays clean."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, *_: object) -> None:
            """A client that gave up is no failure of this server."""

    with Server(("127.0.0.1", 0), Handler) as server:
        google.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield google
        finally:
            server.shutdown()
            thread.join()


def acme(**tables: FakeTable) -> FakeGoogle:
    """Google with the usual project of the tests: the two exports of one billing account among other things."""
    exports = tables or {STANDARD: FakeTable(), DETAILED: FakeTable([*EXPORT_COLUMNS, RESOURCE])}
    other = {"events": {"clicks": FakeTable(record("at")), "views": FakeTable(record("at")), "users": FakeTable(record("id"))}}
    return FakeGoogle(projects={"acme-billing": {**other, "billing": dict(exports), "empty": {}}})
