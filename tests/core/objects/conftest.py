from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.core.objects.opened import KEYS

REGION = "eu-central-1"
BUCKET = "acme-billing"


@dataclass(frozen=True)
class Amazon:
    address: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id=KEYS.access_key_id,
            aws_secret_access_key=KEYS.secret_access_key.reveal(),
        )


@pytest.fixture(scope="session")
def moto() -> Iterator[Amazon]:
    """One for all tests of this process: it takes a second to start."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Amazon(f"http://{host}:{port}")
    server.stop()


@pytest.fixture
def amazon(moto: Amazon) -> Amazon:
    import httpx2

    httpx2.post(f"{moto.address}/moto-api/reset")
    moto.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return moto
