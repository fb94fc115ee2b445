"""What can be bought, and what each thing's rows are like: how its cost is counted, which credits it gets."""

from collections.abc import Callable
from dataclasses import dataclass

from src.sandbox.gcp.rows import ConsumptionModel, CreditKind, Sku

Counting = Callable[[float], float]


def micros(cost: float) -> float:
    return round(cost, 6)


def nanos(cost: float) -> float:
    return round(cost, 9)


def thirds(cost: float) -> float:
    """More digits than NUMERIC keeps, and never near the middle between two of them."""
    return round(cost, 4) / 3


def tiny(cost: float) -> float:
    """A few ten-millionths, which floats write as 3e-07."""
    return 1e-7 * (1 + int(cost * 1000) % 9)


def drifting(cost: float) -> float:  # noqa: ARG001 - of the shape of its siblings
    return 0.1 + 0.2


def half(cost: float) -> float:  # noqa: ARG001 - of the shape of its siblings
    """Exactly between two NUMERICs, in binary as in decimal: rounds away from zero to 0.000976563."""
    return 2.0**-10


@dataclass(frozen=True, slots=True)
class Offer:
    """`hourly` is in pricing units; `credits` are shares of the cost."""

    sku: Sku
    hourly: float
    counted: Counting = micros
    credits: tuple[tuple[CreditKind, float], ...] = ()
    resource: str | None = None
    machine: str | None = None
    subscription: str | None = None
    model: ConsumptionModel | None = None


def _credit(kind: str, name: str) -> CreditKind:
    return CreditKind(f"sandbox-{kind.lower().replace('_', '-')}", kind, name, name)


SUSTAINED = _credit("SUSTAINED_USAGE_DISCOUNT", "Sustained Usage Discount")
COMMITTED = _credit("COMMITTED_USAGE_DISCOUNT", "Committed Usage Discount: CPU")
COMMITTED_SPEND = _credit("COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE", "Committed use discount - dollar base")
FEE_OFFSET = _credit("FEE_UTILIZATION_OFFSET", "Committed use discount fee offset")
CONTRACT = _credit("DISCOUNT", "Spending based discount")
FREE_TIER = _credit("FREE_TIER", "Free tier")
PROMOTION = _credit("PROMOTION", "Start-up programme")
MARGIN = _credit("RESELLER_MARGIN", "Reseller programme discount")
BENEFIT = _credit("SUBSCRIPTION_BENEFIT", "Subscription benefit")
FLEXIBLE = ConsumptionModel("D97B-0795-975B", "Compute Flexible CUDs - 1 Year")

# unit, pricing unit, how many of the first make one of the second
HOURS = ("seconds", "hour", 3600.0)
SECONDS = ("seconds", "second", 1.0)
MONTHS = ("month", "month", 1.0)
COUNTS = ("count", "count", 1.0)
THOUSANDS = ("count", "1000 count", 1000.0)
REQUESTS = ("requests", "count", 1.0)
GIB = ("bytes", "gibibyte", 2.0**30)
TIB = ("bytes", "tebibyte", 2.0**40)
GIB_HOURS = ("byte-seconds", "gibibyte hour", 3600.0 * 2**30)
GIB_MONTHS = ("byte-seconds", "gibibyte month", 730 * 3600.0 * 2**30)

COMPUTE = ("6F81-5844-456A", "Compute Engine")
STORAGE = ("95FF-2EF5-5EA1", "Cloud Storage")
BIGQUERY = ("24E6-581D-38E5", "BigQuery")
NETWORK = ("E505-1604-58F8", "Networking")


def _sku(service: tuple[str, str], number: int, description: str, measure: tuple[str, str, float], price: str) -> Sku:
    unit, pricing_unit, ratio = measure
    return Sku(*service, f"5A{number:02d}-{number * 37:04d}-C0DE", description, unit, pricing_unit, ratio, price)


OFFERS = (
    Offer(
        _sku(COMPUTE, 1, "N2 Instance Core running in Americas", HOURS, "0.031611"),
        40,
        micros,
        ((SUSTAINED, 0.2),),
        "instances",
        "n2-standard-8",
    ),
    Offer(
        _sku(COMPUTE, 2, "N2 Instance Ram running in Americas", GIB_HOURS, "0.004237"),
        160,
        nanos,
        ((SUSTAINED, 0.2),),
        "instances",
        "n2-standard-8",
    ),
    Offer(
        _sku(COMPUTE, 3, "Spot Preemptible E2 Instance Core running in EMEA", HOURS, "0.006543"),
        24,
        thirds,
        (),
        "instances",
        "e2-standard-4",
    ),
    Offer(_sku(COMPUTE, 4, "Storage PD Capacity", GIB_MONTHS, "0.04"), 6.5, thirds, (), "disks"),
    Offer(
        _sku(COMPUTE, 5, "Commitment v1: Cpu in Americas for 1 Year", HOURS, "0.019915"),
        32,
        nanos,
        subscription="sub-compute-1y",
    ),
    Offer(
        _sku(COMPUTE, 6, "N2D AMD Instance Core running in Americas", HOURS, "0.027502"),
        48,
        nanos,
        ((COMMITTED, 0.37), (CONTRACT, 0.05), (PROMOTION, 0.1)),
        "instances",
        "n2d-standard-16",
    ),
    Offer(
        _sku(("CCD8-9BF1-090E", "Kubernetes Engine"), 7, "Zonal Kubernetes Clusters", HOURS, "0.1"),
        1,
        micros,
        ((FREE_TIER, 1.0),),
        "clusters",
    ),
    Offer(
        _sku(STORAGE, 8, "Standard Storage US Multi-region", GIB_MONTHS, "0.026"),
        3.2,
        nanos,
        (),
        "buckets",
    ),
    Offer(_sku(STORAGE, 9, "Regional Standard Class B Operations", REQUESTS, "0.0000004"), 5, tiny, (), "buckets"),
    Offer(
        _sku(NETWORK, 10, "Network Internet Egress from Americas to Americas", GIB, "0.085"),
        12,
        thirds,
        ((CONTRACT, 0.1),),
    ),
    Offer(_sku(BIGQUERY, 11, "Analysis (us)", TIB, "6.25"), 0.048, drifting, (), "projects"),
    Offer(
        _sku(BIGQUERY, 12, "Active Logical Storage (us)", GIB_MONTHS, "0.02"),
        0.9,
        nanos,
        ((FREE_TIER, 1.0),),
        "datasets",
    ),
    Offer(
        _sku(("9662-B51E-5089", "Cloud SQL"), 13, "Cloud SQL for PostgreSQL: Zonal - vCPU in Americas", HOURS, "0.0413"),
        16,
        micros,
        ((COMMITTED_SPEND, 0.25),),
        "instances",
    ),
    Offer(
        _sku(("152E-C115-5142", "Cloud Run"), 14, "Services CPU (Instance-based billing) in us-central1", SECONDS, "0.000018"),
        9000,
        nanos,
        ((FEE_OFFSET, 0.28),),
        "services",
        model=FLEXIBLE,
    ),
    Offer(
        _sku(("C7E2-9256-1C43", "Vertex AI"), 15, "Gemini Text Input - Predictions", THOUSANDS, "0.000125"),
        8200,
        nanos,
        ((PROMOTION, 0.5),),
    ),
    Offer(_sku(("5490-F7B7-8DF6", "Cloud Logging"), 16, "Log Storage cost", GIB, "0.5"), 0.002, half, ()),
    Offer(
        _sku(("A1E8-BE35-7EBC", "Cloud Pub/Sub"), 17, "Message Delivery Basic", TIB, "40"),
        0.0123,
        nanos,
        ((MARGIN, 0.08),),
        "topics",
    ),
    Offer(
        _sku(
            ("5AF5-2C11-D467", "Cloud Memorystore for Redis"),
            18,
            "Redis Capacity Standard M2 Iowa",
            GIB_HOURS,
            "0.049",
        ),
        10,
        micros,
        ((BENEFIT, 0.15),),
        "instances",
    ),
    Offer(
        _sku(("57D6-9F4A-3AC7", "Cloud Dataflow"), 19, "vCPU Time Batch us-central1", HOURS, "0.056"),
        20,
        thirds,
        ((CONTRACT, 0.05), (MARGIN, 0.03), (PROMOTION, 0.2)),
        "jobs",
    ),
    Offer(_sku(("EE2C-7FAC-5E08", "Secret Manager"), 20, "Secret access operations", REQUESTS, "0.0000003"), 3, tiny, ()),
)

SUPPORT = _sku(("2062-016F-44A2", "Support"), 31, "Enhanced Support", MONTHS, "100")
MARKETPLACE = _sku(("7E10-4D2B-9F33", "Observability Suite for Google Cloud"), 32, "Hosts monitored", COUNTS, "0.021")
COMPOSER = _sku(("1992-3666-B975", "Cloud Composer"), 33, "Cloud Composer environment fee", HOURS, "0.35")
TAX = _sku(("A2F1-77C0-5B19", "Invoice"), 34, "Tax", MONTHS, "0")
INVOICE = _sku(("A2F1-77C0-5B19", "Invoice"), 35, "Invoice adjustment", MONTHS, "0")
ROUNDING = _sku(("A2F1-77C0-5B19", "Invoice"), 36, "Rounding error", MONTHS, "0")
