"""The API in this process as an organisation calls it: its runs are worked on, the sandbox is its providers, the day stands still."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx2

from src.app.service import create_app
from tests.fakes.billing import Billing, billing
from tests.fakes.running import ROOT_KEY

ORG = "acme_corp"


@dataclass
class Served:
    here: Billing
    http: httpx2.AsyncClient

    @property
    def today(self) -> date:
        return self.here.clock.today

    @today.setter
    def today(self, day: date) -> None:
        self.here.clock.today = day

    async def ask(self, method: str, path: str, body: Any = None, **params: str) -> httpx2.Response:
        """`{org}` in the path is the organisation."""
        return await self.http.request(method, f"/api/v1/{path.format(org=ORG)}", json=body, params=params)

    async def found(self, path: str, **params: str) -> Any:
        answer = await self.ask("GET", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def connect(self, provider: str, file: str) -> None:
        """With what the sandbox lets in, from the file that it lays there."""
        credential = (self.here.parts.settings.data_dir / "sandbox" / "credentials" / file).read_text()
        answer = await self.ask("POST", f"integrations/{{org}}/{provider}/setup", {"credential": credential})
        assert answer.status_code == 200, answer.text

    async def load(self, pipeline: str, first: date, last: date, **inputs: Any) -> dict[str, Any]:
        """Runs it to its end, which is told."""
        window = {"start_date": str(first), "end_date": str(last), **inputs}
        run: dict[str, Any] = (await self.ask("POST", f"pipelines/run/{{org}}/{pipeline}", window, wait="true")).json()
        assert run.get("status") == "SUCCESS", run
        return run


@asynccontextmanager
async def served(folder: Path, today: date, **settings: Any) -> AsyncIterator[Served]:
    """With an organisation whose key every call carries."""
    with billing(folder, today, rate_limit_enabled=False, **settings) as here:
        here.parts.load()
        transport = httpx2.ASGITransport(app=create_app(here.parts.settings, here.parts))
        await here.parts.worker.start()
        try:
            async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=None) as http:
                new = {"org_slug": ORG, "company_name": "Acme", "admin_email": "finops@example.com"}
                made = await http.post("/api/v1/organizations/onboard", json=new, headers={"X-CA-Root-Key": ROOT_KEY})
                assert made.status_code == 201, made.text
                http.headers["X-API-Key"] = made.json()["api_key"]
                yield Served(here, http)
        finally:
            await here.parts.worker.stop()
