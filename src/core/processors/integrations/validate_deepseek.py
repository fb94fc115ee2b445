from src.core.step.credential_steps import CredentialProbe


class DeepSeekCredentialProcessor(CredentialProbe):
    provider = "deepseek"


def get_engine() -> DeepSeekCredentialProcessor:
    return DeepSeekCredentialProcessor()
