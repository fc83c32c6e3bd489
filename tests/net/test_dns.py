"""DNS messages survive the way to bytes and back, and no bytes can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv4
from labs.net import dns
from labs.net.dns import DnsMessage, Question, Record, RecordType

LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4)
IN = st.just(dns.CLASS_IN)
TTLS = st.integers(0, 2**31 - 1)
RECORDS = st.one_of(
    st.builds(Record, NAMES, st.just(int(RecordType.A)), TTLS, ADDRESSES, IN),
    st.builds(Record, NAMES, st.sampled_from([int(RecordType.CNAME), int(RecordType.PTR)]), TTLS, NAMES, IN),
    st.builds(Record, NAMES, st.just(int(RecordType.TXT)), TTLS, st.binary(max_size=40), IN),
)
MESSAGES = st.builds(
    DnsMessage,
    st.integers(0, 65535),
    st.lists(st.builds(Question, NAMES, st.sampled_from([1, 12, 28]), IN), max_size=2).map(tuple),
    st.lists(RECORDS, max_size=6).map(tuple),
    st.lists(RECORDS, max_size=2).map(tuple),
    st.lists(RECORDS, max_size=2).map(tuple),
    response=st.booleans(),
    opcode=st.just(0),
    authentic_data=st.booleans(),
    checking_disabled=st.booleans(),
    edns=st.just(()),
    authoritative=st.booleans(),
    truncated=st.booleans(),
    recursion_desired=st.booleans(),
    recursion_available=st.booleans(),
    code=st.integers(0, 5),
    udp_size=st.sampled_from([0, 512, 1232]),
)


@given(MESSAGES)
def test_message_encoded_and_decoded_is_the_same(message: DnsMessage) -> None:
    assert dns.decode(dns.encode(message)) == message


@given(MESSAGES, st.data())
def test_damaged_message_is_refused_or_read_and_nothing_else(message: DnsMessage, data: st.DataObject) -> None:
    raw = bytearray(dns.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    try:
        dns.decode(bytes(raw))
    except ValueError:
        return


def test_name_that_points_at_itself_is_refused() -> None:
    header = bytes.fromhex("000101000001000000000000")
    with pytest.raises(ValueError, match="damaged"):
        dns.decode(header + bytes.fromhex("c00c00010001"))


def test_repeated_name_is_sent_once() -> None:
    record = Record("cam.home", RecordType.A, 0, IPv4.parse("192.168.1.20"))
    message = DnsMessage(1, (Question("cam.home", RecordType.A),), (record,), response=True)
    assert len(dns.encode(message)) == 42  # as dnsmasq 2.90 sends it: 12 + 14 + 16


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("20.1.168.192.in-addr.arpa", "192.168.1.20"),
        ("1.168.192.in-addr.arpa", None),
        ("x.in-addr.arpa", None),
        ("a", None),
    ],
)
def test_reverse_name_gives_its_address(name: str, address: str | None) -> None:
    found = dns.address_of_reverse(name)
    assert (str(found) if found is not None else None) == address
    if found is not None:
        assert dns.reverse_name(found) == name
