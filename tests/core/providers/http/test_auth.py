from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from src.core.base.faults import Rejected
from src.core.base.secret import Secret
from src.core.providers.http.auth import HeaderKey, bearer
from src.core.providers.http.client import Http
from tests.fakes.google import Fail, FakeGoogle, serving


@dataclass
class Listening(FakeGoogle):
    headers: list[dict[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: str, headers: Any) -> Fail:
        self.headers.append({name.lower(): text for name, text in headers.items()})
        return 200, {}, {}


@pytest.fixture
def listening() -> Iterator[Listening]:
    heard = Listening()
    with serving(heard):
        yield heard


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (bearer(Secret("ya29.token")), {"authorization": "Bearer ya29.token"}),
        (HeaderKey("x-api-key", Secret("sk-ant-admin-1")), {"x-api-key": "sk-ant-admin-1"}),
    ],
    ids=["bearer", "key"],
)
def test_a_key_stands_in_its_header_and_is_not_printed(listening: Listening, auth: HeaderKey, header: dict[str, str]):
    with Http("acme", 60.0) as http:
        http.ask("GET", listening.address, auth=auth, headers={"acme-version": "7"})
        http.ask("GET", listening.address)

    first, second = listening.headers
    assert header.items() <= first.items()
    assert first["acme-version"] == "7"
    assert not header.keys() & second.keys()
    assert auth.key.reveal() not in repr(auth)


@pytest.mark.parametrize("key", ["", "sk-1\n", "sk-1\r\nx-evil: 1", " sk-1", "sk-\N{EN DASH}1", "sk-\x001"])
def test_a_key_that_fits_no_header_is_refused_before_anything_is_sent(listening: Listening, key: str):
    with Http("acme", 60.0) as http, pytest.raises(Rejected, match="copy it again") as caught:
        http.ask("GET", listening.address, auth=HeaderKey("x-api-key", Secret(key)))

    assert listening.headers == []
    assert [flaw.field for flaw in caught.value.flaws] == ["credential"]
    assert "sk-" not in str(caught.value)
