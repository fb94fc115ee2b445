from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.app.dependencies import limits
from src.app.dependencies.limits import Limiter, client_address
from src.core.base.faults import Throttled
from src.core.base.settings import Settings
from tests.app.edge.conftest import build, client


class StoppedClock:
    def __init__(self, passed: float = 0.0) -> None:
        self.passed = passed

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.passed


def limiter(clock: StoppedClock, **settings: object) -> Limiter:
    return Limiter(Settings.model_validate({"rate_limit_org_per_minute": 5, "rate_limit_anonymous_per_minute": 3, **settings}), clock)


async def refused_for(asked: Limiter, bucket: str = "acme") -> float:
    """Seconds to wait; 0 when the call was admitted."""
    try:
        await asked.admit({}, "org", bucket)
    except Throttled as fault:
        return fault.retry_after or -1
    return 0


async def admitted(asked: Limiter, bucket: str = "acme") -> bool:
    return await refused_for(asked, bucket) == 0


async def test_admits_the_limit_and_no_more() -> None:
    asked = limiter(StoppedClock())
    assert [await admitted(asked) for _ in range(7)] == [True] * 5 + [False] * 2


async def test_each_bucket_counts_alone() -> None:
    asked = limiter(StoppedClock())
    assert [await admitted(asked, name) for name in ("acme", "globex") for _ in range(6)] == ([True] * 5 + [False]) * 2


async def test_a_burst_over_the_turn_of_the_minute_is_not_doubled() -> None:
    clock = StoppedClock(59.9)
    asked = limiter(clock)
    before = [await admitted(asked) for _ in range(5)]
    clock.passed = 60.1
    assert (before, await admitted(asked)) == ([True] * 5, False)


async def test_after_two_quiet_minutes_all_is_free_again() -> None:
    clock = StoppedClock()
    asked = limiter(clock)
    for _ in range(5):
        await admitted(asked)
    clock.passed = 125
    assert [await admitted(asked) for _ in range(6)] == [True] * 5 + [False]


@given(steps=st.lists(st.floats(min_value=0, max_value=30), min_size=1, max_size=60), limit=st.integers(1, 8))
@example(steps=[30.99999999999999, 0.0], limit=1)
async def test_no_minute_goes_over_and_waiting_as_told_always_helps(steps: list[float], limit: int) -> None:
    clock = StoppedClock()
    asked = limiter(clock, rate_limit_org_per_minute=limit)
    taken: list[float] = []
    for step in steps:
        clock.passed += step
        wait = await refused_for(asked)
        if wait:
            assert 1 <= wait <= 2 * limits.WINDOW_SECONDS
            clock.passed += wait
            assert await admitted(asked)
        taken.append(clock.passed)
        assert len([moment for moment in taken if moment // 60 == clock.passed // 60]) <= limit


async def test_off_means_no_limit_and_no_headers() -> None:
    asked = limiter(StoppedClock(), rate_limit_enabled=False)
    scope: dict[str, object] = {}
    for _ in range(50):
        await asked.admit(scope, "org", "acme")
    assert scope == {}


async def test_many_addresses_take_bounded_memory_and_touch_no_organisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 100)
    asked = limiter(StoppedClock())
    for _ in range(5):
        await admitted(asked)
    for number in range(1000):
        await asked.admit_anonymous({"client": (f"10.0.{number // 250}.{number % 250}", 1)})
    assert len(asked._windows["anonymous"].counts) == 100
    assert not await admitted(asked)


async def test_answers_carry_what_is_left_and_a_refusal_when_to_return() -> None:
    async with client(build(rate_limit_org_per_minute=2)) as caller:
        answers = [await caller.get("/api/v1/orgs/acme") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[:2] for answer in answers] == [['"org"', "r=1"], ['"org"', "r=0"], ['"org"', "r=0"]]
    assert answers[0].headers["ratelimit-policy"] == '"org";q=2;w=60'
    refused = answers[2]
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert f"t={refused.headers['retry-after']}" in refused.headers["ratelimit"]
    assert refused.json()["type"] == "/problems#throttled"
    assert f"try again in {refused.headers['retry-after']} seconds" in refused.json()["detail"]


async def test_guessing_keys_ends_for_the_address_that_guesses() -> None:
    app = build(rate_limit_anonymous_per_minute=3)
    async with client(app, "198.51.100.1") as guesser, client(app, "198.51.100.2") as other:
        seen = [(await guesser.post("/api/v1/orgs/guess/key")).status_code for _ in range(5)]
        assert (seen, (await other.post("/api/v1/orgs/guess/key")).status_code) == ([401, 401, 401, 429, 429], 401)


def scope(peer: str | None, *forwarded: str) -> dict[str, object]:
    return {"client": (peer, 1) if peer else None, "headers": [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]}


@pytest.mark.parametrize(
    ("hops", "asked", "address"),
    [
        (0, scope("192.0.2.1", "6.6.6.6"), "192.0.2.1"),
        (1, scope("10.0.0.1", "6.6.6.6, 192.0.2.1"), "192.0.2.1"),
        (2, scope("10.0.0.1", "6.6.6.6, 192.0.2.1, 10.0.0.2"), "192.0.2.1"),
        (2, scope("10.0.0.1", "6.6.6.6", "192.0.2.1,10.0.0.2"), "192.0.2.1"),
        (3, scope("10.0.0.1", "192.0.2.1"), "10.0.0.1"),
        (1, scope("10.0.0.1"), "10.0.0.1"),
        (1, scope("10.0.0.1", "192.0.2.1:4711"), "192.0.2.1"),
        (1, scope("10.0.0.1", "[2001:db8::1]:4711"), "2001:db8::/64"),
        (0, scope("2001:db8:0:0:ffff::1"), "2001:db8::/64"),
        (0, scope("::ffff:192.0.2.1"), "192.0.2.1"),
        (0, scope("fe80::1%eth0"), "fe80::/64"),
        (1, scope("10.0.0.1", "no address"), "unknown"),
        (0, scope(None), "unknown"),
    ],
)
def test_the_address_is_what_the_trusted_proxies_saw(hops: int, asked: dict[str, object], address: str) -> None:
    assert client_address(asked, hops) == address


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60), st.integers(0, 4))
def test_no_forwarded_header_breaks_it(forwarded: str, hops: int) -> None:
    assert client_address(scope("192.0.2.1", forwarded), hops)
