"""The pages under docs/ name every setting, call, fault, table and processor there is."""

import re
from pathlib import Path

import httpx2
import pytest
import yaml

from src.app.config import Settings
from src.app.process.codes import every_code
from src.app.service import create_app
from src.core.pipeline.checks import models_of
from src.core.pipeline.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = (ROOT / "docs/reference/configuration.md").read_text()
API = (ROOT / "docs/reference/api.md").read_text()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented_with_its_meaning(name):
    description = Settings.model_fields[name].description

    assert f"| `{name.upper()}` |" in CONFIGURATION
    assert description
    assert f"| {description} |" in CONFIGURATION


def test_no_setting_is_documented_that_does_not_exist():
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", CONFIGURATION, re.MULTILINE))

    assert documented == {name.upper() for name in Settings.model_fields}


def test_the_example_file_has_every_setting_and_no_other():
    example = (ROOT / ".env.example").read_text()

    assert set(re.findall(r"^(?:# )?([A-Z0-9_]+)=", example, re.MULTILINE)) == {name.upper() for name in Settings.model_fields}


def test_every_call_is_documented():
    app = create_app(Settings(disable_auth=True, _env_file=None))
    served = {f"{method.upper()} {path}" for path, operations in app.openapi()["paths"].items() for method in operations}

    assert set(re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)` \|", API, re.MULTILINE)) == served


def test_every_code_of_a_problem_is_documented_with_its_status_and_mend():
    told = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| (.+) \| (.+) \|$", API, re.MULTILINE)

    assert told == [(code.name, str(code.status), code.title, code.mend) for code in every_code()]


async def test_the_type_of_every_problem_leads_to_what_is_said_of_it():
    app = create_app(Settings(disable_auth=True, enable_api_docs=False, _env_file=None))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as caller:
        page = (await caller.get(every_code()[0].address)).text

    for code in every_code():
        address, _, place = code.address.partition("#")
        assert address == "/problems"
        assert f'<dt id="{place}"><code>{code.name}</code>: {code.status} {code.title}</dt>' in page


def test_every_management_table_is_documented():
    page = (ROOT / "docs/reference/tables.md").read_text()

    for folder in ("", "platform"):
        config = yaml.safe_load((ROOT / "configs/setup/bootstrap" / folder / "config.yml").read_text())
        for name in (*config["tables"], *config["views"]):
            assert f"| `{name}` |" in page


def test_every_processor_in_use_is_documented():
    page = (ROOT / "docs/reference/processors.md").read_text()
    used = {
        step["ps_type"] for path in (ROOT / "configs").rglob("*.yml") for step in (yaml.safe_load(path.read_text()) or {}).get("steps", ())
    }

    assert used
    for ps_type in used:
        assert f"| `{ps_type}` |" in page


def test_every_key_of_a_config_is_documented():
    page = (ROOT / "docs/reference/processors.md").read_text()
    rows = {
        part.partition("\n")[0]: re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|", part, re.MULTILINE) for part in page.split("\n## ")[1:]
    }
    sections = {name: set(re.findall(r"`([a-z_]+)`", " ".join(found))) for name, found in rows.items()}
    registry = Registry()

    for ps_type in registry.known:
        keys = {key for model in models_of(registry.resolve(ps_type)) for key in model.model_fields}
        # one that shares its model with another, as every provider's that is asked by the day, may be told of there
        told = sections.get(ps_type) or next((some for some in sections.values() if keys <= some), set())
        assert keys == told if ps_type in sections else keys <= told, ps_type
