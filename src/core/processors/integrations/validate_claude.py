from src.core.step.credential_steps import CredentialProbe


class AnthropicCredentialProcessor(CredentialProbe):
    provider = "anthropic"


def get_engine() -> AnthropicCredentialProcessor:
    return AnthropicCredentialProcessor()
