from src.core.step.credential_steps import CredentialCheck


class OpenAIValidator(CredentialCheck):
    provider = "openai"


def get_engine() -> OpenAIValidator:
    return OpenAIValidator()
