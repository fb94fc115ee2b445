"""Google as the platform reaches it: which of its addresses is asked for what."""

from src.core.providers.gcp.account import GcpAccount, Token
from src.core.providers.gcp.bigquery_rest import BigQueryRest
from src.core.providers.link import ProviderLink


def token(link: ProviderLink, account: GcpAccount) -> Token:
    return account.token(link.http, link.settings.gcp_token_url, link.clock)


def tables(link: ProviderLink, shown: Token) -> BigQueryRest:
    return BigQueryRest(link.http, link.settings.bigquery_url, shown, link.clock)
