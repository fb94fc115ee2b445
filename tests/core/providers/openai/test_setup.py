import asyncio
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import structlog

from src.core.base.faults import Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.names import OrgSlug
from src.core.base.secret import Secret
from src.core.processors.openai import authenticator, validation
from src.core.step.context import StepContext
from src.sandbox.openai.organizations import ORGANIZATIONS
from tests.fakes.served import ORG, served

SETUP = "integrations/{org}/openai/setup"
CALLERS = 200


async def test_an_organisation_sets_openai_up_and_finds_it_among_its_providers(tmp_path: Path):
    async with served(tmp_path, date(2026, 11, 21)) as acme:
        listed = (await acme.found("integrations/{org}"))["integrations"]
        assert [(one["title"], one["kind"], one["status"]) for one in listed if one["provider"] == "openai"] == [
            ("OpenAI", "model", "NOT_SET_UP")
        ]

        for name in ("project", "narrow", "revoked"):
            text = (acme.here.parts.settings.data_dir / "sandbox" / "credentials" / f"openai-{name}.txt").read_text()
            refused = await acme.ask("POST", SETUP, {"credential": text})
            assert (refused.status_code, "Admin keys" in refused.json()["detail"], text in refused.text) == (422, True, False)
        as_an_object = await acme.ask("POST", SETUP, {"credential": {"api_key": "sk-admin-Zq7RmB2xK9vLw4Ty"}})
        assert (as_an_object.status_code, "this is a JSON object" in as_an_object.json()["detail"]) == (422, True)
        assert (await acme.found("integrations/{org}/openai"))["credentials"] == []

        await acme.connect("openai", "openai-demo.txt")
        assert (await acme.ask("POST", "integrations/{org}/openai/validate")).json()["validation_status"] == "VALID"
        (credential,) = (await acme.found("integrations/{org}/openai"))["credentials"]
        assert credential["subject"] == credential["organization"] == ORGANIZATIONS["demo"].id

        gone = (await acme.ask("DELETE", "integrations/{org}/openai")).json()
        assert gone["kept"][:2] == ["its price book openai_model_pricing", "its price book openai_subscriptions"]
        assert (await acme.found("integrations/{org}/openai/pricing", model="gpt-5.4"))["rows"]


async def test_a_key_may_be_kept_without_asking_and_what_is_asked_later_is_written_down(tmp_path: Path):
    async with served(tmp_path, date(2026, 11, 21)) as acme:

        async def setup(name: str, **more: object) -> tuple[int, str | None]:
            text = (acme.here.parts.settings.data_dir / "sandbox" / "credentials" / f"openai-{name}.txt").read_text()
            answer = await acme.ask("POST", SETUP, {"credential": text, **more})
            assert text not in answer.text
            return answer.status_code, answer.json().get("validation_status")

        async def stands() -> tuple[str, str, str | None]:
            found = await acme.found("integrations/{org}/openai")
            (credential,) = found["credentials"]
            assert found["status"] == credential["validation_status"]
            return found["status"], credential["credential_fingerprint"], credential["validation_error"]

        async def validated() -> int:
            return (await acme.ask("POST", "integrations/{org}/openai/validate")).status_code

        assert await setup("project", skip_validation=True) == (422, None)
        assert (await acme.found("integrations/{org}/openai"))["credentials"] == []

        assert await setup("revoked", skip_validation=True) == (200, "PENDING")
        assert (await stands())[2] is None
        assert await validated() == 200
        assert (await stands())[0] == "INVALID"

        assert await setup("demo") == (200, "VALID")
        kept = await stands()
        # neither a refusal nor silence takes the place of what works
        assert await setup("revoked") == (422, None)
        assert await setup("failing") == (503, None)
        assert await stands() == kept

        assert await setup("failing", skip_validation=True) == (200, "PENDING")
        assert await validated() == 503
        status, _, error = await stands()
        assert (status, bool(error)) == ("UNREACHABLE", True)


async def test_a_run_asks_about_its_key_and_ends_with_one_that_is_refused(tmp_path: Path):
    async with served(tmp_path, date(2026, 11, 21)) as acme:
        parts = acme.here.parts
        tenant = Tenant(OrgSlug(ORG), parts.settings.environment, 1)
        context = StepContext("run1", "validate_key", Actor("org", tenant.org_slug), parts, structlog.get_logger(), tenant)
        await acme.connect("openai", "openai-demo.txt")
        opened = await authenticator.get_engine().execute({}, context)
        asked = await validation.get_engine().execute({"credential_from": "open_key"}, replace(context, results={"open_key": opened}))
        assert (opened["subject"], asked["validation_status"]) == (ORGANIZATIONS["demo"].id, "VALID")
        assert isinstance(opened["credential"], Secret)

        text = (parts.settings.data_dir / "sandbox" / "credentials" / "openai-revoked.txt").read_text()
        assert (await acme.ask("POST", SETUP, {"credential": text, "skip_validation": True})).status_code == 200
        with pytest.raises(Rejected):
            await validation.get_engine().execute({}, context)
        assert (await acme.found("integrations/{org}/openai"))["status"] == "INVALID"


async def test_a_key_stands_nowhere_but_sealed_whatever_becomes_of_its_setup(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async with served(tmp_path, date(2026, 11, 21)) as acme:
        folder = acme.here.parts.settings.data_dir
        keys = {path.name: path.read_text() for path in (folder / "sandbox" / "credentials").glob("openai-*.txt")}
        for name in ("demo", "second", "project", "service-account", "legacy", "revoked", "narrow", "failing"):
            await acme.ask("POST", SETUP, {"credential": keys[f"openai-{name}.txt"], "credential_name": name})
        await acme.ask("POST", SETUP, {"credential": keys["openai-slow.txt"], "skip_validation": True, "another_account": True})
        await acme.ask("POST", "integrations/{org}/openai/validate", credential_name="demo")
        listed = await acme.ask("GET", "integrations/{org}/openai")
        assert len(listed.json()["credentials"]) == 3
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.parent.name != "credentials"]
    logged = capsys.readouterr()
    for key in keys.values():
        # its middle too: a part would be enough to go on from
        for piece in (key, key[:24], key[-16:]):
            assert not [1 for content in written if piece.encode() in content]
            assert piece not in listed.text + logged.out + logged.err


async def test_of_two_hundred_setups_at_once_each_is_carried_out_or_told_when_to_come_back(tmp_path: Path):
    async with served(tmp_path, date(2026, 11, 21)) as acme:
        text = (acme.here.parts.settings.data_dir / "sandbox" / "credentials" / "openai-demo.txt").read_text()
        named = [{"credential": text, "credential_name": f"key{number}"} for number in range(CALLERS)]
        answers = await asyncio.gather(*(acme.ask("POST", SETUP, body) for body in named))
        done = [body["credential_name"] for body, answer in zip(named, answers, strict=True) if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert done
        assert {answer.status_code for answer in refused} <= {429, 503}
        assert all("retry-after" in answer.headers for answer in refused)
        stored = (await acme.found("integrations/{org}/openai"))["credentials"]
        assert sorted(one["credential_name"] for one in stored) == sorted(done)
        # one book, however many made it
        prices = await acme.found("integrations/{org}/openai/pricing", limit="5000")
        assert len({row["rate_id"] for row in prices["rows"]}) == len(prices["rows"]) > 1000
