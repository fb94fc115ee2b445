"""All settings, typed, from the environment and `.env`. Nothing else in the system reads the environment."""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from src.core.base.cost_settings import CostSettings
from src.core.base.faults import Flaw, Misconfigured
from src.core.base.names import Environment, url_flaw
from src.core.base.notify_settings import NotifySettings
from src.core.base.object_settings import OBJECT_URLS, ObjectSettings

ROOT = Path(__file__).resolve().parents[3]
CORS_EXAMPLE = 'CORS_ORIGINS=["http://localhost:3000"]'
URLS_EXAMPLE = 'PROVIDER_URLS={"openai.api": "https://api.openai.com"}'
ROOT_KEY_MINIMUM = 32
SANDBOX_ROWS_PER_HOUR = 15
ROOT_KEY = re.compile(r"[!-~]+")
LEDGERS = ("sqlite", "postgresql", "bigquery")
URLS = (
    "gcp_token_url", "bigquery_url", "bigquery_storage_url", "platform_bigquery_url", "platform_bigquery_storage_url", "kms_url",
    *OBJECT_URLS,
)  # fmt: skip


class Settings(CostSettings, NotifySettings, ObjectSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, populate_by_name=True, frozen=True
    )

    environment: Environment = Field(default=Environment.DEVELOPMENT, description="development, staging or production")
    ca_root_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("CA_ROOT_API_KEY", "ADMIN_API_KEY", "ca_root_api_key"),
        description="The platform admin's key (also read from ADMIN_API_KEY). Sent as X-CA-Root-Key; stored nowhere",
    )
    disable_auth: bool = Field(default=False, description="Lets every request through. Development only")

    gcp_project_id: str | None = Field(default=None, description="The Google Cloud project of the warehouse and of KMS")
    google_application_credentials: Path | None = Field(
        default=None, description="Service account file of the platform; unset on Cloud Run"
    )
    bigquery_location: str = Field(default="US", description="Where BigQuery datasets are created")
    platform_bigquery_url: str = Field(
        default="https://bigquery.googleapis.com", description="Where the platform's own BigQuery is, its ledger and its warehouse"
    )
    platform_bigquery_storage_url: str = Field(
        default="https://bigquerystorage.googleapis.com", description="Where rows are read from it in bulk (gRPC)"
    )
    bigquery_maximum_bytes_billed: int = Field(
        default=1_099_511_627_776,
        # BigQuery bills ten megabytes at the least, so a lower limit would refuse every job
        ge=10_485_760,
        description="The most one BigQuery job may scan, in bytes; a job that needs more is refused",
    )
    # six hours are BigQuery's own limit for a query
    bigquery_job_seconds: float = Field(default=900.0, gt=0, le=21_600, description="How long one BigQuery job may take")
    org_service_account: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9{}_-]+@[a-z0-9.-]+\.iam\.gserviceaccount\.com$",
        description="Service account that an organisation's dataset is used through, impersonated by the platform; {org} stands for its "
        "slug with hyphens: cdp-{org}@project.iam.gserviceaccount.com",
    )
    kms_url: str = Field(default="https://cloudkms.googleapis.com", description="Where Cloud KMS is (gRPC)")
    kms_key_name: str | None = Field(
        default=None,
        pattern=r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$",
        description="Key-encryption key in Cloud KMS: projects/P/locations/L/keyRings/R/cryptoKeys/K",
    )
    local_keyring: Path | None = Field(
        default=None, description="Key-encryption keys in a file, owner-only; in development made beside the data when unset"
    )

    ledger_url: str | None = Field(
        default=None,
        description="Where the management tables live: sqlite:////path/ledger.db, postgresql+psycopg://user:password@host/database or "
        "bigquery://project/dataset. Unset, a SQLite file in EMBEDDED_DATA_DIR, or the dataset organizations where that is not named",
    )
    ledger_connections: int = Field(default=8, ge=2, le=200, description="Connections to PostgreSQL each process keeps at most")
    warehouse: Literal["duckdb", "bigquery"] | None = Field(
        default=None, description="Where cost data lives; duckdb in development, bigquery elsewhere"
    )
    embedded_data_dir: Path | None = Field(
        default=None, description="Folder of the embedded stores; var/data in development, to be named elsewhere"
    )
    scratch_dir: Path | None = Field(
        default=None,
        description="Folder for files on their way to BigQuery; when unset, this installation's own in the system's temporary folder",
    )
    configs_dir: Path = Field(default=ROOT / "configs", description="Folder of pipelines, schemas, views and seeds")
    sandbox: bool = Field(default=False, description="Uses the bundled provider sandbox instead of real providers; never in production")
    sandbox_rows_per_hour: int = Field(
        default=SANDBOX_ROWS_PER_HOUR,
        ge=1,
        le=10_000,
        description="Rows the sandbox's bill has for each account and hour; what is planted in it comes on top",
    )

    duckdb_memory_limit: str = Field(
        default="2GB", pattern=r"^\d+(\.\d+)?\s?(MB|GB|MiB|GiB)$", description="Memory each open dataset may use"
    )
    duckdb_threads: int = Field(default=2, ge=1, le=64, description="Threads each open dataset may use")
    duckdb_max_open: int = Field(default=16, ge=1, le=512, description="Datasets kept open at once; the least used is closed")

    worker_enabled: bool = Field(default=True, description="Works on accepted runs inside this process")
    worker_slots: int = Field(default=4, ge=1, le=64, description="Runs this process works on at once")
    worker_lease_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="How long a run stays with a worker that has stopped saying it lives"
    )
    worker_poll_seconds: float = Field(default=1.0, ge=0.05, le=60, description="How often an idle worker looks for runs nobody told it of")
    worker_takeovers: int = Field(default=2, ge=0, le=20, description="How often a run whose worker died is taken over before it fails")
    worker_drain_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="How long a stopping worker lets runs end before it hands them back"
    )

    audit_retention_days: int = Field(
        default=400, ge=1, le=36_500, description="How long rows of the audit trail are kept; the daily reset removes older ones"
    )

    scheduler_enabled: bool = Field(
        default=True,
        description="Triggers due schedules by this process's own clock, one process at a time; never on a BigQuery ledger, where "
        "POST /api/v1/scheduler/trigger does",
    )

    gcp_token_url: str = Field(
        default="https://oauth2.googleapis.com/token", description="Where service accounts of organisations get their tokens"
    )
    bigquery_url: str = Field(default="https://bigquery.googleapis.com", description="Where their billing exports are looked up")
    bigquery_storage_url: str = Field(
        default="https://bigquerystorage.googleapis.com", description="Where rows of their billing exports are read in bulk (gRPC)"
    )
    # decoded by the validators, which say how to write it where it is wrong
    provider_urls: Annotated[Mapping[str, str], NoDecode] = Field(
        default_factory=dict,
        description="Where other providers are asked, where that is not as configs/system/providers.yml has it, a JSON object: "
        f"{URLS_EXAMPLE}",
    )
    provider_timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="How long one answer of a provider may take")
    provider_call_threads: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Calls that ask a provider while their caller waits (setup and validate of a credential), at once in one process; "
        "an organisation has 2 of them at most",
    )

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description=f"Browser origins that may call the API, a JSON array: {CORS_EXAMPLE}"
    )
    enable_api_docs: bool = Field(default=True, description="Serves /docs, /redoc and /openapi.json")
    rate_limit_enabled: bool = Field(default=True, description="Limits requests per key and per address")
    rate_limit_org_per_minute: int = Field(default=600, ge=1, description="Requests a minute for one organisation")
    rate_limit_root_per_minute: int = Field(default=300, ge=1, description="Requests a minute with the root key")
    rate_limit_anonymous_per_minute: int = Field(
        default=60, ge=1, description="Requests a minute from one address without a valid key, refused keys included"
    )
    trusted_proxy_hops: int = Field(default=0, ge=0, le=8, description="Proxies in front that append to X-Forwarded-For; 1 on Cloud Run")
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest request body accepted")
    max_connections: int = Field(
        default=1000, ge=1, le=100_000, description="Connections one process keeps at most; fewer where it may open fewer files"
    )
    header_seconds: float = Field(
        default=10.0, ge=0.1, le=600, description="How long the head of a request may take to come, and a new connection to begin one"
    )
    body_seconds: float = Field(default=30.0, ge=0.1, le=600, description="How long the next byte of a request's body may take to come")
    stop_seconds: float = Field(
        default=15.0,
        ge=0.1,
        le=3600,
        description="How long a process that was told to stop may take beyond WORKER_DRAIN_SECONDS; then it ends, whatever is under way",
    )
    auth_cache_seconds: float = Field(
        default=10.0, ge=0, le=10, description="How long another process may accept a key after its revocation"
    )
    key_grace_hours: int = Field(
        default=24, ge=0, le=720, description="How long an old key stays valid after a rotation that names no grace"
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least severe event written")
    log_format: Literal["json", "console"] | None = Field(
        default=None, description="json or console; console in development, json elsewhere"
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            origins = json.loads(value)
        except json.JSONDecodeError:
            origins = None
        if not isinstance(origins, list) or not all(isinstance(origin, str) for origin in origins):
            raise ValueError(f"{value!r} is not a JSON array of origins; write it like {CORS_EXAMPLE}")
        wrong = [origin for origin in origins if not _is_origin(origin)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not an origin (scheme://host[:port], no path); write it like {CORS_EXAMPLE}")
        return tuple(origins)

    @field_validator("provider_urls", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except json.JSONDecodeError:
                value = None
        if not isinstance(value, Mapping) or not all(isinstance(url, str) for url in value.values()):
            raise ValueError(f"is not a JSON object of addresses; write it like {URLS_EXAMPLE}")
        for name, url in value.items():
            flaw = url_flaw(url)
            if flaw:
                raise ValueError(f"{name}: {flaw}")
        return value

    def asking_at(self, endpoints: Mapping[str, str]) -> Self:
        """Other addresses of providers, by setting or by the name that `provider_urls` has for them."""
        fields = {name: url for name, url in endpoints.items() if name in URLS}
        others = {name: url for name, url in endpoints.items() if name not in URLS}
        return self.model_copy(update={**fields, "provider_urls": {**self.provider_urls, **others}})

    @property
    def data_dir(self) -> Path:
        return (self.embedded_data_dir or ROOT / "var" / "data").resolve()

    @property
    def ledger(self) -> str:
        if self.ledger_url:
            return self.ledger_url
        return f"sqlite:///{self.data_dir / 'ledger.db'}" if self.embedded else f"bigquery://{self.gcp_project_id or ''}"

    @property
    def ledger_engine(self) -> str:
        """sqlite, postgresql or bigquery."""
        return re.split(r"[+:]", self.ledger, maxsplit=1)[0]

    @property
    def warehouse_engine(self) -> Literal["duckdb", "bigquery"]:
        return self.warehouse or ("duckdb" if self.embedded else "bigquery")

    @property
    def embedded(self) -> bool:
        return self.environment is Environment.DEVELOPMENT or self.embedded_data_dir is not None

    @property
    def scratch(self) -> Path:
        """One for all processes of this installation, and no other's: who clears it clears by the names of datasets."""
        if self.scratch_dir:
            return self.scratch_dir
        ledger = urlsplit(self.ledger)
        # without the account and its password: they may change while the installation stays
        place = (ledger.scheme, ledger.netloc.rpartition("@")[2], ledger.path, self.platform_bigquery_url, self.gcp_project_id)
        installation = json.dumps([*place, self.environment])
        return Path(tempfile.gettempdir()) / f"convergence-{hashlib.sha256(installation.encode()).hexdigest()[:16]}"

    @property
    def keyring_path(self) -> Path:
        return (self.local_keyring or self.data_dir / "keyring.json").absolute()

    @property
    def json_logs(self) -> bool:
        return (self.log_format or ("console" if self.environment is Environment.DEVELOPMENT else "json")) == "json"

    def flaws(self) -> list[Flaw]:
        """What keeps this configuration from starting, all of it at once."""
        found = [*self._flaws_everywhere(), *self.cost_flaws(), *self.notify_flaws(), *self.object_flaws()]
        if self.environment is not Environment.DEVELOPMENT:
            found += self._flaws_outside_development()
        if self.environment is Environment.PRODUCTION:
            found += self._flaws_in_production()
        return found

    def _flaws_everywhere(self) -> list[Flaw]:
        found = []
        if self.ca_root_api_key is None and not self.disable_auth:
            found.append(Flaw("is not set; run `python3 scripts/generate_admin_key.py` and export what it prints", "CA_ROOT_API_KEY"))
        if self.ca_root_api_key and not ROOT_KEY.fullmatch(self.ca_root_api_key.get_secret_value()):
            found.append(Flaw("must be letters, digits and signs without spaces or line breaks: it travels in a header", "CA_ROOT_API_KEY"))
        if self.ca_root_api_key and self.ca_root_api_key.get_secret_value().endswith("..."):
            found.append(Flaw("is a placeholder; run `python3 scripts/generate_admin_key.py` and export what it prints", "CA_ROOT_API_KEY"))
        if self.ledger_engine not in LEDGERS:
            found.append(Flaw(f"names the engine {self.ledger_engine!r}; served are {', '.join(LEDGERS)}", "LEDGER_URL"))
        if "bigquery" in (self.warehouse_engine, self.ledger_engine) and not self.gcp_project_id:
            found.append(
                Flaw(
                    "names the project of BigQuery, and is not set; set it, or keep data on this machine: name EMBEDDED_DATA_DIR",
                    "GCP_PROJECT_ID",
                )
            )
        return found

    def _flaws_outside_development(self) -> list[Flaw]:
        found = []
        if self.disable_auth:
            found.append(Flaw("must be false outside development; unset it", "DISABLE_AUTH"))
        if self.embedded_data_dir is None and (self.warehouse_engine == "duckdb" or self.ledger_engine == "sqlite"):
            found.append(
                Flaw("must name a folder on a disk that lasts: a container's own disk forgets what is stored on it", "EMBEDDED_DATA_DIR")
            )
        shared = self.ledger_engine != "sqlite" or self.environment is Environment.PRODUCTION
        if shared and not self.kms_key_name and not self.local_keyring:
            found.append(Flaw("name a Cloud KMS key, or a file in LOCAL_KEYRING that every process of this ledger reads", "KMS_KEY_NAME"))
        return found

    def _flaws_in_production(self) -> list[Flaw]:
        found = []
        if self.ca_root_api_key and len(self.ca_root_api_key.get_secret_value()) < ROOT_KEY_MINIMUM:
            found.append(
                Flaw(
                    f"must have {ROOT_KEY_MINIMUM} characters or more; `python3 scripts/generate_admin_key.py` makes one", "CA_ROOT_API_KEY"
                )
            )
        if not self.rate_limit_enabled:
            found.append(Flaw("must be true in production; unset it", "RATE_LIMIT_ENABLED"))
        if not self.cors_origins:
            found.append(Flaw(f"must name the browser origins that may call, like {CORS_EXAMPLE}", "CORS_ORIGINS"))
        if "*" in self.cors_origins:
            found.append(Flaw(f"must name each origin, not *; like {CORS_EXAMPLE}", "CORS_ORIGINS"))
        if self.sandbox:
            found.append(Flaw("must be false in production; unset it", "SANDBOX"))
        found += self.notify_flaws_in_production()
        for name in URLS:
            if not getattr(self, name).startswith("https://"):
                found.append(Flaw("must begin with https:// in production: credentials travel to it", name.upper()))
        found += [
            Flaw(f"{name} must begin with https:// in production: credentials travel to it", "PROVIDER_URLS")
            for name, url in self.provider_urls.items()
            if not url.startswith("https://")
        ]
        return found

    def warnings(self) -> list[Flaw]:
        if self.environment is Environment.PRODUCTION and self.enable_api_docs:
            return [Flaw("docs are open to anyone who reaches the service; ENABLE_API_DOCS=false closes them", "ENABLE_API_DOCS")]
        return []

    def checked(self) -> Self:
        found = self.flaws()
        if found:
            raise Misconfigured(f"the service cannot start in {self.environment.value}: settings need mending", flaws=found)
        return self


def _is_origin(text: str) -> bool:
    if text == "*":
        return True
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.path in ("",) and not parts.query


def load_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as wrong:
        flaws = [
            Flaw(error["msg"].removeprefix("Value error, "), str(error["loc"][0]).upper()) for error in wrong.errors(include_url=False)
        ]
        # the cause quotes what was given, secrets as well
        raise Misconfigured("settings cannot be read", flaws=flaws) from None


@dataclass(slots=True)
class _Held:
    settings: Settings | None = None


_held = _Held()


def get_settings() -> Settings:
    """The settings of this process, read once."""
    if _held.settings is None:
        _held.settings = load_settings()
    return _held.settings


def use_settings(settings: Settings | None) -> None:
    """Puts other settings in their place (tests, command line); None reads the environment anew."""
    _held.settings = settings
