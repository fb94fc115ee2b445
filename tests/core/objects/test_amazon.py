"""S3 and STS over HTTP, as moto answers for them."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from src.core.base.clock import SystemClock
from src.core.base.faults import CredentialRefused, Missing, Rejected
from src.core.base.secret import Secret
from src.core.objects.keys import AwsKeys
from src.core.objects.opening import open_s3
from src.core.objects.place import S3Place
from src.core.objects.port import ObjectChanged
from src.core.objects.roles import AssumedRole
from tests.core.objects.conftest import BUCKET, REGION
from tests.core.objects.opened import opened, settings_with

ODD = ("exports/a=1/b.csv", "exports/ä b~x%20[1]*.csv", "exports/plus+&?#.csv", 'exports/{a}^`|<>".csv', "exports/back\\slash")


def put(amazon, name: str, body: bytes) -> None:
    amazon.client("s3").put_object(Bucket=BUCKET, Key=name, Body=body)


def names(objects, under: str = "", after: str | None = None) -> list[str]:
    return [one.name for page in objects.pages(under, after=after) for one in page]


def test_names_are_read_as_they_are_whatever_signs_they_have(amazon):
    for name in ODD:
        put(amazon, name, name.encode())
    put(amazon, "exports-of-others/a.csv", b"")
    objects = opened(amazon.address)

    assert sorted(names(objects)) == sorted(ODD)
    assert names(objects, "exports/a=1") == ["exports/a=1/b.csv"]
    for name in ODD:
        found = objects.look(name)
        assert (found.name, found.size) == (name, len(name.encode()))
        assert b"".join(objects.read(found)) == name.encode()


def test_a_listing_goes_by_pages_and_from_a_name_on(amazon):
    wanted = [f"exports/{number:05}.csv" for number in range(2001)]
    kept = s3_backends["123456789012"]["aws"]
    for name in wanted:
        kept.put_object(BUCKET, name, b"")  # its own way in: two thousand requests would take their time
    objects = opened(amazon.address)
    pages = [[one.name for one in page] for page in objects.pages()]

    assert [len(page) for page in pages] == [1000, 1000, 1]
    assert sorted(name for page in pages for name in page) == wanted
    assert sorted(names(objects, after="exports/01998.csv")) == wanted[1999:]


def test_a_name_that_cannot_be_read_is_told_and_not_left_out(amazon):
    put(amazon, "exports/fine.csv", b"")
    put(amazon, "exports/a/../b.csv", b"")

    with pytest.raises(Rejected, match=r"a name beside or instead of .*steps like \.\."):
        names(opened(amazon.address))


def test_an_object_that_is_restated_while_it_is_read_is_noticed(amazon, tmp_path):
    put(amazon, "exports/bill.csv", b"one")
    objects = opened(amazon.address)
    found = objects.look("exports/bill.csv")
    fetched = objects.fetch(found, tmp_path / "bill.csv")
    put(amazon, "exports/bill.csv", b"two")

    assert (fetched.path.read_bytes(), fetched.sha256) == (b"one", hashlib.sha256(b"one").hexdigest())
    with pytest.raises(ObjectChanged):
        list(objects.read(found))
    assert b"".join(objects.read(objects.look("exports/bill.csv"))) == b"two"


def test_what_is_not_there_is_missing(amazon):
    with pytest.raises(Missing, match="there is no s3://of-nobody"):
        names(opened(amazon.address, bucket="of-nobody"))
    with pytest.raises(Missing, match=r"there is no exports/none.csv in s3://acme-billing"):
        opened(amazon.address).look("exports/none.csv")
    assert names(opened(amazon.address, prefix="nothing")) == []


def role(amazon) -> AssumedRole:
    settings = settings_with(
        sts_url=amazon.address, platform_aws_access_key_id="AKIAPLATFORM00000001", platform_aws_secret_access_key="p" * 40
    )
    arn = "arn:aws:iam::123456789012:role/billing"
    return AssumedRole(settings, SystemClock(), role=arn, external_id="x-1", session="convergence", region=REGION)


def test_a_role_is_assumed_and_its_keys_open_the_bucket(amazon):
    put(amazon, "exports/bill.csv", b"one")
    assumed = role(amazon)
    keys = assumed()
    objects = open_s3(settings_with(s3_url=amazon.address), S3Place(BUCKET, REGION, "exports"), assumed)

    assert keys.session_token is not None
    assert keys.until is not None
    assert timedelta(minutes=50) < keys.until - datetime.now(UTC) < timedelta(minutes=61)
    assert b"".join(objects.read(objects.look("exports/bill.csv"))) == b"one"
    assert assumed() is keys


@pytest.fixture
def guarded(amazon):
    """moto then checks signatures and what a user may."""
    put(amazon, "exports/bill.csv", b"one")
    put(amazon, "private/bill.csv", b"two")
    iam = amazon.client("iam")
    iam.create_user(UserName="reader")
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::{BUCKET}/exports/*"}
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    httpx2.post(f"{amazon.address}/moto-api/reset-auth", content=b"0")
    yield AwsKeys(made["AccessKeyId"], Secret(made["SecretAccessKey"]))
    httpx2.post(f"{amazon.address}/moto-api/reset-auth", content=b"inf")


def test_a_key_reads_what_it_may_and_a_wrong_one_nothing(amazon, guarded):
    objects = opened(amazon.address, prefix="", keys=guarded)

    assert b"".join(objects.read(objects.look("exports/bill.csv"))) == b"one"
    with pytest.raises(CredentialRefused, match="may not list and read s3://acme-billing"):
        objects.look("private/bill.csv")
    wrong = opened(amazon.address, keys=AwsKeys(guarded.access_key_id, Secret("wrong")))
    with pytest.raises(CredentialRefused, match="is wrong, has lapsed"):
        wrong.look("exports/bill.csv")
    with pytest.raises(CredentialRefused, match="AccessDenied"):
        names(opened(amazon.address, keys=guarded))
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        amazon.client("s3").list_objects_v2(Bucket=BUCKET)
