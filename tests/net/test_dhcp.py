"""DHCP messages survive the way to bytes and back; addresses are chosen as dnsmasq chooses them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv4, Mac
from labs.net import dhcp
from labs.net.dhcp import DhcpMessage, MessageType, Option
from labs.net.leases import LeaseTable, ServerLease, parse_leases, render_leases

ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4)
MACS = st.integers(0, 2**48 - 1).map(Mac)
OPTIONS = st.dictionaries(st.integers(1, 254), st.binary(min_size=1, max_size=300), max_size=6)
MESSAGES = st.builds(
    DhcpMessage,
    st.sampled_from([dhcp.BOOTREQUEST, dhcp.BOOTREPLY]),
    st.integers(0, 2**32 - 1),
    MACS,
    OPTIONS.map(lambda options: tuple(options.items())),
    ADDRESSES,
    ADDRESSES,
    ADDRESSES,
    ADDRESSES,
    st.integers(0, 65535),
    st.booleans(),
    st.integers(0, 255),
)


@given(MESSAGES)
def test_message_encoded_and_decoded_is_the_same(message: DhcpMessage) -> None:
    data = dhcp.encode(message)
    assert len(data) >= 300  # RFC 951
    assert dhcp.decode(data) == message


@given(MESSAGES, st.integers(0, 600))
def test_cut_message_is_refused_or_read_and_nothing_else(message: DhcpMessage, length: int) -> None:
    try:
        dhcp.decode(dhcp.encode(message)[:length])
    except ValueError:
        return


def test_message_type_that_does_not_exist_is_none() -> None:
    assert DhcpMessage(1, 1, Mac(2), ((int(Option.MESSAGE_TYPE), b"\x63"),)).type is None
    assert DhcpMessage(1, 1, Mac(2), ((int(Option.MESSAGE_TYPE), b"\x05"),)).type is MessageType.ACK


@pytest.mark.parametrize(("last", "first"), [("192.168.1.199", "192.168.1.189"), ("192.168.1.150", "192.168.1.141")])
def test_first_candidate_is_the_one_dnsmasq_gives(last: str, first: str) -> None:
    """Both were handed out by a real dnsmasq 2.90 to this MAC address."""
    pool = (IPv4.parse("192.168.1.100"), IPv4.parse(last))
    found = dhcp.candidates(Mac.parse("02:4e:00:00:00:05"), *pool, lambda _: True)
    assert str(next(iter(found))) == first


@given(MACS, st.integers(0, 250), st.integers(0, 250), st.sets(st.integers(0, 255)))
def test_candidates_are_every_free_address_once(mac: Mac, a: int, b: int, taken: set[int]) -> None:
    base = int(IPv4.parse("192.168.1.0"))
    start, end = IPv4(base + min(a, b)), IPv4(base + max(a, b))
    found = list(dhcp.candidates(mac, start, end, lambda address: int(address) - base not in taken))
    wanted = {n for n in range(min(a, b), max(a, b) + 1) if n not in taken and n not in (0, 255)}
    assert len(found) == len(set(found))
    assert {int(address) - base for address in found} == wanted


def test_sequential_candidates_follow_the_highest_lease() -> None:
    pool = (IPv4.parse("10.0.0.10"), IPv4.parse("10.0.0.12"))
    found = dhcp.candidates(Mac(5), *pool, lambda _: True, after=IPv4.parse("10.0.0.12"))
    assert [str(address) for address in found] == ["10.0.0.12", "10.0.0.10", "10.0.0.11"]


LEASES = st.builds(
    ServerLease,
    st.integers(0, 2**40),
    MACS,
    ADDRESSES,
    st.sampled_from(["", "cam", "till-2"]),
    st.sampled_from(["*", "01:02:4e:00:00:00:05"]),
)


@given(st.lists(LEASES, max_size=8))
def test_lease_file_written_and_read_is_the_same(leases: list[ServerLease]) -> None:
    assert parse_leases(render_leases(leases)) == leases


def test_lease_table_keeps_what_has_not_expired() -> None:
    old = ServerLease(100, Mac(1), IPv4(1))
    endless, new = ServerLease(0, Mac(2), IPv4(2)), ServerLease(300, Mac(3), IPv4(3))
    table = LeaseTable([old, endless, new])
    assert table.expire(200)
    assert table.leases == [endless, new]
    assert not table.expire(200)
