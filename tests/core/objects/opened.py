from typing import Any

from pydantic import SecretStr

from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.objects.keys import AwsKeys
from src.core.objects.opening import open_s3
from src.core.objects.place import S3Place
from src.core.objects.port import Objects

KEYS = AwsKeys("AKIAACME000000000001", Secret("the-secret"), Secret("the-session"))
NAME = "exports/daily/bill.csv.gz"


def settings_with(**changed: object) -> Settings:
    given: dict[str, Any] = {"object_timeout_seconds": 5.0, "ca_root_api_key": SecretStr("r" * 32), **changed}
    return Settings(_env_file=None, **given)


def opened(address: str, *, prefix: str = "exports", keys: AwsKeys = KEYS, bucket: str = "acme-billing", **changed: object) -> Objects:
    return open_s3(settings_with(s3_url=address, **changed), S3Place(bucket, "eu-central-1", prefix), lambda: keys)
