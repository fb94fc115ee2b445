"""`python -m src.cli.main --help`: what an operator does from a shell."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from src.app.config import get_settings
from src.app.process.starting import look
from src.app.wiring import Parts
from src.app.worker import work
from src.cli import keyring
from src.cli.demo import DEMO_PORT, Demo
from src.cli.quotas import check_quotas
from src.core.base.faults import Fault
from src.core.base.settings import ROOT

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Convergence Data Pipeline")
quotas = typer.Typer(no_args_is_help=True, help="What organisations have used of their plans")
app.add_typer(quotas, name="quotas")


@app.command()
def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve the API in this process."""
    uvicorn.run(
        "src.app.main:app",
        host=host,
        port=port,
        # uvicorn's own set-up would put its handlers in the place of the service's
        log_config=None,
        access_log=False,
        server_header=False,
    )


@app.command()
def worker(
    host: str = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Serve health and numbers there, for platforms that ask for one", min=1, max=65535)
    ] = None,
) -> None:
    """Work on accepted runs in this process, without the API."""
    work(host, port)


@app.command()
def check() -> None:
    """Say whether these settings would start, and what to mend. What lies elsewhere is asked; nothing is made on this machine."""
    settings = get_settings().checked()
    parts = Parts(settings)
    try:
        parts.load()
        outages = {name: look(check) for name, check in _elsewhere(parts).items()}
    finally:
        parts.close()
    for warning in settings.warnings():
        typer.echo(f"warning: {warning}")
    for name, outage in outages.items():
        typer.echo(f"warning: {name}: {outage.detail}" if outage else f"{name}: answers")
    engines = f"ledger {settings.ledger_engine}, warehouse {settings.warehouse_engine}"
    typer.echo(f"{settings.environment.value}: {engines}, {len(parts.catalog.entries)} pipelines")


def _elsewhere(parts: Parts) -> dict[str, Callable[[], None]]:
    """A file that a check makes would belong to whoever checks, not to the service."""
    found: dict[str, Callable[[], None]] = {}
    if not parts.ledger.traits.one_machine:
        found["ledger"] = parts.ledger.check
    if parts.settings.warehouse_engine != "duckdb":
        found["warehouse"] = parts.warehouse.check
    if parts.settings.kms_key_name:
        found["vault"] = parts.vault.check
    return found


@app.command()
def rotate_keyring() -> None:
    """Seal every stored secret under a new key-encryption key, or under the primary version in Cloud KMS."""
    parts = Parts(get_settings().checked())
    try:
        done = keyring.rotate_keyring(parts)
    finally:
        parts.close()
    typer.echo(str(done))
    if done.failed:
        typer.echo("\n".join(["These could not be moved and stay as they are:", *done.failed]), err=True)
        raise typer.Exit(1)


@quotas.command("check")
def quotas_check(
    mend: Annotated[bool, typer.Option("--mend", help="Set the counters to what the runs say, each with an audit row")] = False,
) -> None:
    """Say whose counted usage is not what its runs say. Exits with 1 where one is left so."""
    parts = Parts(get_settings().checked())
    try:
        right = check_quotas(parts, typer.echo, mend=mend)
    finally:
        parts.close()
    if not right:
        raise typer.Exit(1)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where it serves", min=1, max=65535)] = DEMO_PORT,
    exit_after: Annotated[bool, typer.Option("--exit", help="Stop after the work instead of serving")] = False,
    var: Annotated[Path, typer.Option(help="Folder that keeps its data and keys")] = ROOT / "var",
    on_engines: Annotated[bool, typer.Option("--on-engines", help="Use the ledger and warehouse the environment names")] = False,
) -> None:
    """Start the service embedded, bootstrap it, onboard an organisation, and keep serving."""
    Demo(port=port, var=var.resolve(), say=typer.echo, on_engines=on_engines).run(stop_after=exit_after)


def main() -> None:
    try:
        app()
    except Fault as fault:
        typer.echo(str(fault), err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
