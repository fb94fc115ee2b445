"""What our tests build on and the emulator does not promise of its own."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus

from tests.contract.ledger.rivals import at_once

CALL_SECONDS = 60.0


def test_of_jobs_with_one_id_one_is_taken(bigquery_emulator):
    for number in range(10):
        told = at_once(4, lambda job_id=f"rivals_{number}": posted(bigquery_emulator, job_id))
        assert sorted(told) == [HTTPStatus.OK, *[HTTPStatus.CONFLICT] * 3]


def posted(emulator, job_id):
    """The status of the answer."""
    job = {
        "jobReference": {"projectId": emulator.project, "jobId": job_id},
        "configuration": {"query": {"query": "SELECT 1", "useLegacySql": False}},
    }
    address = f"{emulator.url}/bigquery/v2/projects/{emulator.project}/jobs"
    request = urllib.request.Request(address, json.dumps(job).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
