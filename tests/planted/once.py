"""What a request under an Idempotency-Key is answered when it comes again."""

from tests.planted.defect import Defect

ONCE, ANSWERS, TESTS = "src/app/dependencies/once.py", "src/core/ledger/tables/answers.py", "tests/app/test_once.py"

DEFECTS = (
    Defect(
        "idempotency",
        "an API key lies in clear in the ledger until its repeat is forgotten",
        ONCE,
        "body, digest = body.replace(secret, HIDDEN), hashlib",
        "body, digest = body, hashlib",
        (f"{TESTS}::test_an_onboarding_is_answered_again_with_its_key_which_is_kept_nowhere_in_clear",),
    ),
    Defect(
        "idempotency",
        "a leaked key that is being replaced learns the newer one by guessing the Idempotency-Key",
        ONCE,
        "if key.fingerprint != noted.key_fingerprint or self.guessable:",
        "if key.fingerprint != noted.key_fingerprint:",
        (f"{TESTS}::test_a_key_that_is_being_replaced_learns_no_newer_one_by_a_guess",),
    ),
    Defect(
        "idempotency",
        "work whose answer was lost is done a second time",
        ONCE,
        'if not noted.done or self.repeat.again == "redo":',
        "if True:",
        (f"{TESTS}::test_an_answer_that_was_lost_with_its_process_is_told_anew",),
        "rotation",
    ),
    Defect(
        "idempotency",
        "a stalled process that was taken for dead does the work beside the one that took over",
        ANSWERS,
        'return update(table).where(table.c.audit_id == bindparam("id"), table.c.held_by == bindparam("holder"))',
        'return update(table).where(table.c.audit_id == bindparam("id"))',
        ("tests/contract/ledger/test_answers.py::test_work_that_was_taken_over_is_done_by_one",),
        "sqlite",
    ),
)
