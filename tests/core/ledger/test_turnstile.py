import threading
import time

import pytest

from src.core.ledger.turnstile import Turnstile


def settled(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert condition()


def test_turns_come_in_the_order_of_arrival():
    turnstile, passed, threads = Turnstile(), [], []

    def one(at):
        turnstile.enter(60)
        passed.append(at)
        turnstile.leave()

    turnstile.enter(1)
    for at in range(20):
        threads.append(threading.Thread(target=one, args=(at,)))
        threads[-1].start()
        settled(lambda: len(turnstile._waiting) == len(threads))
    turnstile.leave()
    for thread in threads:
        thread.join()
    assert passed == list(range(20))


def test_who_gives_up_leaves_the_queue_to_the_others():
    turnstile, answers = Turnstile(), []
    turnstile.enter(1)
    waiting = threading.Thread(target=lambda: answers.append(turnstile.enter(0.01)))
    waiting.start()
    waiting.join()
    assert answers == [False]
    turnstile.leave()
    assert turnstile.enter(0)


def test_no_turn_is_lost_between_giving_up_and_being_called():
    turnstile, inside, clashes, passed = Turnstile(), [], [], []

    def one():
        for _ in range(100):
            if turnstile.enter(0.0005):
                inside.append(1)
                clashes.extend([1] * (len(inside) > 1))
                time.sleep(0.0005)  # as long as the others are willing to wait, so that both come at once
                inside.pop()
                passed.append(1)
                turnstile.leave()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []
    assert passed
    assert turnstile.enter(0)


def test_entering_twice_in_one_thread_is_a_mistake_said_at_once():
    turnstile = Turnstile()
    turnstile.enter(1)
    with pytest.raises(RuntimeError, match="open in this thread"):
        turnstile.enter(1)
    turnstile.leave()
    assert turnstile.enter(0)
