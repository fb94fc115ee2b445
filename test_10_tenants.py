"""Ten organisations at once against a running service, each proven apart from the nine others.

    .venv/bin/python test_10_tenants.py                              # at port 8080, else 8000 of this machine
    .venv/bin/python test_10_tenants.py --demo                       # against `make demo`, with the sandbox's bills
    .venv/bin/python test_10_tenants.py --url https://... --credential bill-reader.json

The root key comes from CA_ROOT_API_KEY, ADMIN_API_KEY or .env. The ten are made for this, by the older document's path, under names nobody
else has, and erased at the end. pytest has nothing to collect here.
"""

import json
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

try:
    import httpx2
    import typer
except ModuleNotFoundError as absent:
    sys.stderr.write(f"{absent.name} is not installed here; `make .venv/run.stamp`, then: .venv/bin/python test_10_tenants.py\n")
    raise SystemExit(2) from None

from src.core.base.clock import SystemClock
from src.core.base.faults import Fault, Misconfigured, Unavailable
from src.core.base.settings import ROOT, load_settings
from src.sandbox.gcp.accounts import PROJECTS, detailed_table, standard_table
from src.sandbox.gcp.provider import Gcp

OK, CREATED, ACCEPTED, UNAUTHENTICATED, FORBIDDEN, MISSING, TOO_MANY, UNAVAILABLE = 200, 201, 202, 401, 403, 404, 429, 503
OVER = ("SUCCESS", "FAILED", "CANCELLED")
SETTLED_DAYS = 20  # before today: what a provider adds to a load day later is there by then
REACH_DAYS = 120  # corrections of a load day touch days of use as old as this
LOOK_SECONDS = 0.5
PROCESS_SECONDS = 10.0  # a BigQuery ledger's queue is worked on when it is told to
ATTEMPTS = 8
PLACES = ("http://localhost:8080", "http://localhost:8000")
DEMOS = (ROOT / "var" / "demo.json", *sorted((ROOT / "var").glob("*-*/demo.json")))
SANDBOX_ACCOUNTS = ("demo", "second")
PIPELINE = "gcp/cost/billing"
SCHEDULED = "openai/subscriptions"  # a run of it needs no key, and adds nothing to the bill
ONCE_A_YEAR = "0 0 1 1 *"
NO_RUN = "0" * 32  # the place of a run that nobody has

ENDINGS = (signal.SIGTERM, signal.SIGHUP)

Money = dict[str, Decimal]
T = TypeVar("T")


@dataclass(slots=True)
class Service:
    client: httpx2.Client
    root_key: str

    def call(self, method: str, path: str, key: str | None = None, body: object = None) -> httpx2.Response:
        """With an organisation's key, or with the root key where none is named. Waits when it is told to."""
        headers = {"X-API-Key": key} if key else {"X-CA-Root-Key": self.root_key}
        for attempt in range(ATTEMPTS):
            try:
                answer = self.client.request(method, f"/api/v1{path}", headers=headers, json=body)
            except httpx2.TransportError as wrong:
                raise Unavailable(
                    f"{method} {path}: {str(wrong) or type(wrong).__name__}; does the service run at {self.client.base_url}?"
                ) from wrong
            told_to_wait = answer.status_code == TOO_MANY or (answer.status_code == UNAVAILABLE and "Retry-After" in answer.headers)
            if not told_to_wait or attempt == ATTEMPTS - 1:
                return answer
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        raise AssertionError

    def ask(self, method: str, path: str, key: str | None = None, body: object = None, *, expect: int = OK) -> Any:
        answer = self.call(method, path, key, body)
        if answer.status_code != expect:
            raise Fault(f"{method} {path} answered {answer.status_code}: {answer.text[:400]}")
        return answer.json()

    def let_in(self) -> None:
        """Said once and before anything is made; each of the ten would say it again."""
        answer = self.call("GET", "/organizations?limit=1")
        if answer.status_code == UNAUTHENTICATED:
            raise Misconfigured(
                f"{self.client.base_url} refuses the root key: GET /organizations answered 401; "
                "export the key that the service was started with as CA_ROOT_API_KEY"
            )


@dataclass(slots=True)
class Tenant:
    slug: str
    day: date
    credential: Path | None
    key: str = ""
    fingerprint: str = ""
    onboarded: bool = False
    left: str = ""
    """Why it is there after the end."""
    run_id: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    schedule_id: str = ""
    scheduled: list[dict[str, Any]] = field(default_factory=list)
    costs: Money = field(default_factory=dict)
    flaws: list[str] = field(default_factory=list)

    def expect(self, held: bool, flaw: str) -> None:
        if not held:
            self.flaws.append(flaw)


@dataclass(slots=True)
class Proof:
    service: Service
    tenants: list[Tenant]
    seconds: float
    tried: int = 0

    def at_once(self, act: Callable[[Tenant], T]) -> list[T]:
        """For all of them at the same time; the first that cannot go on ends it."""
        with ThreadPoolExecutor(len(self.tenants)) as hands:
            return list(hands.map(act, self.tenants))

    def onboard(self, tenant: Tenant) -> None:
        body = {"tenant_id": tenant.slug, "company_name": f"Proof {tenant.slug}", "admin_email": "finops@example.com"}
        tenant.onboarded = True  # also when the answer is lost: it may have been made
        made = self.service.ask("POST", "/tenants/onboard", body=body, expect=CREATED)
        tenant.key, tenant.fingerprint = made["api_key"], made["api_key_fingerprint"]
        who = self.service.ask("GET", "/whoami", tenant.key)
        tenant.expect(who["org_slug"] == tenant.slug, f"its key is that of {who['org_slug']}")

    def connect(self, tenant: Tenant) -> None:
        if tenant.credential is not None:
            body = {"credential": tenant.credential.read_text()}
            self.service.ask("POST", f"/integrations/{tenant.slug}/gcp/setup", tenant.key, body)
            # those that came with it would add runs of their own to what is counted here
            for each in self.service.ask("GET", f"/scheduler/customer/{tenant.slug}/pipelines", tenant.key)["pipelines"]:
                path = f"/scheduler/customer/{tenant.slug}/pipelines/{each['config_id']}"
                self.service.ask("PATCH", path, tenant.key, {"is_active": False})

    def start(self, tenant: Tenant) -> None:
        path, body = f"/pipelines/run/{tenant.slug}/{PIPELINE}", {"date": str(tenant.day), "late_days": 0}
        if tenant.credential is None:
            # refused, for there is nothing it could read with
            self.service.ask("POST", path, tenant.key, body, expect=MISSING)
            return
        tenant.run_id = self.service.ask("POST", path, tenant.key, body, expect=ACCEPTED)["pipeline_logging_id"]

    def schedule(self, tenant: Tenant) -> None:
        """One that is due now and not for a long time again; the plans' table, which its run reads, is made first."""
        self.service.ask("POST", f"/integrations/{tenant.slug}/openai/subscriptions/reset", tenant.key)
        due = datetime.now(UTC) - timedelta(minutes=1)
        body = {"document": SCHEDULED, "schedule_cron": ONCE_A_YEAR, "next_run_time": due.isoformat()}
        made = self.service.ask("POST", f"/scheduler/customer/{tenant.slug}/pipelines", tenant.key, body, expect=CREATED)
        tenant.schedule_id = made["config_id"]

    def trigger(self, _: Tenant) -> None:
        """As many times at once as there are organisations, beside the service's own clock."""
        self.service.ask("POST", "/scheduler/trigger")

    def settle(self, waiting: list[Tenant], look: Callable[[Tenant], str]) -> None:
        deadline, process_at = time.monotonic() + self.seconds, time.monotonic() + PROCESS_SECONDS
        while waiting:
            states = {tenant.slug: look(tenant) for tenant in waiting}
            waiting = [tenant for tenant in waiting if states[tenant.slug] not in OVER]
            if waiting and time.monotonic() > deadline:
                left = ", ".join(f"{tenant.slug} {states[tenant.slug]}" for tenant in waiting)
                raise Unavailable(f"not over within {self.seconds:g} s: {left}; does a worker run? --seconds waits longer")
            if waiting and time.monotonic() > process_at:
                self.service.call("POST", "/scheduler/process-queue")
                process_at = time.monotonic() + PROCESS_SECONDS
            time.sleep(LOOK_SECONDS if waiting else 0)

    def look(self, tenant: Tenant) -> str:
        tenant.run = self.service.ask("GET", f"/pipelines/runs/{tenant.slug}/{tenant.run_id}", tenant.key)
        return str(tenant.run["status"])

    def look_at_scheduled(self, tenant: Tenant) -> str:
        runs = self.service.ask("GET", f"/pipelines/runs/{tenant.slug}?limit=200", tenant.key)["runs"]
        tenant.scheduled = [run for run in runs if run["trigger"] == "schedule"]
        return str(tenant.scheduled[0]["status"]) if tenant.scheduled else "not queued"

    def own(self, tenant: Tenant) -> None:
        """What it sees of itself is its own, all of it, and nothing else."""
        slug, ask = tenant.slug, partial(self.service.ask, "GET", key=tenant.key)
        if tenant.run_id:
            tenant.expect(tenant.run["status"] == "SUCCESS", f"its run ended {tenant.run['status']}: {tenant.run['error']}")
        runs = [run for run in ask(f"/pipelines/runs/{slug}?limit=200")["runs"] if run["provider"] == "gcp" and run["domain"] == "cost"]
        own = [tenant.run_id] if tenant.run_id else []
        tenant.expect([run["pipeline_logging_id"] for run in runs] == own, f"it sees {len(runs)} runs of the bill, not its {len(own)}")
        tenant.expect({run["org_slug"] for run in runs} <= {slug}, "it sees runs of another organisation")
        schedules = ask(f"/scheduler/customer/{slug}/pipelines")["pipelines"]
        tenant.expect({one["org_slug"] for one in schedules} == {slug}, "it sees schedules of another organisation")
        tenant.expect(tenant.schedule_id in {one["config_id"] for one in schedules}, "its schedule is gone")
        self.look_at_scheduled(tenant)
        found = [(run["document"], run["status"], run["user_id"]) for run in tenant.scheduled]
        tenant.expect(found == [(SCHEDULED, "SUCCESS", None)], f"what was due once became {found}")
        keys = [key["api_key_fingerprint"] for key in ask(f"/organizations/{slug}/keys")["keys"]]
        tenant.expect(keys == [tenant.fingerprint], f"it sees the keys {keys}")
        subjects = {one["subject"] for each in ask(f"/integrations/{slug}")["integrations"] for one in each["credentials"]}
        tenant.expect(subjects == _subjects(tenant.credential), f"it sees the credentials {subjects}")
        tenant.costs = _totals(ask(f"/costs/{slug}/summary?from={tenant.day - timedelta(REACH_DAYS)}&to={tenant.day}")["totals"])
        for said, expected in _expected(tenant):
            tenant.expect(tenant.costs == expected, f"its books say {_text(tenant.costs)}, {said} {_text(expected)}")

    def pairs(self, tenant: Tenant) -> None:
        """Every other organisation, tried with this one's key."""
        for other in self.tenants:
            if other is tenant:
                continue
            for method, path, body in _doors(other):
                answer = self.service.call(method, path, tenant.key, body)
                tenant.expect(answer.status_code == FORBIDDEN, f"{method} {path} answered {answer.status_code} to its key")
                tenant.expect(other.key not in answer.text, f"{method} {path} gave it another's key")
            mine = self.service.call("GET", f"/pipelines/runs/{tenant.slug}/{other.run_id or NO_RUN}", tenant.key)
            tenant.expect(mine.status_code == MISSING, f"it reached the run of {other.slug} as one of its own: {mine.status_code}")

    def doors_of_the_platform(self, tenant: Tenant) -> None:
        """Once each: what takes the root key is closed to every organisation's alike, and refused keys are few a minute."""
        other = self.tenants[self.tenants.index(tenant) - 1].slug
        for method, path, body in (("GET", f"/organizations/{other}", None), ("DELETE", f"/organizations/{other}", {"confirm": other})):
            answer = self.service.call(method, path, tenant.key, body)
            tenant.expect(answer.status_code == FORBIDDEN, f"{method} {path} answered {answer.status_code} to its key")

    def erase(self, tenant: Tenant) -> None:
        if not tenant.onboarded:
            return
        try:
            answer = self.service.call("DELETE", f"/organizations/{tenant.slug}", body={"confirm": tenant.slug})
        except Fault as fault:
            tenant.left = str(fault)
        else:
            tenant.left = "" if answer.status_code in (OK, MISSING) else f"{answer.status_code}: {answer.text[:200]}"
        tenant.expect(not tenant.left, f"it could not be erased: {tenant.left}")

    def carry_out(self) -> None:
        for name, act in (("onboarded", self.onboard), ("connected", self.connect), ("running", self.start)):
            self._all(name, act)
        started = time.monotonic()
        self.settle([tenant for tenant in self.tenants if tenant.run_id], self.look)
        typer.echo(f"  {'settled':<14}{time.monotonic() - started:6.1f} s")
        self._all("scheduled", self.schedule)
        self._all("triggered", self.trigger)
        started = time.monotonic()
        self.settle(self.tenants, self.look_at_scheduled)
        typer.echo(f"  {'settled':<14}{time.monotonic() - started:6.1f} s")
        self._all("looked at", self.own)
        self._all("tried apart", self.pairs)
        self._all("root's doors", self.doors_of_the_platform)
        self.tried = len(self.tenants) * (len(self.tenants) - 1)
        if not any(tenant.flaws for tenant in self.tenants):
            # once more: the tries of the others have left nothing behind
            self._all("looked again", self.own)

    def _all(self, name: str, act: Callable[[Tenant], None]) -> None:
        started = time.monotonic()
        self.at_once(act)
        typer.echo(f"  {name:<14}{time.monotonic() - started:6.1f} s")


def _doors(other: Tenant) -> Iterator[tuple[str, str, object]]:
    slug, run = other.slug, f"/pipelines/runs/{other.slug}/{other.run_id or NO_RUN}"
    for path in (
        f"/organizations/{slug}/keys", f"/organizations/{slug}/quota", f"/organizations/{slug}/subscription",
        f"/integrations/{slug}", f"/integrations/{slug}/gcp", f"/pipelines/{slug}", f"/pipelines/runs/{slug}", run, f"{run}/logs",
        f"{run}/events", f"/costs/{slug}/daily", f"/costs/{slug}/summary", f"/costs/{slug}/tables/gcp_cost_daily",
        f"/costs/{slug}/tables/x_load_manifests", f"/scheduler/customer/{slug}/pipelines",
    ):  # fmt: skip
        yield "GET", path, None
    yield "POST", f"/pipelines/run/{slug}/{PIPELINE}", {"date": str(other.day)}
    yield "POST", f"{run}/cancel", {}
    yield "DELETE", f"/scheduler/customer/{slug}/pipelines/{other.schedule_id}", None
    yield "POST", f"/organizations/{slug}/keys/rotate", {"grace_hours": 0}
    yield "DELETE", f"/organizations/{slug}/keys/{other.fingerprint}", None
    yield "POST", f"/integrations/{slug}/gcp/validate", {}
    yield "DELETE", f"/integrations/{slug}/gcp", None


def _subjects(credential: Path | None) -> set[str]:
    return {json.loads(credential.read_text())["client_email"]} if credential else set()


def _totals(rows: Sequence[dict[str, Any]]) -> Money:
    """Net cost by currency."""
    found: Money = {}
    for row in rows:
        if row["net_cost"] is not None:
            found[row["currency"]] = found.get(row["currency"], Decimal(0)) + Decimal(row["net_cost"])
    return found


def _expected(tenant: Tenant) -> Iterator[tuple[str, Money]]:
    """What its figures must be: as its own run read them from its own source, and as the sandbox counts them where that is the source."""
    if tenant.credential is None:
        yield "nothing was read, which is", {}
        return
    yield "its run read", _totals([row for one in tenant.run["totals"]["control"] for row in one])
    accounts = PROJECTS.get(json.loads(tenant.credential.read_text())["project_id"], ())
    sandbox = Gcp(Path(tempfile.gettempdir()) / "never-written", SystemClock(), rows_per_hour=load_settings().sandbox_rows_per_hour)
    right: Money = {}
    for account in accounts:
        table = (detailed_table if account.detailed else standard_table)(account)
        for (currency, _), total in sandbox.answers(table, tenant.day, tenant.day).by_usage_day.items():
            right[currency] = right.get(currency, Decimal(0)) + total.net
    if accounts:
        yield "the sandbox has", right


def _text(money: Money) -> str:
    return " + ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(money.items())) or "nothing"


def table(tenants: Sequence[Tenant]) -> None:
    typer.echo(f"\n  {'organisation':<24}{'key':<16}{'load day':<12}{'run':<10}{'net cost':<32}apart")
    for one in tenants:
        said = one.run.get("status", "-")
        typer.echo(f"  {one.slug:<24}{one.fingerprint:<16}{one.day!s:<12}{said:<10}{_text(one.costs):<32}{'NO' if one.flaws else 'yes'}")
        for flaw in one.flaws:
            typer.echo(f"      {flaw}")


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    root_key: str
    credentials: tuple[Path, ...]


def _target(url: str | None, credentials: Sequence[Path], *, demo: bool) -> Target:
    if demo:
        kept = _running_demo()
        told = json.loads(kept.read_text())
        return Target(told["address"], told["root_key"], _files([kept.parent / "demo" / "sandbox" / "credentials"]))
    root_key = load_settings().ca_root_api_key
    if root_key is None:
        raise Misconfigured("CA_ROOT_API_KEY is not set; export the root key of the service (or ADMIN_API_KEY, or .env), or name --demo")
    return Target(url or _running_service(), root_key.get_secret_value(), _files(credentials))


def _running_service(places: Sequence[str] = PLACES) -> str:
    """The first of them where a service answers."""
    for place in places:
        with suppress(httpx2.TransportError), httpx2.Client(base_url=place, timeout=10, trust_env=False) as client:
            if client.get("/health").status_code == OK:
                return place
    raise Unavailable(f"no service answers at {' or '.join(places)}; start it, or name another with --url")


def _running_demo(places: Sequence[Path] = DEMOS) -> Path:
    """What the demo that runs keeps; the one on other engines keeps its own, and both serve on the same port."""
    for kept in places:
        if kept.exists():
            told = json.loads(kept.read_text())
            with suppress(httpx2.TransportError), httpx2.Client(base_url=told["address"], timeout=10, trust_env=False) as client:
                if client.get("/api/v1/whoami", headers={"X-API-Key": told["org_key"]}).status_code == OK:
                    return kept
    raise Misconfigured(f"no demo runs that is kept in {' or '.join(map(str, places))}; start `make demo` first")


def _files(given: Sequence[Path]) -> tuple[Path, ...]:
    """Key files as they are; of a folder, which is a sandbox's, those of the accounts that have a bill."""
    found = [file for path in given for file in ([path / f"gcp-{name}.json" for name in SANDBOX_ACCOUNTS] if path.is_dir() else [path])]
    absent = [str(file) for file in found if not file.is_file()]
    if absent:
        raise Misconfigured(f"no such key file: {', '.join(absent)}")
    return tuple(found)


def _leave(number: int, _frame: object) -> NoReturn:
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)  # a second one must not break off the erasing
    raise SystemExit(128 + number)


def prove(target: Target, count: int, seconds: float, *, keep: bool) -> bool:
    mark, last = secrets.token_hex(4), datetime.now(UTC).date() - timedelta(SETTLED_DAYS)
    given: tuple[Path | None, ...] = target.credentials or (None,)
    # each its own load day, so that no two have the same figures
    tenants = [Tenant(f"ten_{mark}_{number:02}", last - timedelta(number), given[number % len(given)]) for number in range(count)]
    local = httpx2.URL(target.url).host in ("localhost", "127.0.0.1", "::1")
    with httpx2.Client(base_url=target.url, timeout=120, trust_env=not local) as client:
        proof = Proof(Service(client, target.root_key), tenants, seconds)
        proof.service.let_in()
        typer.echo(f"{count} organisations at once at {target.url}\n")
        try:
            proof.carry_out()
            table(tenants)
        finally:
            if keep:
                typer.echo(f"\nKept: {tenants[0].slug} and the others with its beginning")
            else:
                proof.at_once(proof.erase)
                for one in tenants:
                    if one.left:
                        typer.echo(f"{one.slug} is still there, erase it by hand: {one.left}", err=True)
    if not target.credentials:
        typer.echo("\nNo --credential was named: their runs were refused, and figures were not compared.")
    left = [tenant.slug for tenant in tenants if tenant.flaws]
    typer.echo(f"\n{proof.tried} pairs tried; {f'not apart or not right: {len(left)}' if left else 'each stands apart'}")
    return not left


def run(
    *,
    url: Annotated[str | None, typer.Option(help="Where the service answers", show_default=" or ".join(PLACES))] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Take address, root key and credentials from the demo that runs")] = False,
    credential: Annotated[
        list[Path] | None, typer.Option(help="Key file of a service account with a bill, or a sandbox's folder of them; may be repeated")
    ] = None,
    organisations: Annotated[int, typer.Option(help="How many at once", min=2, max=50)] = 10,
    seconds: Annotated[float, typer.Option(help="How long their runs may take", min=1)] = 900.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the organisations there")] = False,
) -> None:
    """Onboard ten organisations at once, run a pipeline and a schedule for each, and try every pair apart."""
    for ending in ENDINGS:
        signal.signal(ending, _leave)
    try:
        apart = prove(_target(url, credential or (), demo=demo), organisations, seconds, keep=keep)
    except Fault as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(0 if apart else 1)


def main(arguments: Sequence[str]) -> None:
    command = typer.Typer(add_completion=False)
    command.command()(run)
    command(list(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
