"""Makes the management tables, or adds what they lack, and says which role the service's account lacks. Run it again at will."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

try:
    import requests
    import typer
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession
    from sqlalchemy.engine import make_url
except ModuleNotFoundError as absent:
    sys.stderr.write(f"{absent.name} is not installed here; `make .venv/run.stamp`, then: .venv/bin/python setup_bigquery_datasets.py\n")
    raise SystemExit(2) from None

from src.app.wiring import Parts
from src.core.base.faults import Fault, Misconfigured
from src.core.base.settings import Settings, load_settings
from src.core.google.access import is_open, platform_credentials

RESOURCE_MANAGER = "https://cloudresourcemanager.googleapis.com"
# What is asked of the project itself; on a dataset that the account made it has every right.
PROJECT_ROLES = {
    "bigquery.jobs.create": "roles/bigquery.jobUser",
    "bigquery.datasets.create": "roles/bigquery.user",
    "bigquery.readsessions.create": "roles/bigquery.readSessionUser",
    "bigquery.readsessions.getData": "roles/bigquery.readSessionUser",
}
SECONDS = 30
OK = 200


@dataclass(slots=True)
class Report:
    failed: int = 0

    def look(self, name: str, check: Callable[[], str]) -> None:
        """One check; the others are made all the same, so that all that is missing is told at once."""
        try:
            self._say("ok", name, check())
        except Fault as fault:
            self.failed += 1
            self._say("FAIL", name, str(fault))

    def _say(self, mark: str, name: str, text: str) -> None:
        typer.echo(f"{mark:<5}{name:<11}{text}")


def tables(parts: Parts, *, change: bool) -> str:
    engine = parts.settings.ledger_engine
    if change:
        made = parts.ledger.bootstrap()
        return (
            f"{engine}: {len(made.tables_created)} tables and {len(made.views_created)} views made, {len(made.tables_existing)} tables and "
            f"{len(made.views_existing)} views were there, {len(made.columns_added)} columns added; of the platform's own "
            f"{len(made.platform_tables_created) + len(made.platform_views_created)} made, "
            f"{len(made.platform_tables_existing) + len(made.platform_views_existing)} there"
        )
    if engine == "sqlite" and not Path(make_url(parts.settings.ledger).database or "").exists():
        raise Misconfigured("sqlite: there is no file yet; run this without --check")
    missing = parts.ledger.missing()
    if missing:
        raise Misconfigured(f"{engine}: {len(missing)} tables and views are not there ({', '.join(missing)}); run this without --check")
    return f"{engine}: all tables and views are there"


def vault(parts: Parts, *, change: bool) -> str:
    settings = parts.settings
    if not change and settings.kms_key_name is None and not settings.keyring_path.exists():
        raise Misconfigured("there is no keyring yet; run this without --check, or start the service")
    parts.vault.check()
    return f"a secret was sealed and opened, under {settings.kms_key_name or settings.keyring_path}"


def done(check: Callable[[], None], said: str) -> str:
    check()
    return said


def project_roles(settings: Settings, address: str) -> str:
    lacking = sorted(set(PROJECT_ROLES) - _permissions(settings, address))
    if lacking:
        roles = sorted({PROJECT_ROLES[permission] for permission in lacking})
        raise Misconfigured(
            f"the platform's account lacks {', '.join(lacking)} on the project {settings.gcp_project_id}; grant it {' and '.join(roles)}: "
            f"gcloud projects add-iam-policy-binding {settings.gcp_project_id} --member serviceAccount:ACCOUNT --role {roles[0]}"
        )
    return f"{', '.join(sorted(set(PROJECT_ROLES.values())))} on the project {settings.gcp_project_id}, or as much"


def _permissions(settings: Settings, address: str) -> set[str]:
    session = AuthorizedSession(platform_credentials(settings, address))
    asked = f"{address}/v1/projects/{settings.gcp_project_id}:testIamPermissions"
    try:
        answer = session.post(asked, json={"permissions": sorted(PROJECT_ROLES)}, timeout=SECONDS)
        told: Any = answer.json()
    except GoogleAuthError as wrong:
        raise Misconfigured(f"Google gave the platform's account no token; look at GOOGLE_APPLICATION_CREDENTIALS: {wrong}") from wrong
    except (requests.RequestException, ValueError) as wrong:
        raise Misconfigured(f"{address} was not reached, so the roles on the project were not looked at: {type(wrong).__name__}") from wrong
    finally:
        session.close()
    if answer.status_code != OK:
        said = told.get("error", {}).get("message", "") if isinstance(told, dict) else ""
        raise Misconfigured(
            f"the roles on the project {settings.gcp_project_id} cannot be looked at ({answer.status_code}: {said}); see that "
            "GCP_PROJECT_ID is right, and run: gcloud services enable cloudresourcemanager.googleapis.com"
        )
    return set(told.get("permissions", ()))


def set_up(parts: Parts, *, change: bool, resource_manager: str | None) -> int:
    settings, report = parts.settings, Report()
    uses_bigquery = "bigquery" in (settings.ledger_engine, settings.warehouse_engine)
    if uses_bigquery and (resource_manager or not is_open(settings.platform_bigquery_url)):
        report.look("roles", lambda: project_roles(settings, resource_manager or RESOURCE_MANAGER))
    report.look("ledger", lambda: tables(parts, change=change))
    if change:
        report.look("ledger", lambda: done(parts.ledger.check, f"{settings.ledger_engine} is read and written"))
    report.look("warehouse", lambda: done(parts.check_warehouse, f"{settings.warehouse_engine} can be used"))
    report.look("vault", lambda: vault(parts, change=change))
    if report.failed:
        typer.echo(f"\n{report.failed} of these keep the service from serving; mend them and run this again.")
    return 1 if report.failed else 0


def run(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; say what is missing")] = False,
    resource_manager_url: Annotated[str | None, typer.Option(help="Where the roles on the project are asked of")] = None,
) -> None:
    """Make the management tables where LEDGER_URL says, and look whether the service has the rights it needs."""
    try:
        parts = Parts(load_settings().checked())
        try:
            code = set_up(parts, change=not check, resource_manager=resource_manager_url)
        finally:
            parts.close()
    except Fault as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


def main(arguments: Sequence[str]) -> None:
    command = typer.Typer(add_completion=False)
    command.command()(run)
    command(list(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
