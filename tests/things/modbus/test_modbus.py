"""Modbus bytes: the examples of the specification as pymodbus frames them, and what a slave answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.modbus.framing import Adu, FrameError, crc16, decode_rtu, encode_mbap, encode_rtu, read_mbap
from labs.things.modbus.master import AnswerError, Outcome, read_answer
from labs.things.modbus.pdu import Read, Table, Write, decode_request, decode_values, encode_values
from labs.things.modbus.slave import Registers, answer
from labs.things.modbus.values import RegisterType, WordOrder, decode_number, encode_number

# Requests of the specification (V1.1b3 §6) to unit 17, framed by pymodbus 3.16: RTU, and TCP with transaction 7.
FRAMED = [
    (Read(Table.HOLDING, 107, 3), "1103006b00037687", "0007000000061103006b0003"),
    (Read(Table.INPUT, 8, 1), "110400080001b298", "000700000006110400080001"),
    (Read(Table.COIL, 19, 19), "1101001300138e92", "000700000006110100130013"),
    (Read(Table.DISCRETE, 196, 22), "110200c40016baa9", "000700000006110200c40016"),
    (Write(Table.COIL, 172, (1,), single=True), "110500acff004e8b", "000700000006110500acff00"),
    (Write(Table.HOLDING, 1, (3,), single=True), "1106000100039a9b", "000700000006110600010003"),
    (
        Write(Table.COIL, 19, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)),
        "110f0013000a02cd01bf0b",
        "000700000009110f0013000a02cd01",
    ),
    (Write(Table.HOLDING, 1, (10, 258)), "11100001000204000a0102c6f0", "00070000000b11100001000204000a0102"),
]


@pytest.mark.parametrize(("request_", "rtu", "tcp"), FRAMED)
def test_request_encoded_is_what_pymodbus_sends(request_: Read | Write, rtu: str, tcp: str) -> None:
    assert encode_rtu(17, request_.encode()).hex() == rtu
    assert encode_mbap(Adu(17, request_.encode(), 7)).hex() == tcp
    assert decode_request(decode_rtu(bytes.fromhex(rtu)).pdu) == request_


def test_answer_of_pymodbus_is_read() -> None:
    pdu = decode_rtu(bytes.fromhex("110306022b00000064c8ba")).pdu
    assert decode_values(Read(Table.HOLDING, 107, 3), pdu) == (555, 0, 100)
    assert encode_values(Table.HOLDING, (555, 0, 100)) == pdu
    bits = decode_rtu(bytes.fromhex("110102cd01ed6f")).pdu
    assert decode_values(Read(Table.COIL, 19, 9), bits) == (1, 0, 1, 1, 0, 0, 1, 1, 1)


def test_crc_of_the_check_string_is_the_published_one() -> None:
    assert crc16(b"123456789") == 0x4B37  # CRC-16/MODBUS in the catalogue of parametrised CRC algorithms


@given(st.binary(min_size=1, max_size=250), st.integers(1, 247), st.data())
def test_one_changed_byte_is_noticed(pdu: bytes, unit: int, data: st.DataObject) -> None:
    frame = bytearray(encode_rtu(unit, pdu))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        decode_rtu(bytes(frame))


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(min_size=1, max_size=253)), min_size=1), st.integers(1, 9))
def test_stream_in_any_pieces_gives_the_same_messages(messages: list[tuple[int, bytes]], size: int) -> None:
    sent = [Adu(unit, pdu, number) for number, (unit, pdu) in enumerate(messages)]
    stream = b"".join(encode_mbap(adu) for adu in sent)
    buffer, read = b"", []
    for at in range(0, len(stream), size):
        buffer += stream[at : at + size]
        while (found := read_mbap(buffer)) is not None:
            adu, buffer = found
            read.append(adu)
    assert (read, buffer) == (sent, b"")


@pytest.mark.parametrize(
    ("pdu", "code"),
    [("2b0e0100", 1), ("0400050001", 2), ("0400000000", 3), ("040000007e", 3), ("05000012 34", 3), ("06000a0001", 2)],
)
def test_request_that_cannot_be_done_is_an_exception(pdu: str, code: int) -> None:
    table = Registers()
    table.put(Table.INPUT, 0, (215,))
    sent = bytes.fromhex(pdu)
    assert answer(sent, table) == bytes([sent[0] | 0x80, code])


def test_write_is_all_or_nothing() -> None:
    table = Registers()
    table.put(Table.HOLDING, 0, (1, 2))
    assert answer(Write(Table.HOLDING, 1, (7, 8)).encode(), table).hex() == "9002"
    assert table.stored(Table.HOLDING) == {0: 1, 1: 2}
    assert answer(Write(Table.HOLDING, 0, (7, 8)).encode(), table).hex() == "1000000002"
    assert table.stored(Table.HOLDING) == {0: 7, 1: 8}


def test_float_in_the_other_word_order_is_absurd() -> None:
    words = encode_number(230.5, RegisterType.FLOAT32)
    assert words == (0x4366, 0x8000)
    assert decode_number(words, RegisterType.FLOAT32) == 230.5
    assert decode_number(words, RegisterType.FLOAT32, WordOrder.LITTLE) == pytest.approx(-2.4178e-41, rel=1e-3)


def test_negative_read_without_sign_is_far_too_high() -> None:
    assert decode_number(encode_number(-55, RegisterType.INT16), RegisterType.UINT16) == 65481


@given(st.sampled_from(RegisterType), st.sampled_from(WordOrder), st.integers(-(2**31), 2**32))
def test_number_that_fits_comes_back(kind: RegisterType, order: WordOrder, value: int) -> None:
    words = encode_number(value, kind, order)
    assert len(words) == kind.registers
    back = decode_number(words, kind, order)
    assert encode_number(back, kind, order) == words


GOOD = encode_rtu(1, bytes.fromhex("040200d7"))


@pytest.mark.parametrize(
    ("received", "outcome", "text"),
    [
        (GOOD[:-1] + b"\0", Outcome.CRC, "Invalid CRC"),
        (encode_rtu(2, bytes.fromhex("040200d7")), Outcome.WRONG_UNIT, "Response not from requested slave"),
        (encode_rtu(1, bytes.fromhex("840b")), Outcome.EXCEPTION, "Target device failed to respond"),
        (encode_rtu(1, bytes.fromhex("030200d7")), Outcome.CRC, "Invalid data"),
    ],
)
def test_answer_that_is_none_says_why_as_libmodbus_does(received: bytes, outcome: Outcome, text: str) -> None:
    with pytest.raises(AnswerError, match=text) as caught:
        read_answer(1, 4, received)
    assert caught.value.outcome is outcome


@given(st.integers(0, len(GOOD) - 1))
def test_answer_that_is_not_whole_is_waited_for(size: int) -> None:
    assert read_answer(1, 4, GOOD[:size]) is None
    assert read_answer(1, 4, GOOD) == GOOD[1:-2]
