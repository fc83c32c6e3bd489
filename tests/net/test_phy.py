"""What two transceivers agree on (IEEE 802.3 clause 28)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labs.net.phy import MODES, LinkMode, Transceiver, agreed_modes

AUTO = Transceiver()


def forced(speed: int, *, full: bool) -> Transceiver:
    return Transceiver(autoneg=False, only=(LinkMode(speed * 1_000_000, full),))


def offering(speed: int) -> Transceiver:
    return Transceiver(only=tuple(mode for mode in AUTO.supported if mode.speed_bps == speed * 1_000_000))


def text(near: Transceiver, far: Transceiver) -> str:
    modes = agreed_modes(near, far)
    return "no link" if modes is None else " ".join(str(mode) for mode in modes)


def test_two_that_negotiate_take_the_best_both_can() -> None:
    assert text(AUTO, AUTO) == "1000baseT/Full 1000baseT/Full"
    assert text(AUTO, Transceiver(100_000_000)) == "100baseT/Full 100baseT/Full"
    assert text(AUTO, offering(10)) == "10baseT/Full 10baseT/Full"


def test_two_offers_without_a_common_mode_are_no_link() -> None:
    assert text(offering(10), offering(100)) == "no link"


def test_parallel_detection_finds_the_speed_and_takes_half_duplex() -> None:
    assert text(forced(100, full=True), AUTO) == "100baseT/Full 100baseT/Half"
    assert text(AUTO, forced(10, full=False)) == "10baseT/Half 10baseT/Half"
    assert text(offering(10), forced(100, full=True)) == "no link"


def test_two_forced_ports_need_the_same_speed_only() -> None:
    assert text(forced(100, full=True), forced(100, full=False)) == "100baseT/Full 100baseT/Half"
    assert text(forced(100, full=True), forced(10, full=True)) == "no link"


def test_gigabit_that_is_forced_still_negotiates() -> None:
    assert text(forced(1000, full=True), AUTO) == "1000baseT/Full 1000baseT/Full"
    assert text(forced(1000, full=True), forced(100, full=True)) == "no link"


@st.composite
def transceivers(draw: st.DrawFn) -> Transceiver:
    able = draw(st.sampled_from([10, 100, 1000, 10_000])) * 1_000_000
    supported = Transceiver(able).supported
    only = draw(st.sets(st.sampled_from(supported), min_size=1))
    if draw(st.booleans()):
        return Transceiver(able, autoneg=False, only=(min(only),))
    return Transceiver(able, only=() if draw(st.booleans()) else tuple(sorted(only)))


@given(transceivers(), transceivers())
def test_agreement_is_the_same_from_both_sides_and_within_what_both_can(near: Transceiver, far: Transceiver) -> None:
    modes, swapped = agreed_modes(near, far), agreed_modes(far, near)
    assert modes == (None if swapped is None else swapped[::-1])
    if modes is not None:
        assert modes[0].speed_bps == modes[1].speed_bps
        assert modes[0] in near.supported
        assert modes[1].speed_bps <= far.able_bps
        assert set(modes) <= set(MODES)
