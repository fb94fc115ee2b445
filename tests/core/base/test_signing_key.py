import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from src.core.base.faults import Rejected
from src.core.base.signing_key import LONGEST, MOST_BITS, signing_key
from tests.fakes.google import key_pair, pem
from tests.fakes.odd_keys import FORMS, Form, composite_numbers, made_of


def refused(text: str) -> str:
    with pytest.raises(Rejected) as caught:
        signing_key(text)
    assert [flaw.field for flaw in caught.value.flaws] == ["credential.private_key"]
    return caught.value.detail


def of_bits(bits: int, form: Form) -> str:
    """As long as a real one of so many bits."""
    half = 2 ** (bits // 2) - 1
    return made_of(form, n=2**bits - 1, d=2**bits - 1, p=half, q=half, dp=half, dq=half, qi=half)


@pytest.mark.parametrize("form", FORMS)
def test_a_key_of_more_bits_than_google_takes_is_refused_by_its_length_before_it_is_loaded(form: Form):
    for bits in (5120, 8192, 16384):
        assert "longer than 4000 characters: a key of 4096 bits, the most that is taken, is shorter" in refused(of_bits(bits, form))


@pytest.mark.parametrize("form", FORMS)
def test_a_key_of_the_most_bits_is_not_too_long_and_one_of_a_few_more_is_refused_by_them(form: Form):
    longest = of_bits(MOST_BITS, form).replace("\n", "\r\n")

    # its numbers are made up: what is told of it is that, and not its length
    assert "was changed" in refused(longest)
    longer = made_of(form, n=2 ** (MOST_BITS + 8) - 1)
    assert len(longer) < LONGEST
    assert "2048 to 4096 bits" in refused(longer)


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_read_and_its_primes_are_not_proven(form: Form):
    """To prove them holds every other thread up. Those of this key are none, so that whoever proved them would refuse it."""
    key = signing_key(f"\n{made_of(form, **composite_numbers())}\n")

    key.public_key().verify(key.sign(b"x", PKCS1v15(), hashes.SHA256()), b"x", PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("changed", [{"d": 3, "dp": 3}, {"n": 2**2048 - 2}, {"n": 2**2048 - 1}, {"p": 0, "q": 0}, {"e": 3}])
def test_numbers_that_do_not_belong_together_are_a_key_that_was_changed(changed: dict[str, int]):
    assert "was changed" in refused(made_of(**changed))


@pytest.mark.parametrize("exponent", [2**32 + 1, 2**2000 + 1])
def test_a_long_public_exponent_is_refused_before_anything_is_signed(exponent: int):
    assert "public exponent" in refused(made_of(e=exponent))


def test_several_keys_one_after_the_other_are_none():
    assert "was changed" in refused(made_of("RSA PRIVATE KEY") + made_of("RSA PRIVATE KEY"))


def test_what_is_locked_and_does_not_say_so_is_not_unlocked():
    locked = key_pair().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")).decode()

    assert "must be an RSA key" in refused(locked.replace("ENCRYPTED ", ""))


def test_what_google_makes_is_read():
    assert signing_key(pem(key_pair())).private_numbers() == key_pair().private_numbers()
