import pytest

from src.core.base.faults import Rejected
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.objects.place import AzurePlace, FolderPlace, GcsPlace, Place, S3Place, name_within

S3 = S3Place("acme-billing", "eu-central-1", "exports/daily")
OTHERS = (
    GcsPlace("acme_billing", "exports/daily"),
    AzurePlace("acmebilling", "cost-exports", "exports/daily"),
    FolderPlace(Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT), "exports/daily"),
)


@pytest.mark.parametrize("place", [S3, *OTHERS], ids=lambda place: place.address)
def test_a_manifest_names_objects_in_full_or_by_their_address(place: Place):
    for name in ("exports/daily/BILLING_PERIOD=2026-10/a b~%20+[1].csv.gz", "exports/daily/ä.parquet", "exports/daily/...x"):
        assert name_within(place, name) == name
        assert name_within(place, f"{place.address}/{name}") == name


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("exports/daily/../../secrets/a.csv", "has a step"),
        ("exports/daily/./a.csv", "has a step"),
        ("/exports/daily/a.csv", "begins or ends with a slash"),
        ("exports/daily//a.csv", "two in a row"),
        ("exports/daily/a.csv/", "begins or ends with a slash"),
        ("exports/daily", "is not below 'exports/daily'"),
        ("exports/daily-of-others/a.csv", "is not below"),
        ("exports/a.csv", "is not below"),
        ("s3://another-bucket/exports/daily/a.csv", "is not in s3://acme-billing"),
        ("s3://acme-billing-2/exports/daily/a.csv", "is not in s3://acme-billing"),
        ("gs://acme-billing/exports/daily/a.csv", "is not in s3://acme-billing"),
        ("https://169.254.169.254/exports/daily/a", "is not in s3://acme-billing"),
        ("file:///etc/passwd", "is not in s3://acme-billing"),
        ("s3://acme-billing/s3://acme-billing/exports/daily/a", "is not in"),
        ("s3://acme-billing//exports/daily/a", "begins or ends with a slash"),
        ("exports/daily/a\n.csv", "cannot be printed"),
        ("exports/daily/a\x00.csv", "cannot be printed"),
        ("", "must have 1 to 1024 bytes"),
        ("exports/daily/" + "ä" * 600, "must have 1 to 1024 bytes"),
    ],
)
def test_no_object_outside_of_the_prefix_is_named(told: str, words: str):
    with pytest.raises(Rejected, match=words):
        name_within(S3, told)


def test_without_a_prefix_the_whole_bucket_is_the_place_and_nothing_more():
    bucket = S3Place("acme-billing", "eu-central-1")

    assert name_within(bucket, "a.csv") == "a.csv"
    with pytest.raises(Rejected, match="has a step"):
        name_within(bucket, "../other/a.csv")


@pytest.mark.parametrize("prefix", ["/exports", "exports/", "a//b", "..", "a/../b", "a\tb", "."])
def test_a_prefix_that_a_storage_reads_otherwise_is_refused(prefix: str):
    with pytest.raises(Rejected, match="write it like exports/daily"):
        S3Place("acme-billing", "eu-central-1", prefix)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: S3Place("acme/billing", "eu-central-1"), "the name of a bucket"),
        (lambda: S3Place("acme..billing", "eu-central-1"), "the name of a bucket"),
        (lambda: S3Place("Acme-Billing", "eu-central-1"), "the name of a bucket"),
        (lambda: S3Place("acme-billing\n", "eu-central-1"), "the name of a bucket"),
        (lambda: S3Place("acme-billing", "eu-central-1.evil.example/"), "a region of AWS"),
        (lambda: S3Place("acme-billing", "{account}"), "a region of AWS"),
        (lambda: GcsPlace("acme?x=1"), "Google Cloud Storage"),
        (lambda: AzurePlace("evil.example/", "exports"), "a storage account"),
        (lambda: AzurePlace("acmebilling", "../exports"), "a container of Azure"),
        (lambda: AzurePlace("acmebilling", "ab"), "a container of Azure"),
    ],
)
def test_a_name_that_would_lead_to_another_address_is_refused(make, words: str):
    with pytest.raises(Rejected, match=words):
        make()


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "ap-southeast-12", "us-iso-east-1"])
def test_regions_of_aws_are_known_by_their_shape(region: str):
    assert S3Place("acme-billing", region).region == region
