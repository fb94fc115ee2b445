from src.core.step.credential_steps import CredentialOpening


class DeepSeekAuthenticator(CredentialOpening):
    """DeepSeek takes the key itself with every call, and gives no token for it."""

    provider = "deepseek"


def get_engine() -> DeepSeekAuthenticator:
    return DeepSeekAuthenticator()
