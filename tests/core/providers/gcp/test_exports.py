from itertools import count

import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Rejected, StepFailed, Throttled, Unavailable
from src.core.base.secret import Secret
from src.core.providers.gcp.account import Token
from src.core.providers.gcp.bigquery_rest import LONGEST_LIST, BigQueryRest
from src.core.providers.gcp.exports import ExportSettings, connection, discover
from src.core.providers.http.client import Http
from tests.fakes.google import DETAILED, EXPORT_COLUMNS, RESOURCE, STANDARD, FakeGoogle, FakeTable, error, service_account

CLOCK = SystemClock()
OTHER = "gcp_billing_export_v1_9F9F9F_8E8E8E_7D7D7D"
ACCOUNT = "0A0A0A-1B1B1B-2C2C2C"


@pytest.fixture
def rest(google: FakeGoogle):
    email = google.knows(service_account())["client_email"]
    with Http("gcp", 60.0) as http:
        yield BigQueryRest(http, google.address, Token(Secret("ya29." + email.replace("@", "-at-")), CLOCK.now()), CLOCK)


def found(rest: BigQueryRest, **settings: object):
    return discover(rest, ExportSettings.read(settings), "acme-billing", "reader")


def counted(rest: BigQueryRest, **settings: object) -> list[str]:
    return [one.name for one in found(rest, **settings) if one.counts]


def test_of_each_billing_account_the_detailed_export_counts_and_the_standard_one_where_it_is_alone(google, rest):
    google.projects["acme-billing"]["second"] = {OTHER: FakeTable()}

    seen = {one.table: (one.kind, one.billing_account, one.counts, one.location) for one in found(rest)}

    assert seen == {
        STANDARD: ("standard", ACCOUNT, False, "EU"),
        DETAILED: ("detailed", ACCOUNT, True, "EU"),
        OTHER: ("standard", "9F9F9F-8E8E8E-7D7D7D", True, "EU"),
    }


def test_an_export_switched_on_just_now_does_not_push_the_history_aside(google, rest):
    google.projects["acme-billing"]["billing"][DETAILED].rows = 0

    assert counted(rest) == [f"billing.{STANDARD}"]


def test_of_two_exports_of_one_kind_the_one_still_written_counts(google, rest):
    google.projects["acme-billing"]["anew"] = {DETAILED: FakeTable(modified=1_800_000_000_000)}

    assert counted(rest) == [f"anew.{DETAILED}"]
    google.projects["acme-billing"]["anew"][DETAILED].modified = 1_000
    assert counted(rest) == [f"billing.{DETAILED}"]


@pytest.mark.parametrize(
    "settings", [{"tables": [STANDARD]}, {"tables": [f"billing.{STANDARD}"]}, {"tables": [STANDARD], "dataset": "billing"}]
)
def test_named_tables_count_and_no_others(google, rest, settings):
    google.projects["acme-billing"]["second"] = {OTHER: FakeTable()}

    assert counted(rest, **settings) == [f"billing.{STANDARD}"]


def test_a_named_view_counts_by_its_columns(google, rest):
    google.projects["acme-billing"]["billing"]["our_bill"] = FakeTable([*EXPORT_COLUMNS, RESOURCE], kind="VIEW")

    (one,) = [one for one in found(rest, tables=["our_bill"]) if one.counts]

    assert (one.name, one.kind, one.billing_account) == ("billing.our_bill", "detailed", None)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"tables": [STANDARD, DETAILED]}, "would count it twice"),
        ({"tables": [STANDARD.replace("0A0A0A", "0A0A0B")]}, "not among the tables it sees; did you mean"),
        ({"tables": ["billing.nothing"]}, "no table billing.nothing"),
        ({"dataset": "billling"}, "Not found: Dataset"),
        ({"dataset": "events"}, "sees no billing export in dataset events"),
        ({"project": "acme-other"}, "roles/bigquery.dataViewer"),
        ({"project": "acme/../evil"}, "settings.project"),
        ({"dataset": "a b"}, "settings.dataset"),
        ({"tables": ["a.b.c"]}, "settings.tables[0]"),
        ({"tables": "x"}, "settings.tables"),
        ({"datset": "x"}, "did you mean 'dataset'"),
    ],
)
def test_settings_that_lead_nowhere_are_refused_with_the_reason(rest, settings, told):
    with pytest.raises(Rejected) as caught:
        found(rest, **settings)

    assert told in str(caught.value)


def test_a_name_that_stands_in_two_datasets_needs_its_dataset(google, rest):
    google.projects["acme-billing"]["again"] = {STANDARD: FakeTable()}

    with pytest.raises(Rejected, match=r"write dataset\.table"):
        found(rest, tables=[STANDARD])


def test_an_account_that_sees_nothing_is_told_what_it_lacks(google, rest):
    google.blind.add(service_account()["client_email"])

    with pytest.raises(Rejected, match=r"sees no billing export in project acme-billing. Grant it roles/bigquery.dataViewer"):
        found(rest)
    with pytest.raises(Rejected, match=r"Access Denied.*roles/bigquery.dataViewer"):
        found(rest, dataset="billing")


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (error(403, "slow", "rateLimitExceeded", Retry_After="4"), Throttled),
        (error(503, "later", "backendError"), Unavailable),
        ((200, b"<html>", {}), Unavailable),
        ((200, {"datasets": [{"id": 7}]}, {}), StepFailed),
    ],
)
def test_a_failure_of_google_is_no_refusal(google, rest, fail, kind):
    google.fail = lambda _path: fail

    with pytest.raises(kind):
        found(rest)


def test_a_list_without_an_end_is_given_up(google, rest):
    numbers = count()
    google.fail = lambda _path: (200, {"nextPageToken": f"{next(numbers)}"}, {})

    with pytest.raises(StepFailed, match="Google's list of projects/acme-billing/datasets has more than 20000 entries; name the dataset"):
        found(rest)
    assert len(google.asked) == LONGEST_LIST


def test_names_cannot_lead_to_another_address(google, rest):
    with pytest.raises(Rejected):
        list(rest.tables("p/datasets/x", "../../../token?a=b"))

    assert google.asked == ["GET /bigquery/v2/projects/p%2Fdatasets%2Fx/datasets/..%2F..%2F..%2Ftoken%3Fa%3Db/tables?maxResults=1000"]


def test_the_connection_says_what_all_counted_tables_have_in_common(google, rest):
    settings = ExportSettings.read({"dataset": "billing"})
    stored = connection(discover(rest, settings, "acme-billing", "reader"), settings)

    assert (stored["project"], stored["dataset"], stored["settings"]) == ("acme-billing", "billing", {"dataset": "billing"})
    assert [one["table"] for one in stored["tables"] if one["counts"]] == [DETAILED]
    google.projects["acme-billing"]["second"] = {OTHER: FakeTable()}
    assert connection(found(rest), ExportSettings())["dataset"] is None
