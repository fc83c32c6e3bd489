"""A lead as a queue with one server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labs.engines.sim.wire import OVERHEAD_BYTES, Wire
from labs.model.site import Endpoint, Link
from labs.net.actions import DropReason

A, B = Endpoint("a", "eth0"), Endpoint("b", "eth0")
RATE = 100_000_000


def wire(seed: str = "1", **link: object) -> Wire:
    made = Wire(Link(A, B, **link), RATE, seed)  # type: ignore[arg-type]
    made.up = True
    return made


def bits_ns(size: int) -> int:
    return (size + OVERHEAD_BYTES) * 8 * 1_000_000_000 // RATE


def test_first_frame_takes_its_bits_and_the_delay():
    assert wire(delay_ns=7).send(A, 1000, 50) == 50 + bits_ns(1000) + 7


def test_second_frame_waits_for_the_first():
    made = wire(delay_ns=7)
    made.send(A, 1000, 0)
    assert made.send(A, 500, 1) == bits_ns(1000) + bits_ns(500) + 7


def test_other_direction_does_not_wait():
    made = wire(delay_ns=7)
    made.send(A, 1500, 0)
    assert made.send(B, 500, 0) == bits_ns(500) + 7


def test_full_queue_drops_and_drains():
    made = wire(queue_bytes=3000)
    results = [made.send(A, 1500, 0) for _ in range(5)]
    assert results[3:] == [DropReason.QUEUE_FULL] * 2
    assert isinstance(made.send(A, 1500, 10 * bits_ns(1500)), int)


def test_no_carrier_nothing_gets_in():
    made = wire()
    made.up = False
    assert made.send(A, 100, 0) is DropReason.NO_CARRIER


def test_loss_is_drawn_from_the_seed_of_the_site_and_the_name_of_the_lead():
    outcomes = [
        [made.send(A, 100, now) for now in range(0, 10**7, 10**5)]
        for made in (wire(loss=0.3), wire(loss=0.3), wire("2", loss=0.3))
    ]
    assert outcomes[0] == outcomes[1] != outcomes[2]
    lost = outcomes[0].count(DropReason.LINK_LOSS)
    assert 10 < lost < 50


@given(st.lists(st.tuples(st.integers(64, 1518), st.integers(0, 200_000)), max_size=40), st.integers(0, 10**6))
def test_jitter_never_overtakes(frames, jitter):
    made, now, last = wire(jitter_ns=jitter, queue_bytes=1 << 30), 0, -1
    for size, gap in frames:
        now += gap
        arrival = made.send(A, size, now)
        assert isinstance(arrival, int)
        assert arrival > max(now, last)
        last = arrival
