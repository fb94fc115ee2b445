from datetime import date
from pathlib import Path

from src.sandbox.openai.organizations import ORGANIZATIONS
from tests.fakes.served import served

SETUP = "integrations/{org}/openai/setup"


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
