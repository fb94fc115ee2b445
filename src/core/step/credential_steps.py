"""Processors of steps that deal with a provider's credentials. A provider's own say whose they are, and nothing more."""

from typing import ClassVar

import structlog

from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step import credentials, probe
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import CredentialConfig


class CredentialProbe:
    """Asks the provider about the credential among the inputs, or again about the stored one that `credential_from` opened."""

    config_model = probe.ProbeConfig
    provider: ClassVar[str]

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(type(self).__module__)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(probe.validate, self.provider, step_config, context)


class CredentialStep:
    """Works with a credential that the organisation has stored."""

    config_model = CredentialConfig
    provider: ClassVar[str]

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(type(self).__module__)

    def opens(self, step_config: StepConfig) -> str | None:
        return credentials.opened_by(step_config, self.provider)


class CredentialOpening(CredentialStep):
    """Opens it for the steps after it."""

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return credentials.handed_over(await blocking(credentials.opened, step_config, context, self.provider))


class CredentialCheck(CredentialStep):
    """Asks the provider about it in a run, and writes down what it says; a run whose credential is refused ends here."""

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(probe.require_valid, self.provider, step_config, context)
