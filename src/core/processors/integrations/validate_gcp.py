from src.core.step.credential_steps import CredentialProbe


class GcpCredentialProcessor(CredentialProbe):
    provider = "gcp"


def get_engine() -> GcpCredentialProcessor:
    return GcpCredentialProcessor()
