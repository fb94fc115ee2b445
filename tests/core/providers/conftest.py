from collections.abc import Iterator

import pytest

from tests.fakes.google import FakeGoogle, acme, serving


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with serving(acme()) as made:
        yield made
