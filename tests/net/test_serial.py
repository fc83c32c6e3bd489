"""Characters on a serial line, and receivers that are set otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.net.serial import Parity, SerialSettings, received_with

DATA = bytes.fromhex("0104000000013 1ca".replace(" ", ""))
N1 = SerialSettings(9600)
settings = st.builds(
    SerialSettings, st.sampled_from([1200, 9600, 19200, 115200]), st.sampled_from(Parity), st.integers(1, 2)
)


@given(st.binary(max_size=40), settings)
def test_same_settings_read_what_was_sent(data: bytes, own: SerialSettings) -> None:
    assert received_with(data, own, own) == (data, 0)


@given(st.binary(min_size=1, max_size=40), settings, settings, st.booleans())
def test_any_receiver_ends_and_invents_no_more_than_the_line_carries(
    data: bytes, sent: SerialSettings, own: SerialSettings, inverted: bool
) -> None:
    found = received_with(data, sent, own, inverted=inverted)
    bits = len(data) * sent.character_bits * own.speed_bps / sent.speed_bps
    assert len(found.data) <= bits / 9 + 2
    assert 0 <= found.errors <= len(found.data)


@pytest.mark.parametrize("speed", [1200, 4800, 19200, 115200])
def test_other_speed_reads_rubbish(speed: int) -> None:
    assert received_with(DATA, N1, SerialSettings(speed)).data != DATA


def test_exchanged_wires_read_rubbish() -> None:
    assert received_with(DATA, N1, N1, inverted=True).data != DATA


def test_second_stop_bit_does_no_harm_to_a_receiver_of_one() -> None:
    assert received_with(DATA, SerialSettings(9600, stop_bits=2), N1) == (DATA, 0)


def test_parity_bit_read_as_stop_bit_is_an_error_where_it_is_zero() -> None:
    even = SerialSettings(9600, Parity.EVEN)
    found = received_with(b"\x03", even, N1)  # two ones: the parity bit is 0, where 8N1 wants a stop bit
    assert found.errors == 1
    assert received_with(b"\x01", even, N1) == (b"\x01", 0)


def test_missing_parity_bit_is_an_error_for_odd_data() -> None:
    found = received_with(b"\x03", N1, SerialSettings(9600, Parity.EVEN))
    assert found.errors == 1


@pytest.mark.parametrize(
    ("own", "gap_ms"),
    [
        (SerialSettings(9600, Parity.EVEN), 4.01),
        (SerialSettings(19200, Parity.EVEN), 2.005),
        (SerialSettings(115200), 1.75),
    ],
)
def test_silence_between_frames_is_that_of_the_specification(own: SerialSettings, gap_ms: float) -> None:
    assert own.gap_ns / 1e6 == pytest.approx(gap_ms, abs=0.01)
