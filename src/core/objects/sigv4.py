"""Signs one call of AWS by its fourth version, for a form that is sent with POST. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from src.core.objects.keys import AwsKeys

ALGORITHM = "AWS4-HMAC-SHA256"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


def signed_headers(url: str, body: bytes, keys: AwsKeys, *, region: str, service: str, at: datetime) -> Mapping[str, str]:
    parts = urlsplit(url)
    headers = {"content-type": FORM, "host": parts.netloc, "x-amz-date": at.strftime("%Y%m%dT%H%M%SZ")}
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token.reveal()
    names = ";".join(sorted(headers))
    told = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join(["POST", parts.path or "/", "", told, names, hashlib.sha256(body).hexdigest()])
    scope = f"{at:%Y%m%d}/{region}/{service}/aws4_request"
    signed = "\n".join([ALGORITHM, headers["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys.secret_access_key.reveal()}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    headers["authorization"] = (
        f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={_mac(key, signed).hex()}"
    )
    return headers


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
