"""How fast texts may leave: first come first served, by the vendor's figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.rate_limit import ABANDONED_AFTER, MAX_WAIT, Rate, RateLimiter
from tests.bridge.carriers.steps import QUICK

A, B = "+15555550100", "+15555550111"


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_an_account_for_all_its_numbers(hand: Hand) -> None:
    """Where the vendor counts the account's texts, the numbers of a line wait for each other, and for its `Retry-After`."""
    limiter = RateLimiter(Rate(per_second=1.0, shared=True), clock=hand)
    assert limiter.acquire(A, 1) == 0.0
    assert limiter.acquire(B, 2) == pytest.approx(1.0)
    assert limiter.acquire(A, 3) == pytest.approx(2.0)
    limiter.cancel(B, 2)
    assert limiter.acquire(A, 3) == pytest.approx(1.0)
    limiter.pause(A, 5.0)
    hand.now += 1.0
    assert limiter.acquire(B, 2) == pytest.approx(4.0)


def test_a_long_text_is_no_hindrance_for_itself(hand: Hand) -> None:
    """A text of more segments than the bucket holds leaves when it is full, and what follows waits the longer."""
    limiter = RateLimiter(Rate(per_second=1.0), clock=hand)
    assert limiter.acquire(A, 1, cost=5) == 0.0
    assert limiter.acquire(A, 2) == pytest.approx(5.0)


def test_hold(hand: Hand) -> None:
    """What the carrier asked to wait is waited, in steps that let the guard look again."""
    limiter = RateLimiter(Rate(per_second=10.0), clock=hand)
    limiter.pause(A, 90.0)
    limiter.pause(A, 1.0)
    waited = 0.0
    while wait := limiter.acquire(A, 1):
        assert wait <= MAX_WAIT
        hand.now += wait
        waited += wait
    assert waited == pytest.approx(90.0)
    assert limiter.acquire(B, 2) == 0.0


def test_who_leaves_is_not_waited_for(hand: Hand) -> None:
    """A text that is given up makes room at once; one that vanished without a word does so soon."""
    limiter = RateLimiter(Rate(per_second=0.5), clock=hand)
    assert limiter.acquire(A, 1) == 0.0
    assert limiter.acquire(A, 2) == pytest.approx(2.0)
    assert limiter.acquire(A, 3) == pytest.approx(4.0)
    limiter.cancel(A, 2)
    limiter.cancel(A, 2)
    assert limiter.acquire(A, 3) == pytest.approx(2.0)
    assert limiter.acquire(A, 4) == pytest.approx(4.0)
    hand.now += 4.0 + ABANDONED_AFTER + 0.1
    assert limiter.acquire(A, 5) == 0.0


@given(
    per_second=st.floats(0.05, 50),
    costs=st.lists(st.integers(1, 4), min_size=1, max_size=30),
)
@QUICK
def test_never_faster_never_out_of_order(per_second: float, costs: list[int]) -> None:
    """Whoever asks when: all leave, in order, and never more in any span than the rate and one bucket allow."""
    hand = Hand()
    limiter = RateLimiter(Rate(per_second=per_second), clock=hand)
    start, departures, waiting = hand.now, [], dict(enumerate(costs))
    due = dict.fromkeys(waiting, start)
    while waiting:
        ticket = min(waiting, key=lambda n: (due[n], n))
        hand.now = max(hand.now, due[ticket])
        wait = limiter.acquire(A, ticket, cost=waiting[ticket])
        if wait:
            due[ticket] = hand.now + wait
            continue
        departures.append((ticket, hand.now - start, waiting.pop(ticket)))
    assert [ticket for ticket, _, _ in departures] == sorted(dict(enumerate(costs)))
    spent = 0.0
    for _, at, cost in departures:
        # A text larger than the bucket leaves when it is full and is paid for afterwards.
        assert spent + 1.0 <= 1.0 + at * per_second + 1e-3
        spent += cost
