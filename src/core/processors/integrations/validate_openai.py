from src.core.step.credential_steps import CredentialProbe


class OpenAICredentialProcessor(CredentialProbe):
    provider = "openai"


def get_engine() -> OpenAICredentialProcessor:
    return OpenAICredentialProcessor()
