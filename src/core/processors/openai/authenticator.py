from src.core.step.credential_steps import CredentialOpening


class OpenAIAuthenticator(CredentialOpening):
    """OpenAI takes the admin key itself with every call, and gives no token for it."""

    provider = "openai"


def get_engine() -> OpenAIAuthenticator:
    return OpenAIAuthenticator()
