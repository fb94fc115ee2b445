import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from src.app.process.logs import configure_logs
from src.app.process.redaction import MASK, redacted, redacted_text
from src.app.process.repeats import Repeats
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from tests.app.edge.conftest import ORG_KEY, events

PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"
SHAPES = [ORG_KEY, "sk-proj-abcdefghijklmnop", "admin_" + "x" * 43, PRIVATE_KEY, "Bearer abc.def-ghi", "AKIAABCDEFGHIJKLMNOP"]
NAMES = ["api_key", "apiKey", "X-API-Key", "CA_ROOT_API_KEY", "client_secret", "credential", "db_password", "access_token", "Authorization"]


def configured(repeats: Repeats | None = None, **settings: object) -> None:
    configure_logs(Settings.model_validate({"log_format": "json", **settings}), repeats)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("around", ["{}", "before {} after", '{{"a": "{}"}}', "x={},y"])
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(shape: str, around: str) -> None:
    text = redacted_text(around.format(shape))
    assert MASK in text
    assert shape not in text


@pytest.mark.parametrize(
    "plain", ["task-force", "acme_corp", "risk-adjusted-returns", "api_v1", "the bearer of news", "admin_user", "/api/v1/orgs"]
)
def test_what_does_not_is_left_alone(plain: str) -> None:
    assert redacted_text(plain) == plain


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["hunter2hunter2", b"hunter2", ["hunter2"], {"a": "hunter2"}])
def test_what_travels_under_a_secrets_name_is_masked(name: str, value: object) -> None:
    assert redacted({"deep": [{name: value}]}) == {"deep": [{name: MASK}]}


@pytest.mark.parametrize("name", ["key_fingerprint", "key_id", "key_ids", "credential_name", "provider", "row_count"])
def test_what_names_a_secret_without_telling_it_stays(name: str) -> None:
    assert redacted({name: "gcp-1"}) == {name: "gcp-1"}


def test_numbers_of_tokens_stay() -> None:
    assert redacted({"input_tokens": 12, "cached_tokens": None, "token_limit_reached": True}) == {
        "input_tokens": 12,
        "cached_tokens": None,
        "token_limit_reached": True,
    }


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_whatever_comes_becomes_plain_data_and_stays_so(value: object) -> None:
    once = redacted(value)
    assert redacted(json.loads(json.dumps(once))) == once


def test_every_kind_of_line_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    log = structlog.get_logger("test")
    structlog.contextvars.bind_contextvars(bound=ORG_KEY)
    log.info(ORG_KEY, api_key=ORG_KEY, sealed=Secret(ORG_KEY), typed=SecretStr(ORG_KEY), nested={"body": [f"x {ORG_KEY}"]})
    try:
        int(ORG_KEY)
    except ValueError:
        log.exception("failed")
    logging.getLogger("somebody.else").warning("they say %s", ORG_KEY)
    written = capsys.readouterr().err
    assert len(events(written)) == 3
    assert ORG_KEY not in written


def test_json_lines_carry_level_severity_time_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    structlog.contextvars.bind_contextvars(run_id="r1")
    structlog.get_logger().warning("step.finished", rows=3, org="acmé")
    [event] = events(capsys.readouterr().err)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "step.finished", "rows": 3, "org": "acmé", "run_id": "r1", "level": "warning", "severity": "WARNING"}


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configured(log_level="error")
    structlog.get_logger().warning("quiet")
    assert capsys.readouterr().err == ""


def test_uvicorns_own_lines_take_the_same_form_once(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    configured()
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    [event] = events(capsys.readouterr().err)
    assert (event["event"], event["logger"], event["level"]) == ("Started server process [7]", "uvicorn.error", "info")


def test_uvicorn_writes_no_access_log_of_its_own() -> None:
    configured()
    assert not logging.getLogger("uvicorn.access").hasHandlers()


def test_a_console_line_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configured(log_format="console")
    structlog.get_logger().info("step.finished", rows=3)
    written = capsys.readouterr().err
    assert "step.finished" in written
    assert "rows=3" in written
    assert not written.startswith("{")


HOSTILE = "a\x1b[2J\x07\x9b31m\u202eb\r\n2026-11-29 [info] all is well"


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_line_holds_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configured(log_format=log_format)
    structlog.get_logger().info(HOSTILE, path=HOSTILE, nested={HOSTILE: [HOSTILE]})
    logging.getLogger("uvicorn.error").info("they say %s", HOSTILE)
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 2
    assert not [letter for letter in written.replace("\n", "").replace("\u202e", "") if not letter.isprintable()]
    assert "all is well" in written


def test_a_traceback_keeps_its_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    configured(log_format="console")
    try:
        int(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("failed", said=HOSTILE)
    written = capsys.readouterr().err
    assert "\nTraceback" in written
    assert "\x1b" not in written
    assert "\r" not in written


def test_a_warning_that_repeats_is_written_once_a_minute_with_how_many_were_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = [0.0]
    configured(repeats=Repeats(lambda: seconds[0]))
    log = structlog.get_logger()
    for second in (0, 1, 59.9, 60, 61):
        seconds[0] = second
        log.warning("heartbeat.failed", run_id="r1", request_id=f"q{second}")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    log.warning("heartbeat.failed", run_id="r2")
    for _ in range(2):
        log.error("broke")
        logging.getLogger("uvicorn.error").error("It broke.")
        log.info("ran")
    written = events(capsys.readouterr().err)
    assert [event.get("left_out") for event in written if event.get("run_id") == "r1"] == [None, 2]
    assert [event.get("left_out") for event in written if event["event"] == "Invalid HTTP request received."] == [None, 2]
    assert [event["event"] for event in written][-7:] == ["heartbeat.failed", *["broke", "It broke.", "ran"] * 2]


def test_of_ever_new_warnings_the_last_thousand_are_remembered() -> None:
    repeats = Repeats(lambda: 0.0)
    for number in range(5000):
        assert repeats.since(f"warning {number}") == 0
    assert [repeats.since("warning 4999"), repeats.since("warning 0")] == [None, 0]


def test_a_warning_that_goes_on_is_not_forgotten_for_older_ones() -> None:
    seconds = [0.0]
    repeats = Repeats(lambda: seconds[0])
    assert repeats.since("goes on") == 0
    assert [repeats.since(f"first {number}") for number in range(500)] == [0] * 500
    seconds[0] = 61.0
    assert repeats.since("goes on") == 0
    assert [repeats.since(f"later {number}") for number in range(999)] == [0] * 999
    assert repeats.since("goes on") is None
