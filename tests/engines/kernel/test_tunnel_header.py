"""What a tunnel puts before a packet, byte for byte."""

from __future__ import annotations

import pytest

pytest.importorskip("fcntl")

from hypothesis import given
from hypothesis import strategies as st

from labs.engines.kernel.tunnels.header import Inner, checksum, marked_congested, outer_tos, unwrap, wrap
from labs.engines.kernel.tunnels.way import has_tunnels
from labs.net.tunnel import Tunnel
from tests.engines.kernel.kernel_site import device

KEYS = st.none() | st.integers(0, 2**32 - 1)


def packet(tos: int = 0, data: bytes = b"data", *, dont_fragment: bool = True) -> bytes:
    """IPv4 with a right checksum."""
    head = bytes([0x45, tos, 0, 20 + len(data), 0, 1, 0x40 * dont_fragment, 0, 9, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2])
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + data


@given(KEYS, st.booleans(), st.binary(max_size=64))
def test_packet_in_gre_comes_out_with_its_key(key, summed, data):
    inside = packet(data=data)
    wrapped = wrap(Tunnel("gre", output_key=key, output_sum=summed), inside)
    assert len(wrapped) + 20 == len(inside) + Tunnel("gre", output_key=key, output_sum=summed).overhead
    assert unwrap("gre", wrapped) == (inside, key, summed, True)


def test_header_with_key_and_checksum_has_the_bytes_of_rfc_2890():
    wrapped = wrap(Tunnel("gre", output_key=42, output_sum=True), packet())
    assert wrapped[:4] == b"\xa0\x00\x08\x00"
    assert wrapped[6:12] == b"\x00\x00\x00\x00\x00\x2a"
    assert checksum(wrapped) == 0
    assert wrap(Tunnel("gre"), packet())[:4] == b"\x00\x00\x08\x00"
    assert wrap(Tunnel("ipip"), packet()) == packet()


@given(st.integers(0, 200), st.integers(0, 7))
def test_changed_bit_is_noticed_where_there_is_a_checksum(place, bit):
    wrapped = bytearray(wrap(Tunnel("gre", output_sum=True), packet(data=bytes(64))))
    place = 8 + place % (len(wrapped) - 8)
    wrapped[place] ^= 1 << bit
    found = unwrap("gre", bytes(wrapped))
    assert found is not None
    assert not found.intact


@pytest.mark.parametrize(
    "head", [b"", b"\x40\x00\x08\x00", b"\x00\x01\x08\x00", b"\x00\x00\x65\x58", b"\x20\x00\x08\x00"]
)
def test_header_that_no_tunnel_takes_is_refused(head):
    assert unwrap("gre", head) is None


def test_tos_is_that_of_the_tunnel_or_of_the_packet_and_congestion_stays_inside():
    for tunnel, inside, outside in (
        (Tunnel("gre"), 0xB8, 0x00),
        (Tunnel("gre", inherit_tos=True), 0xB8, 0xB8),
        (Tunnel("gre", tos=0x10), 0x02, 0x12),
        (Tunnel("gre", inherit_tos=True), 0x03, 0x02),
    ):
        assert outer_tos(tunnel, Inner(packet(inside))) == outside


def test_congestion_outside_is_told_inside_or_the_packet_dropped():
    assert marked_congested(0x00, packet(0x02)) == packet(0x02)
    assert marked_congested(0x03, packet(0x02)) == packet(0x03)
    assert marked_congested(0x03, packet(0x00)) is None


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("pre-up ip tunnel add t mode gre remote 192.0.2.1", True),
        ("up ip link add t type ipip remote 192.0.2.1", True),
        ("up ip link add t type vlan id 4", False),
        ("post-down ip tunnel del t", False),
    ],
)
def test_file_that_makes_a_tunnel_is_recognised(line, made):
    files = {"/etc/network/interfaces": f"auto t\niface t inet manual\n    {line}\n"}
    assert has_tunnels(device("r", "router", {"eth0": ""}, files)) is made
