"""Who owns what in the sandbox's Google Cloud: projects, their datasets, the billing accounts exported there, and who may see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from src.core.providers.export import ExportKind

DEMO = "demo"
DATASET = "billing_export"
LOCATION = "US"
PRICING_TABLE = "cloud_pricing_export"


@dataclass(frozen=True, slots=True)
class BillingAccount:
    id: str
    currency: str
    detailed: bool


@dataclass(frozen=True, slots=True)
class UsageTable:
    project: str
    name: str
    kind: ExportKind
    account: BillingAccount


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    name: str
    project: str
    access: Literal["granted", "denied", "revoked"] = "granted"

    @property
    def email(self) -> str:
        return f"{self.name}@{self.project}.iam.gserviceaccount.com"


DOLLARS = BillingAccount("01A2B3-C4D5E6-F70819", "USD", detailed=True)
EUROS = BillingAccount("0D1E2F-A3B4C5-D60718", "EUR", detailed=False)
SECOND = BillingAccount("02C4E6-8A0B1D-3F5A7C", "USD", detailed=True)

PROJECTS: Mapping[str, tuple[BillingAccount, ...]] = {
    "sandbox-billing": (DOLLARS, EUROS),
    "sandbox-second": (SECOND,),
    "sandbox-empty": (),
}

SERVICE_ACCOUNTS = {
    account.name: account
    for account in (
        ServiceAccount(DEMO, "sandbox-billing"),
        ServiceAccount("second", "sandbox-second"),
        ServiceAccount("narrow", "sandbox-billing", "denied"),
        ServiceAccount("empty", "sandbox-empty"),
        ServiceAccount("revoked", "sandbox-billing", "revoked"),
    )
}


def standard_table(account: BillingAccount) -> str:
    return f"gcp_billing_export_v1_{account.id.replace('-', '_')}"


def detailed_table(account: BillingAccount) -> str:
    return f"gcp_billing_export_resource_v1_{account.id.replace('-', '_')}"


def usage_tables(project: str) -> dict[str, UsageTable]:
    found = [UsageTable(project, standard_table(account), "standard", account) for account in PROJECTS.get(project, ())]
    found += [
        UsageTable(project, detailed_table(account), "detailed", account) for account in PROJECTS.get(project, ()) if account.detailed
    ]
    return {table.name: table for table in found}


def table_names(project: str) -> list[str]:
    """As `tables.list` names them; the pricing table is there to be passed over."""
    usage = sorted(usage_tables(project))
    return [PRICING_TABLE, *usage] if usage else []
