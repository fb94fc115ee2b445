"""Following a run: what the stream says, when it ends, and that nothing is left when its reader goes."""

import asyncio
import contextlib
import signal

import pytest

from src.app.answers.sse import WATCHERS, ServerEvent, Watchers, encoded, paced
from src.app.dependencies import auth
from src.core.base.faults import Throttled
from src.core.base.names import fingerprint
from src.core.ledger.tables import keys
from tests.acceptance.observed import problem
from tests.app.running_parts import WAIT_SECONDS, Exchange, House, until

RUNS = "/api/v1/pipelines/runs/acme_corp"


async def following(house: House, run_id: str, **headers: str) -> tuple[Exchange, asyncio.Task[None]]:
    exchange = Exchange(house.app, f"{RUNS}/{run_id}/events")
    exchange.headers = {**exchange.headers, **headers}
    return exchange, exchange.start()


async def test_a_run_is_told_from_waiting_to_its_end(house):
    run_id = await house.accepted("acme_corp")
    exchange, task = await following(house, run_id)
    await exchange.until('"state":"QUEUED"')
    house.begin(run_id)
    house.tell(
        run_id, step_id="load_rows", step_index=2, steps=2, rows=5, rows_total=10, bytes=7, bytes_total=9, percent=75.0, eta_seconds=1.5
    )
    await exchange.until('"percent":75.0')
    house.end(run_id, "acme_corp", "FAILED", error_code="timeout", error_message="line one\nline two")
    async with asyncio.timeout(WAIT_SECONDS):
        await task

    events = exchange.events
    assert [name for name, _, _ in events] == ["progress"] * (len(events) - 1) + ["end"]
    assert events[0][2]["status"] == "RUNNING"
    told = next(data for _, _, data in events if data.get("percent") == 75.0)
    assert {name: told[name] for name in ("step", "step_index", "steps", "rows", "rows_total", "bytes", "bytes_total", "eta_seconds")} == {
        "step": "load_rows",
        "step_index": 2,
        "steps": 2,
        "rows": 5,
        "rows_total": 10,
        "bytes": 7,
        "bytes_total": 9,
        "eta_seconds": 1.5,
    }
    assert events[-1][2]["status"] == "FAILED"
    assert events[-1][2]["error"] == {"code": "timeout", "message": "line one\nline two"}
    assert len({number for _, number, _ in events}) == len(events)
    assert exchange.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_the_stream_says_that_it_must_not_be_held_back(house):
    run_id = await house.accepted("acme_corp")
    house.end(run_id, "acme_corp", "CANCELLED")
    exchange, task = await following(house, run_id)
    async with asyncio.timeout(WAIT_SECONDS):
        await task

    assert exchange.status == 200
    assert exchange.header["content-type"].startswith("text/event-stream")
    assert "no-store" in exchange.header["cache-control"]
    assert exchange.header["x-accel-buffering"] == "no"
    assert "content-length" not in exchange.header
    assert exchange.text.startswith("retry: ")
    assert [name for name, _, _ in exchange.events] == ["progress", "end"]


async def test_who_was_told_the_end_is_not_told_again(house):
    run_id = await house.accepted("acme_corp")
    house.end(run_id, "acme_corp")

    assert (await house.read(f"{RUNS}/{run_id}/events", **{"Last-Event-ID": "end"})).status_code == 204
    again = await house.read(f"{RUNS}/{run_id}/events", **{"Last-Event-ID": "3"})
    assert "event: end" in again.text


async def test_a_reader_who_leaves_leaves_nothing_behind(house):
    run_id = await house.accepted("acme_corp")
    before = asyncio.all_tasks()
    exchanges = [await following(house, run_id) for _ in range(5)]
    for exchange, _ in exchanges:
        await exchange.until("event: progress")
    assert house.app.state.watchers.of("acme_corp") == 5

    for exchange, _ in exchanges:
        exchange.left.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(*(task for _, task in exchanges))

    assert house.app.state.watchers.of("acme_corp") == 0
    assert asyncio.all_tasks() == before


async def test_a_reader_who_leaves_while_being_told_leaves_nothing_behind(house):
    run_id = await house.accepted("acme_corp")
    before = asyncio.all_tasks()
    exchange = Exchange(house.app, f"{RUNS}/{run_id}/events")
    stuck = asyncio.Event()
    take = exchange._send

    async def never_taken(message):
        await take(message)
        if message.get("body"):
            stuck.set()
            await asyncio.Event().wait()

    exchange._send = never_taken  # type: ignore[method-assign]
    task = exchange.start()
    async with asyncio.timeout(WAIT_SECONDS):
        await stuck.wait()
        exchange.left.set()
        await task

    assert house.app.state.watchers.of("acme_corp") == 0
    assert asyncio.all_tasks() == before


async def test_waiting_for_the_end_ends_when_the_caller_leaves(house):
    before = asyncio.all_tasks()
    exchange = Exchange(house.app, "/api/v1/pipelines/run/acme_corp/fake/cost", method="POST", query="wait=true")
    task = exchange.start()
    await until(lambda: house.woken.times == 1)
    assert house.app.state.watchers.of("acme_corp") == 1
    exchange.left.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await task

    assert house.app.state.watchers.of("acme_corp") == 0
    assert asyncio.all_tasks() == before


async def test_a_service_that_stops_closes_its_streams(house):
    run_id = await house.accepted("acme_corp")
    exchange, task = await following(house, run_id)
    await exchange.until("event: progress")
    house.app.state.watchers.stopping.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await task

    assert exchange.sent[-1]["more_body"] is False
    assert "event: end" not in exchange.text


async def test_an_organisation_has_so_many_streams_and_no_more_and_others_are_not_touched(house):
    other = house.organisation("other_corp")
    run_id = await house.accepted("acme_corp")
    theirs = (await house.ask("other_corp")).json()["pipeline_logging_id"]
    exchanges = [await following(house, run_id) for _ in range(WATCHERS)]
    for exchange, _ in exchanges:
        await exchange.until("event: progress")

    refused = await house.read(f"{RUNS}/{run_id}/events")
    waiting = await house.ask("acme_corp", {"date": "2026-01-01"}, "fake/cost?wait=true")
    foreign = Exchange(house.app, f"/api/v1/pipelines/runs/other_corp/{theirs}/events", {"X-API-Key": other})
    foreign_task = foreign.start()
    await foreign.until("event: progress")
    for exchange in (foreign, *(exchange for exchange, _ in exchanges)):
        exchange.left.set()
    await asyncio.gather(foreign_task, *(task for _, task in exchanges))

    for answer in (refused, waiting):
        assert str(WATCHERS) in problem(answer, 429, "throttled")["detail"]
        assert answer.headers["retry-after"] == "5"
    assert len((await house.found(RUNS))["runs"]) == 1


async def test_a_silent_stream_is_kept_alive():
    never: asyncio.Event = asyncio.Event()

    async def silent():
        yield "one"
        await never.wait()

    async def told():
        async for item in paced(silent(), asyncio.Event(), every=0.01):
            yield None if item is None else ServerEvent("progress", "1", {"item": item})

    stream = encoded(told())
    chunks = [await anext(stream) for _ in range(4)]
    await stream.aclose()

    assert chunks == [b"retry: 2000\n\n", b'event: progress\nid: 1\ndata: {"item":"one"}\n\n', b": alive\n\n", b": alive\n\n"]


async def test_what_goes_wrong_at_the_source_is_not_swallowed():
    async def breaking():
        yield 1
        raise Throttled("slow down")

    before = asyncio.all_tasks()
    seen = paced(breaking(), asyncio.Event(), every=5)
    assert await anext(seen) == 1
    with pytest.raises(Throttled):
        await anext(seen)

    assert asyncio.all_tasks() == before


async def test_a_place_is_given_back_whatever_happens():
    watchers = Watchers(limit=1)
    with contextlib.suppress(RuntimeError), watchers.place("acme"):
        raise RuntimeError
    with watchers.place("acme"), pytest.raises(Throttled), watchers.place("acme"):
        pass

    assert watchers.of("acme") == 0


async def test_streams_hear_of_the_signal_and_so_does_the_server():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        server = signal.getsignal(signal.SIGTERM)
        watchers = Watchers()
        with watchers.told_of_stop():
            signal.raise_signal(signal.SIGTERM)
            async with asyncio.timeout(WAIT_SECONDS):
                await watchers.stopping.wait()
        assert heard == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is server
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_signal_that_nobody_handles_is_left_alone():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with Watchers().told_of_stop():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


async def _ends_with(house: House, exchange: Exchange, key: str) -> asyncio.Task[None]:
    """The key is revoked by its own organisation, in the same process."""
    task = exchange.start()
    if exchange.method == "GET":
        await exchange.until("event: progress")
    else:
        await until(lambda: house.woken.times == 1)
    async with house.client(**{"X-API-Key": key}) as caller:
        revoked = await caller.delete(f"/api/v1/organizations/other_corp/keys/{fingerprint(key)}")
    assert revoked.status_code == 200, revoked.text
    async with asyncio.timeout(WAIT_SECONDS):
        await task
    return task


@pytest.fixture
def told_alone(monkeypatch):
    """A key is not looked at again by itself: who is not told of its end would wait for ever."""
    monkeypatch.setattr(auth, "SHORTEST_LOOK_SECONDS", 3600.0)


@pytest.mark.usefixtures("told_alone")
async def test_a_stream_ends_with_its_key(house):
    key = house.organisation("other_corp")
    run_id = (await house.ask("other_corp")).json()["pipeline_logging_id"]
    before = asyncio.all_tasks()
    exchange = Exchange(house.app, f"/api/v1/pipelines/runs/other_corp/{run_id}/events", {"X-API-Key": key})
    await _ends_with(house, exchange, key)

    assert exchange.sent[-1]["more_body"] is False
    assert "event: end" not in exchange.text
    assert house.app.state.watchers.of("other_corp") == 0
    assert asyncio.all_tasks() == before


@pytest.mark.usefixtures("told_alone")
async def test_waiting_for_a_run_ends_with_its_key_and_tells_nothing_of_the_run(house):
    key = house.organisation("other_corp")
    exchange = Exchange(house.app, "/api/v1/pipelines/run/other_corp/fake/cost", {"X-API-Key": key}, method="POST", query="wait=true")
    await _ends_with(house, exchange, key)

    assert exchange.status == 401
    assert "newer key" in exchange.text
    assert house.app.state.watchers.of("other_corp") == 0


async def test_a_stream_ends_soon_after_its_key_is_revoked_elsewhere(tmp_path):
    house = House.build(tmp_path, auth_cache_seconds=0.2)
    key = house.organisation("other_corp")
    run_id = (await house.ask("other_corp")).json()["pipeline_logging_id"]
    exchange = Exchange(house.app, f"/api/v1/pipelines/runs/other_corp/{run_id}/events", {"X-API-Key": key})
    task = exchange.start()
    await exchange.until("event: progress")
    # as another process does: this one is told nothing, and looks again
    house.parts.ledger.write(keys.revoke, "other_corp", fingerprint(key), house.parts.clock.now())
    async with asyncio.timeout(WAIT_SECONDS):
        await task
    assert "event: end" not in exchange.text
    house.parts.close()
