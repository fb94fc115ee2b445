"""An organisation of the service for each organisation of a sandbox's provider that misbehaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Self

from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from tests.fakes.running import ROOT_KEY
from tests.fakes.served import Served


@dataclass(frozen=True)
class TrapUser:
    """Uses the organisation of this name."""

    service: Served
    name: str
    key: str
    provider: ClassVar[str]

    @classmethod
    async def using(cls, service: Served, name: str, settings: Mapping[str, Any] | None = None) -> Self:
        new = {"org_slug": f"{name}_org", "company_name": name, "admin_email": "finops@example.com", "subscription_plan": "SCALE"}
        made = await service.http.post("/api/v1/organizations/onboard", json=new, headers={"X-CA-Root-Key": ROOT_KEY})
        assert made.status_code == 201, made.text
        one = cls(service, name, made.json()["api_key"])
        files = service.here.parts.settings.data_dir / "sandbox" / "credentials"
        credential = (files / f"{cls.provider}-{one.name}.txt").read_text()
        body = {"credential": credential, **({"settings": settings} if settings else {})}
        await one.ask("POST", f"integrations/{{org}}/{cls.provider}/setup", body)
        return one

    @property
    def slug(self) -> str:
        return f"{self.name}_org"

    async def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        path = f"/api/v1/{path.format(org=self.slug)}"
        answer = await self.service.http.request(method, path, json=body, params=params, headers={"X-API-Key": self.key})
        assert answer.is_success, answer.text
        return answer.json()

    async def load(self, first: date, last: date, pipeline: str = "usage_cost") -> dict[str, Any]:
        window = {"start_date": str(first), "end_date": str(last)}
        run: dict[str, Any] = await self.ask("POST", f"pipelines/run/{{org}}/{self.provider}/{pipeline}", window, wait="true")
        assert run.get("status") == "SUCCESS", run
        return run

    def told(self, question: str, asked: Mapping[str, Any]) -> Decimal:
        tenant = Tenant(org_slug(self.slug), Environment.DEVELOPMENT)
        [row] = self.service.here.parts.warehouse.query(tenant, question, asked).to_pylist()
        return Decimal(row["told"] or 0)
