import structlog

from src.core.base.faults import Misconfigured
from src.core.base.secret import Secret
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.providers.directory import known_providers
from src.core.step import credentials
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import Proven


class CredentialStoreProcessor:
    """Seals and stores what the step named by `credential_from` has proven."""

    config_model = credentials.StoreConfig

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.providers = known_providers(self.settings.configs_dir)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        proven = _proven(context.results.get(str(step_config.get("credential_from"))), context.step_id)
        self.providers.served(proven.provider)
        record, before = await blocking(credentials.store, context, proven)
        return {
            "status": "SUCCESS",
            "credential_id": record.credential_id,
            "credential_name": record.credential_name,
            "fingerprint": record.fingerprint,
            "validation_status": record.validation_status,
            "replaced": before is not None,
        }


def _proven(result: StepResult | None, step_id: str) -> Proven:
    if result is None or not isinstance(result.get("credential"), Secret):
        raise Misconfigured(f"step {step_id}: credential_from must name the earlier step that validated the credential")
    return Proven(
        provider=result["provider"],
        name=result["credential_name"],
        secret=result["credential"],
        fingerprint=result["fingerprint"],
        subject=result["subject"],
        connection=result["connection"],
        generation=result["generation"],
        validated_at=result["validated_at"],
        expires_at=result["expires_at"],
    )


def get_engine() -> CredentialStoreProcessor:
    return CredentialStoreProcessor()
