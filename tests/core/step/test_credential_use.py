"""What a run meets at its provider is written down beside the credential it was asked with, and beside no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from src.app.wiring import Parts
from src.core.base.faults import CredentialRefused, Fault, Missing, Rejected, StepFailed, Throttled, Timeout, Unavailable
from src.core.base.settings import Settings
from src.core.ledger.tables import audit
from src.core.ledger.tables import credentials as stored
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.step import credentials
from src.core.step.context import StepContext
from src.core.step.credential_use import in_use, refusals_noted
from src.core.step.credentials import OpenCredential
from tests.contract.ledger.samples import org
from tests.core.step.test_credentials import ACME, GLOBEX, context, proven

REVOKED = CredentialRefused("the key was revoked")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    opened = Parts(Settings(ca_root_api_key="admin_key", embedded_data_dir=tmp_path, _env_file=None))
    opened.ledger.bootstrap()
    with opened.ledger.writing() as unit:
        org(unit, "acme")
        org(unit, "globex")
    yield opened
    opened.close()


@pytest.fixture
def opened(parts: Parts) -> OpenCredential:
    credentials.store(context(parts), proven())
    return credentials.open(parts, ACME, "gcp")


def use(step: StepContext, opened: OpenCredential, fault: Fault | None = None) -> None:
    with in_use(step, opened):
        if fault:
            raise fault


def found(parts: Parts, name: str = "default", slug: str = "acme") -> CredentialRecord:
    record = parts.ledger.read(stored.find, slug, "gcp", name)
    assert record is not None
    return record


def trail(parts: Parts) -> list[tuple[str, str | None]]:
    rows = parts.ledger.read(audit.page, "acme", None, 20)
    told = [row.details or {} for row in rows if row.action == "integrations.validate"]
    return [(one["validation_status"], one["pipeline_logging_id"]) for one in told]


def test_one_that_is_refused_is_invalid_with_the_reason_and_the_moment_and_no_other_is(parts: Parts, opened: OpenCredential):
    credentials.store(context(parts), proven("other"))
    credentials.store(context(parts, GLOBEX), proven())
    others = found(parts, "other"), found(parts, slug="globex")
    began = parts.clock.now()

    with pytest.raises(CredentialRefused):
        use(context(parts), opened, REVOKED)

    refused = found(parts)
    assert (refused.validation_status, refused.validation_error) == ("INVALID", "the key was revoked")
    assert refused.validated_at is not None
    assert began <= refused.validated_at <= parts.clock.now()
    assert (found(parts, "other"), found(parts, slug="globex")) == others
    assert trail(parts) == [("INVALID", "run1")]


@pytest.mark.parametrize("fault", [Rejected, Missing, Throttled, Unavailable, StepFailed, Timeout])
def test_nothing_else_that_goes_wrong_says_anything_of_it(parts: Parts, opened: OpenCredential, fault: type[Fault]):
    before = found(parts)

    with pytest.raises(fault):
        use(context(parts), opened, fault("something else"))

    assert (found(parts), trail(parts)) == (before, [])


def test_a_later_run_that_goes_through_makes_it_valid_again_and_a_token_alone_does_not(parts: Parts, opened: OpenCredential):
    with pytest.raises(CredentialRefused):
        use(context(parts), opened, REVOKED)
    with refusals_noted(context(parts), opened):
        pass
    assert found(parts).validation_status == "INVALID"

    use(context(parts, run_id="run2"), opened)

    assert (found(parts).validation_status, found(parts).validation_error) == ("VALID", None)
    assert trail(parts) == [("VALID", "run2"), ("INVALID", "run1")]
    before = found(parts)
    use(context(parts, run_id="run3"), opened)
    assert (found(parts), len(trail(parts))) == (before, 2)


def test_a_refusal_that_came_after_a_run_began_is_not_taken_back_by_its_end(parts: Parts, opened: OpenCredential):
    with in_use(context(parts), opened), pytest.raises(CredentialRefused), in_use(context(parts, run_id="run2"), opened):
        raise REVOKED

    assert found(parts).validation_status == "INVALID"


@pytest.mark.parametrize("fault", [REVOKED, None])
def test_what_is_said_of_one_that_was_replaced_or_removed_meanwhile_is_of_nobody(parts: Parts, opened: OpenCredential, fault: Fault | None):
    credentials.store(context(parts), proven(validated_at=None))
    newer = found(parts)
    for _ in range(2):
        try:
            use(context(parts), opened, fault)
        except CredentialRefused:
            assert fault
        left = parts.ledger.read(stored.find, "acme", "gcp", "default")
        assert left in (newer, None)
        parts.ledger.write(stored.remove, "acme", "gcp", "default")

    assert trail(parts) == []


def test_a_thread_that_nobody_waits_for_writes_nothing(parts: Parts, opened: OpenCredential):
    before, late = found(parts), context(parts)
    late.given_up.set()

    with pytest.raises(Timeout):
        use(late, opened, REVOKED)

    assert (found(parts), trail(parts)) == (before, [])
