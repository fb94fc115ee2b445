from src.core.step.credential_steps import CredentialCheck


class AnthropicValidator(CredentialCheck):
    provider = "anthropic"


def get_engine() -> AnthropicValidator:
    return AnthropicValidator()
