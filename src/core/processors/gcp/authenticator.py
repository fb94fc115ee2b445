from src.core.base.threads import blocking
from src.core.providers.gcp import client
from src.core.providers.gcp.account import GcpAccount
from src.core.providers.link import linked
from src.core.step import credentials
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credential_steps import CredentialStep
from src.core.step.credential_use import refusals_noted

PROVIDER = "gcp"


class GcpAuthenticator(CredentialStep):
    """A token for the organisation's service account: its credential is opened here, or by the step named in `credential_from`."""

    provider = PROVIDER

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(authenticate, step_config, context)


def authenticate(step_config: StepConfig, context: StepContext) -> StepResult:
    opened = credentials.opened(step_config, context, PROVIDER)
    account = GcpAccount.parse(opened.secret)
    with refusals_noted(context, opened), linked(context.services, PROVIDER, context.given_up) as link:
        token = client.token(link, account)
    return {
        "status": "SUCCESS",
        "subject": account.client_email,
        "project": account.project_id,
        "credential_id": opened.credential_id,
        "credential_name": opened.name,
        "fingerprint": opened.fingerprint,
        "token": token.text,
        "expires_at": token.expires_at,
    }


def get_engine() -> GcpAuthenticator:
    return GcpAuthenticator()
