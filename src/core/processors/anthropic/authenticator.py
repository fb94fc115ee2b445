from src.core.step.credential_steps import CredentialOpening


class AnthropicAuthenticator(CredentialOpening):
    """Anthropic takes the admin key itself with every call, and gives no token for it."""

    provider = "anthropic"


def get_engine() -> AnthropicAuthenticator:
    return AnthropicAuthenticator()
