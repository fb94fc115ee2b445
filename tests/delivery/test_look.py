"""simple_test.sh and test_10_tenants.py against services that are well, not yet made, and wide open."""

import os
import subprocess
import sys

import pytest

from tests.delivery.stand_ins import ROOT
from tests.fakes.running import ROOT_KEY, RunningService, free_port

LOOK = str(ROOT / "simple_test.sh")
TENANTS = str(ROOT / "test_10_tenants.py")


def look(address: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "BASE_URL": address, **settings}
    return subprocess.run([LOOK, *(arguments or ("local",))], env=environment, text=True, capture_output=True, timeout=120, check=False)


def ten(service: RunningService, *arguments: str, root_key: str = ROOT_KEY) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, TENANTS, "--url", service.address, "--organisations", "3", "--seconds", "60", *arguments]
    environment = {"PATH": os.environ["PATH"], "CA_ROOT_API_KEY": root_key}
    return subprocess.run(command, env=environment, cwd=service.data, text=True, capture_output=True, timeout=120, check=False)


def slugs(service: RunningService) -> set[str]:
    return {each["org_slug"] for each in service.admin("GET", "/api/v1/organizations?limit=200").json()["organizations"]}


def test_a_service_that_is_well_passes(closed):
    done = look(closed.address, CA_ROOT_API_KEY=ROOT_KEY)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout
    assert "FAIL" not in done.stdout
    assert "the root key lists organisations" in done.stdout
    assert ROOT_KEY not in done.stdout + done.stderr


def test_another_root_key_and_another_environment_fail(closed):
    done = look(closed.address, "prod", CA_ROOT_API_KEY="admin_of_somewhere_else")

    assert done.returncode == 1
    assert "the root key got 401" in done.stdout
    assert "expected is a healthy service whose ENVIRONMENT is production" in done.stdout
    assert "2 failed" in done.stdout


def test_one_that_lets_everybody_through_fails(wide_open):
    done = look(wide_open.address)

    assert done.returncode == 1
    assert "no key got 200" in done.stdout
    assert "is DISABLE_AUTH set?" in done.stdout


def test_one_that_is_not_bootstrapped_fails(tmp_path):
    service = RunningService(tmp_path / "data").start()
    try:
        done = look(service.address)
    finally:
        service.stop()

    assert done.returncode == 1
    assert "it is not bootstrapped" in done.stdout
    assert "1 failed" in done.stdout


def test_no_answer_fails_at_once():
    done = look(f"http://127.0.0.1:{free_port()}")

    assert done.returncode == 1
    assert "no answer" in done.stdout


@pytest.mark.parametrize("arguments", [("production",), ("stage", "prod")])
def test_other_words_get_the_usage(arguments):
    assert look("http://127.0.0.1:1", *arguments).returncode == 2


def test_organisations_with_bills_of_their_own_stand_apart_and_are_erased(closed):
    before = slugs(closed)

    done = ten(closed, "--credential", str(closed.data / "sandbox" / "credentials"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 pairs tried; each stands apart" in done.stdout
    assert done.stdout.count("SUCCESS") == 3
    assert ROOT_KEY not in done.stdout
    assert slugs(closed) == before


def test_without_a_bill_they_are_tried_apart_all_the_same_and_may_be_kept(closed):
    before = slugs(closed)

    done = ten(closed, "--keep")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "figures were not compared" in done.stdout
    assert len(slugs(closed) - before) == 3


def test_where_everybody_is_let_through_none_stands_apart(wide_open):
    before = slugs(wide_open)

    done = ten(wide_open)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "/quota answered 200 to its key" in done.stdout
    assert "not apart or not right: 3" in done.stdout
    assert slugs(wide_open) == before


def test_a_wrong_root_key_is_told(closed):
    done = ten(closed, root_key="admin_of_somewhere_else")

    assert done.returncode == 2
    assert "answered 401" in done.stderr
