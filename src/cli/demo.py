"""The demo: the real service in a process of its own, driven over HTTP as its users would."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import httpx2

from src.cli.demo_bill import Bill
from src.cli.demo_calls import DemoCalls
from src.cli.demo_models import ModelBill
from src.cli.demo_notices import Notices
from src.cli.demo_statement import LastMonth
from src.cli.demo_usage import UsageBill
from src.core.base.clock import SystemClock
from src.core.base.faults import Fault, Misconfigured, Unavailable
from src.core.base.settings import ROOT

DEMO_PORT = 8000
DEMO_ORG = {"org_slug": "demo_org", "company_name": "Demo Org", "admin_email": "finops@example.com", "subscription_plan": "SCALE"}
EMULATED = {"bigquery": "bigquery-emulator"}  # a demo runs on no other BigQuery
START_SECONDS = 60.0
STOP_SECONDS = 15.0
CREATED, OK, ACCEPTED, CONFLICT = 201, 200, 202, 409


@dataclass(slots=True)
class Demo:
    port: int
    var: Path
    say: Callable[[str], None]
    on_engines: bool = False
    """Ledger and warehouse are those that the environment names, instead of the embedded ones."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys_file(self) -> Path:
        return self.var / "demo.json"

    def run(self, *, stop_after: bool) -> None:
        known = self._known()
        # first: a demo that runs here is why the port is taken, and that says more
        self._is_not_running(known)
        self._port_is_free()
        self.var.mkdir(parents=True, exist_ok=True)
        root_key = known.get("root_key") or f"admin_{secrets.token_urlsafe(32)}"
        service = self._start(root_key)
        for ending in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, _leave)  # a closed terminal must not leave the service behind
        try:
            # a proxy that the environment names would be asked for 127.0.0.1
            with httpx2.Client(base_url=self.address, timeout=60, trust_env=False) as client:
                self._wait(service, client)
                with self.answered():
                    todo = self._work(client, root_key, known)
            if stop_after:
                self.say(f"\nStopped, as EXIT=1 asks. `{self._command()}` serves it again.")
            else:
                self.say(todo)
                self.say("\nServing until you press Ctrl-C.")
                service.wait()
        except KeyboardInterrupt:
            self.say("\nStopping.")
        finally:
            _stop(service)

    @contextmanager
    def answered(self) -> Iterator[None]:
        """A service that falls silent under the work is told in a sentence, with what to do."""
        try:
            yield
        except httpx2.TransportError as silent:
            asked = f"{silent.request.method} {silent.request.url.path}"
            again = f"`{self._command()}` goes on where this stopped"
            slow = "; an emulator is many times slower than what it stands for, and `make demo` needs none" if self.on_engines else ""
            raise Unavailable(
                f"the service gave no answer to {asked} ({type(silent).__name__}); {again}{slow}. "
                f"The end of {self.var / 'demo.log'}:\n{self._log_tail()}"
            ) from silent

    def _is_not_running(self, known: dict[str, str]) -> None:
        address = known.get("address")
        if address is None:
            return
        try:
            answer = httpx2.get(f"{address}/api/v1/whoami", headers={"X-API-Key": known.get("org_key", "")}, timeout=10, trust_env=False)
        except httpx2.TransportError:
            return
        if answer.status_code == OK:
            raise Misconfigured(f"a demo is running here already, at {address}; use it, or stop it with Ctrl-C where it runs")

    def _port_is_free(self) -> None:
        with socket.socket() as probe:
            # as a server binds: connections of a demo that just ended linger, and would make the port look taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as taken:
                raise Misconfigured(
                    f"port {self.port} is taken ({taken.strerror}); choose another: make demo PORT={self.port + 1}"
                ) from taken

    def _known(self) -> dict[str, str]:
        try:
            known = json.loads(self.keys_file.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as wrong:
            raise Misconfigured(f"{self.keys_file} is not JSON; remove it and run again") from wrong
        if not isinstance(known, dict):
            raise Misconfigured(f"{self.keys_file} does not hold what the demo keeps; remove it and run again")
        return {name: value for name, value in known.items() if isinstance(value, str)}

    def _start(self, root_key: str) -> subprocess.Popen[bytes]:
        data = self.var / "demo"
        embedded = {} if self.on_engines else {"LEDGER_URL": f"sqlite:///{data / 'ledger.db'}", "WAREHOUSE": "duckdb"}
        # what is set here goes over what the shell has: the demo's calls carry this root key
        environment = {
            **os.environ,
            **embedded,
            "ENVIRONMENT": "development",
            "CA_ROOT_API_KEY": root_key,
            "ADMIN_API_KEY": root_key,
            "EMBEDDED_DATA_DIR": str(data),
            "LOCAL_KEYRING": str(data / "keyring.json"),
            "DISABLE_AUTH": "false",
            "SANDBOX": "true",
        }
        # made with these rights: with `chmod` afterwards others could open it in between
        owner_only = os.open(self.var / "demo.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(owner_only, "wb") as out:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "src.cli.main", "serve", "--port", str(self.port)],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the demo, which stops the service in order
            )

    def _wait(self, service: subprocess.Popen[bytes], client: httpx2.Client) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if service.poll() is not None:
                raise Unavailable(f"the service stopped while starting; the end of {self.var / 'demo.log'}:\n{self._log_tail()}")
            try:
                if client.get("/health/live").status_code == OK:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        raise Unavailable(f"the service did not answer within {START_SECONDS:.0f} s; see {self.var / 'demo.log'}")

    def _log_tail(self) -> str:
        return "\n".join((self.var / "demo.log").read_text(errors="replace").splitlines()[-15:])

    def _work(self, client: httpx2.Client, root_key: str, known: dict[str, str]) -> str:
        """What to do next."""
        admin = {"X-CA-Root-Key": root_key, "X-User-ID": "demo"}
        made = _ask(client, "POST", "/api/v1/admin/bootstrap", admin, {"force_recreate_dataset": False})
        self.say(
            f"Bootstrapped: {len(made['tables_created'])} tables and {len(made['views_created'])} views made, "
            f"{len(made['tables_existing'])} tables and {len(made['views_existing'])} views were there; of the platform's own "
            f"{len(made['platform_tables_created']) + len(made['platform_views_created'])} made."
        )
        org_key = self._organisation(client, admin, known)
        who = _ask(client, "GET", "/api/v1/whoami", {"X-API-Key": org_key})
        self._keep({"address": self.address, "root_key": root_key, "org_slug": who["org_slug"], "org_key": org_key})
        self.say(
            f"\n  address    {self.address}        (API docs at {self.address}/docs)"
            f"\n  root key   {root_key}"
            f"\n  org        {who['org_slug']}  (plan {DEMO_ORG['subscription_plan']}, dataset {who['dataset_id']})"
            f"\n  org key    {org_key}"
            f"\n  kept in    {self.keys_file}  (owner-only)\n"
        )
        sandbox = self.var / "demo" / "sandbox"
        credentials = sandbox / "credentials"
        process_queue = partial(_ask, client, "POST", "/api/v1/scheduler/process-queue", admin)
        calls = DemoCalls(client, who["org_slug"], org_key, self.say, process_queue)
        notices = Notices(calls, credentials, partial(_ask, client, "POST", "/api/v1/scheduler/process-notifications", admin))
        notices.begin()
        Bill(calls, credentials / "gcp-demo.json", today()).show()
        UsageBill(calls, credentials / "openai-demo.txt", today()).show()
        ModelBill(calls, credentials, sandbox / "exports", today()).show()
        notices.show()
        month = LastMonth(calls, self.var / "demo", today(), again=known.get("org_key") == org_key)
        return month.next(self.address, org_key, month.show())

    def _command(self) -> str:
        """What was typed, as far as it can be told from what the service is given."""
        words = ["make demo"]
        if self.on_engines:
            ledger = os.environ.get("LEDGER_URL", "sqlite").partition(":")[0].partition("+")[0]
            warehouse = os.environ.get("WAREHOUSE", "duckdb")
            words += [f"LEDGER={EMULATED.get(ledger, ledger)}", f"WAREHOUSE={EMULATED.get(warehouse, warehouse)}"]
        if self.port != DEMO_PORT:
            words.append(f"PORT={self.port}")
        return " ".join(words)

    def _organisation(self, client: httpx2.Client, admin: dict[str, str], known: dict[str, str]) -> str:
        slug = DEMO_ORG["org_slug"]
        kept = known.get("org_key")
        if kept and client.get("/api/v1/whoami", headers={"X-API-Key": kept}).status_code == OK:
            self.say(f"Organisation {slug} is there; its key still holds.")
            return kept
        checks = _ask(client, "POST", "/api/v1/organizations/dryrun", admin, DEMO_ORG)
        self.say(
            f"Dry run: ready_for_onboarding is {str(checks['ready_for_onboarding']).lower()}, {len(checks['checks'])} checks answered."
        )
        answer = client.post("/api/v1/organizations/onboard", headers=admin, json=DEMO_ORG)
        if answer.status_code == CONFLICT:
            made = _ask(client, "POST", f"/api/v1/organizations/{slug}/keys/rotate", admin, {"grace_hours": 0})
            self.say(f"Organisation {slug} is there; its key was not known here, so a new one was made.")
            return str(made["api_key"])
        made = _read(answer)
        tables, views = len(made["tables_created"]), len(made["views_created"])
        self.say(f"Onboarded {slug}: dataset {made['dataset_id']} with {tables} tables and {views} view.")
        return str(made["api_key"])

    def _keep(self, facts: dict[str, str]) -> None:
        fresh = self.keys_file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(facts, out, indent=2)
        # at once: a demo that is stopped while it writes would leave half a file, and the keys be lost
        fresh.replace(self.keys_file)


def _ask(client: httpx2.Client, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> dict[str, Any]:
    return _read(client.request(method, path, headers=headers, json=body))


def _read(answer: httpx2.Response) -> dict[str, Any]:
    if answer.status_code not in (OK, CREATED, ACCEPTED):
        raise Fault(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text}")
    read: dict[str, Any] = answer.json()
    return read


def today() -> date:
    return SystemClock().now().date()


def _leave(number: int, _frame: object) -> NoReturn:
    # what a shell says of a process that a signal ended
    raise SystemExit(128 + number)


def _stop(service: subprocess.Popen[bytes]) -> None:
    if service.poll() is not None:
        return
    service.send_signal(signal.SIGTERM)
    try:
        service.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()
