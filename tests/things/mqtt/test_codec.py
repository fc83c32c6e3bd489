"""Packets to bytes and back, however the bytes are cut."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.mqtt.codec import (
    Ack,
    AckKind,
    Connack,
    Connect,
    Decoder,
    Disconnect,
    Fault,
    MqttError,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
    encode,
)
from labs.things.mqtt.properties import BY_NUMBER, Kind

LETTERS = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), max_size=20)
TOPICS = LETTERS.filter(bool)
FILTERS = st.lists(st.sampled_from(["a", "", "é", "+"]), min_size=1, max_size=4).map("/".join).filter(bool) | st.just(
    "a/#"
)
IDS = st.integers(1, 0xFFFF)
QOS = st.integers(0, 2)
DATA = st.binary(max_size=300)
NONE = st.just(())
WILLS = st.builds(Will, TOPICS, DATA, QOS, st.booleans(), NONE)
CONNECTS = st.builds(
    Connect,
    LETTERS,
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.none() | LETTERS,
    st.none() | DATA,
    st.none() | WILLS,
    st.just("MQTT"),
    st.just(4),
    NONE,
).map(lambda packet: packet._replace(password=None) if packet.username is None else packet)
PUBLISHES = st.builds(Publish, TOPICS, DATA, QOS, st.booleans(), st.booleans(), IDS, NONE).map(
    lambda packet: packet if packet.qos else packet._replace(packet_id=0)
)
PACKETS: st.SearchStrategy[Packet] = st.one_of(
    CONNECTS,
    PUBLISHES,
    st.builds(Connack, st.booleans(), st.integers(0, 5), NONE),
    st.builds(Ack, st.sampled_from(AckKind), IDS, st.just(0), st.just(())),
    st.builds(Subscribe, IDS, st.lists(st.tuples(FILTERS, QOS), min_size=1, max_size=4).map(tuple), st.just(())),
    st.builds(Suback, IDS, st.lists(st.sampled_from([0, 1, 2, 0x80]), max_size=4).map(tuple)),
    st.builds(Unsubscribe, IDS, st.lists(FILTERS, min_size=1, max_size=4).map(tuple)),
    st.sampled_from([Pingreq(), Pingresp(), Disconnect()]),
)


def decode(*chunks: bytes) -> list[Packet]:
    decoder = Decoder()
    found: list[Packet] = []
    for chunk in chunks:
        decoder.feed(chunk)
        found += decoder.packets()
    return found


@given(st.lists(PACKETS, max_size=5), st.lists(st.integers(0, 400), max_size=6))
def test_packets_cut_anywhere_come_back_whole(packets: list[Packet], cuts: list[int]) -> None:
    data = b"".join(map(encode, packets))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found = decode(*(data[a:b] for a, b in pairwise(edges)))
    assert found == packets
    assert list(map(type, found)) == list(map(type, packets))


@given(st.binary(max_size=60))
def test_any_bytes_are_packets_or_a_reason_to_close(data: bytes) -> None:
    try:
        packets = decode(data)
    except MqttError:
        return
    assert all(decode(encode(packet)) == [packet] for packet in packets if not isinstance(packet, Connect))


@given(st.integers(0, 20_000))
def test_a_long_payload_has_a_length_of_several_bytes(size: int) -> None:
    packet = Publish("t", bytes(size))
    assert decode(encode(packet)) == [packet]


# What mosquitto_pub and mosquitto_sub 2.0.11 sent to a listening socket.
CAPTURED = [
    ("100c00044d5154540402003c0000", Connect("")),
    ("100d00044d51545404000005000163", Connect("c", clean=False, keepalive_s=5)),
    (
        "102200044d51545404ce003c0004736e61700001770004676f6e650003626f6200027077",
        Connect("snap", username="bob", password=b"pw", will=Will("w", b"gone", 1)),
    ),
    ("300a0006686f6d652f747879", Publish("home/t", b"xy")),
    ("320c0006686f6d652f7400017879", Publish("home/t", b"xy", 1, packet_id=1)),
    ("350c0006686f6d652f7400017879", Publish("home/t", b"xy", 2, retain=True, packet_id=1)),
    ("62020001", Ack(AckKind.PUBREL, 1)),
    ("820c00010003612f230100012b01", Subscribe(1, (("a/#", 1), ("+", 1)))),
    ("a20800020004676f6e65", Unsubscribe(2, ("gone",))),
    ("e000", Disconnect()),
]


@pytest.mark.parametrize(("text", "packet"), CAPTURED)
def test_known_bytes_are_read_and_written(text: str, packet: Packet) -> None:
    data = bytes.fromhex(text)
    assert decode(data) == [packet]
    assert encode(packet) == data


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0000", Fault.PROTOCOL),  # type 0
        ("f000", Fault.PROTOCOL),  # type 15
        ("8006000100016100", Fault.MALFORMED),  # SUBSCRIBE without its flag
        ("82080001000361236200", Fault.MALFORMED),  # filter a#b
        ("82020001", Fault.MALFORMED),  # SUBSCRIBE without a filter
        ("8206000100016103", Fault.MALFORMED),  # QoS 3 asked for
        ("30050003612f23", Fault.PROTOCOL),  # PUBLISH to a/#
        ("300400006162", Fault.MALFORMED),  # PUBLISH to nowhere
        ("360700016100016162", Fault.MALFORMED),  # PUBLISH with QoS 3
        ("32050001610000", Fault.PROTOCOL),  # identifier 0
        ("30ffffffffff", Fault.PROTOCOL),  # a length of five bytes
        ("30ffffff7f", Fault.OVERSIZE),
        ("c00100", Fault.MALFORMED),  # PINGREQ with a body
        ("101000044d5154540442003c000175000178", Fault.PROTOCOL),  # password without user name
        ("100d00044d5154540403003c000161", Fault.PROTOCOL),  # reserved flag
        ("3003000261", Fault.MALFORMED),  # topic longer than the packet
        ("3004000280ff", Fault.MALFORMED),  # topic not UTF-8
    ],
)
def test_illegal_bytes_raise_the_fault_that_the_broker_tells(text: str, fault: Fault) -> None:
    with pytest.raises(MqttError) as caught:
        decode(bytes.fromhex(text))
    assert caught.value.fault is fault


def test_packets_before_a_fault_are_still_read() -> None:
    decoder = Decoder()
    decoder.feed(encode(Pingreq()) + b"\xf0\x00")
    packets = decoder.packets()
    assert next(packets) == Pingreq()
    with pytest.raises(MqttError):
        next(packets)


def test_connect_of_another_version_is_read_as_far_as_its_version() -> None:
    [packet] = decode(bytes.fromhex("101000044d5154540502003c032100140000"))
    assert isinstance(packet, Connect)
    assert packet.level == 5


def test_too_long_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        encode(Publish("x" * 70_000, b""))


# Version 5

VALUES = {
    Kind.BYTE: st.integers(0, 255),
    Kind.SHORT: st.integers(0, 0xFFFF),
    Kind.LONG: st.integers(0, 0xFFFFFFFF),
    Kind.VARIABLE: st.integers(1, 268_435_455),
    Kind.TEXT: LETTERS,
    Kind.DATA: st.binary(max_size=40),
    Kind.PAIR: st.tuples(LETTERS, LETTERS),
}


def properties_of(packet: str) -> st.SearchStrategy[tuple[tuple[int, object], ...]]:
    lines = [line for line in BY_NUMBER.values() if packet in line.packets]
    one = st.sampled_from(lines).flatmap(lambda line: st.tuples(st.just(line.number), VALUES[line.kind]))
    return st.lists(one, max_size=5, unique_by=lambda pair: pair[0]).map(tuple)


PACKETS_5 = st.one_of(
    st.builds(Publish, TOPICS, DATA, st.just(1), st.booleans(), st.booleans(), IDS, properties_of("publish")),
    st.builds(Connack, st.booleans(), st.sampled_from([0, 133, 135]), properties_of("connack")),
    st.builds(Ack, st.sampled_from([AckKind.PUBACK, AckKind.PUBREC]), IDS, st.sampled_from([0, 16, 135]), NONE),
    st.builds(Ack, st.just(AckKind.UNSUBACK), IDS, st.just(0), st.sampled_from([(0,), (17, 0)])),
    st.builds(Disconnect, st.sampled_from([4, 130, 142]), properties_of("disconnect")),
    st.builds(Suback, IDS, st.sampled_from([(1,), (0, 135)])),
    st.builds(Unsubscribe, IDS, st.lists(FILTERS, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Connect,
        LETTERS,
        st.booleans(),
        IDS,
        st.none(),
        st.none(),
        st.none(),
        st.just("MQTT"),
        st.just(5),
        properties_of("connect"),
    ),
)


@given(st.lists(PACKETS_5, max_size=4), st.lists(st.integers(0, 400), max_size=4))
def test_packets_of_version_5_cut_anywhere_come_back_whole(packets: list[Packet], cuts: list[int]) -> None:
    data = b"".join(encode(packet, 5) for packet in packets)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    decoder = Decoder(5)
    found: list[Packet] = []
    for begin, end in pairwise(edges):
        decoder.feed(data[begin:end])
        found += decoder.packets()
    assert found == packets


@given(st.binary(max_size=60))
def test_any_bytes_are_packets_of_version_5_or_a_reason_to_close(data: bytes) -> None:
    decoder = Decoder(5)
    decoder.feed(data)
    with contextlib.suppress(MqttError):
        list(decoder.packets())


def test_property_twice_or_in_the_wrong_packet_is_a_protocol_error() -> None:
    for properties in (((2, 1), (2, 2)), ((17, 5),)):
        decoder = Decoder(5)
        decoder.feed(encode(Publish("t", b"", properties=properties), 5))
        with pytest.raises(MqttError) as caught:
            list(decoder.packets())
        assert caught.value.fault is Fault.PROTOCOL


def test_small_publishes_one_by_one_are_read_as_from_a_stream():
    """Topics that repeat, change, begin alike, and packets that come in pieces or together: the same packets."""
    sent = [
        Publish(topic, payload, qos, retain, packet_id=7 if qos else 0)
        for topic in ("a/b", "a/b", "a/bc", "a/b", "a")
        for payload in (b"", b"21.5", b"\0" * 200)
        for qos in (0, 1, 2)
        for retain in (False, True)
    ]
    decoder, found = Decoder(), []
    for number, packet in enumerate(sent):
        data = encode(packet)
        pieces = [data[:3], data[3:]] if number % 5 == 4 else [data]
        for piece in pieces:
            got = decoder.first(piece)
            while got is not None:
                found.append(got)
                got = decoder.next_packet()
    assert found == sent
