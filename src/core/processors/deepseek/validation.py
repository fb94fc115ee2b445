from src.core.step.credential_steps import CredentialCheck


class DeepSeekValidator(CredentialCheck):
    provider = "deepseek"


def get_engine() -> DeepSeekValidator:
    return DeepSeekValidator()
