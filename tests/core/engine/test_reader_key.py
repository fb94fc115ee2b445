"""The key that a run opens an export with, as Google's own clients are given it."""

import json

import pytest

from src.core.base.faults import Rejected
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.engine import open_tables
from tests.fakes.google import service_account
from tests.fakes.odd_keys import composite_numbers, made_of

SETTINGS = Settings(_env_file=None)


def opened(key: str):
    return open_tables(SETTINGS, Secret(json.dumps({**service_account(), "private_key": key})), {"org": "acme"})


def test_a_stored_key_of_more_bits_than_are_taken_is_refused_before_googles_client_has_it():
    with pytest.raises(Rejected, match="a key of 4096 bits, the most that is taken"):
        opened(made_of(n=2**8192 - 1, d=2**8192 - 1, p=2**4096 - 1))


def test_googles_client_is_handed_a_key_whose_primes_nobody_has_proven():
    opened(made_of(**composite_numbers())).close()
