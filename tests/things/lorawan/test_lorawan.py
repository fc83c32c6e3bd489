"""Keys, frames and time on air of LoRaWAN, against published vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.lorawan.aes import cmac, decrypt_block, encrypt_block
from labs.things.lorawan.airtime import airtime_ns, margin_db, off_time_ns
from labs.things.lorawan.frames import (
    DataFrame,
    FrameError,
    JoinAccept,
    JoinRequest,
    Keys,
    decode_accept,
    decode_data,
    decode_request,
    request_is_genuine,
    session_keys,
)

KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
bytes16 = st.binary(min_size=16, max_size=16)


def test_block_of_fips_197_appendix_b() -> None:
    plain = bytes.fromhex("3243f6a8885a308d313198a2e0370734")
    cipher = bytes.fromhex("3925841d02dc09fbdc118597196a0b32")
    assert encrypt_block(KEY, plain) == cipher
    assert decrypt_block(KEY, cipher) == plain


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_of_rfc_4493_section_4(size: int, code: str) -> None:
    assert cmac(KEY, MESSAGE[:size]).hex() == code


@given(bytes16, bytes16)
def test_block_deciphered_is_the_block(key: bytes, block: bytes) -> None:
    assert decrypt_block(key, encrypt_block(key, block)) == block


# The packet in the README of the lora-packet library (https://github.com/anthonykirby/lora-packet).
NETWORK = Keys(bytes.fromhex("44024241ed4ce9a68c6a8bc055233fd3"), bytes.fromhex("ec925802ae430ca77fd3dd73cb2cc588"))
PACKET = bytes.fromhex("40f17dbe4900020001954378762b11ff0d")


def test_packet_of_others_is_checked_and_deciphered() -> None:
    found = decode_data(PACKET, NETWORK, -1)
    assert found == DataFrame(0x49BE7DF1, 2, 1, b"test")
    assert found.encode(NETWORK) == PACKET


def test_packet_heard_again_is_refused() -> None:
    with pytest.raises(FrameError, match="MIC mismatch"):
        decode_data(PACKET, NETWORK, 2)


# Semtech AN1200.13 and readings of live networks: 61.696 ms and 1482.752 ms for 12 bytes of payload and 13 of overhead.
# The others are the table of The Things Network for EU868.
@pytest.mark.parametrize(
    ("size", "sf", "milliseconds"),
    [(25, 7, 61.696), (25, 12, 1482.752), (14, 7, 46.336), (64, 9, 390.144), (64, 10, 698.368), (23, 7, 61.696)],
)
def test_time_on_air_is_the_published_one(size: int, sf: int, milliseconds: float) -> None:
    assert airtime_ns(size, sf) / 1e6 == pytest.approx(milliseconds, abs=0.001)


def test_one_percent_allows_24_frames_an_hour_at_sf12_and_583_at_sf7() -> None:
    for sf, frames in ((7, 583), (10, 87), (12, 24)):
        used = airtime_ns(25, sf)
        assert 3600 * 10**9 // (used + off_time_ns(used)) == frames


def test_margin_shrinks_with_the_signal_and_grows_with_the_spreading_factor() -> None:
    assert margin_db(-120, 7) > 0 > margin_db(-126, 7)
    assert margin_db(-126, 12) > 0 > margin_db(-138, 12)


REQUEST = JoinRequest(bytes.fromhex("0102030405060708"), bytes.fromhex("a1a2a3a4a5a6a7a8"), 0x1234)


def test_join_request_goes_low_byte_first() -> None:
    frame = REQUEST.encode(KEY)
    assert frame[:-4].hex() == "00" + "0807060504030201" + "a8a7a6a5a4a3a2a1" + "3412"
    assert decode_request(frame) == REQUEST
    assert request_is_genuine(frame, KEY)
    assert not request_is_genuine(frame, KEY[::-1])


def test_join_gives_both_sides_the_same_keys_and_a_wrong_key_none() -> None:
    accept = JoinAccept(0xABCDEF, 0x13, 0x26011234)
    frame = accept.encode(KEY)
    assert decode_accept(frame, KEY) == accept
    keys = session_keys(KEY, accept, REQUEST.nonce)
    assert keys != session_keys(KEY, accept, REQUEST.nonce + 1)
    with pytest.raises(FrameError, match="MIC mismatch"):
        decode_accept(frame, KEY[::-1])


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**20), st.integers(1, 223), st.binary(max_size=60), st.booleans())
def test_frame_comes_back_as_it_was(address: int, counter: int, port: int, payload: bytes, uplink: bool) -> None:
    frame = DataFrame(address, counter, port, payload, uplink)
    assert decode_data(frame.encode(NETWORK), NETWORK, counter - 1) == frame
