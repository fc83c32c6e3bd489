"""Ethernet frames. Before changing this file read IEEE 802.3 clause 3 and IEEE 802.1Q clause 9."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import Mac

if TYPE_CHECKING:
    from labs.net.arp import ArpPacket
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.ipv6 import Ipv6Packet
    from labs.net.stp import Bpdu

__all__ = ["BROADCAST", "ETHERTYPE_ARP", "ETHERTYPE_IPV4", "ETHERTYPE_IPV6", "HEADER_BYTES", "MIN_FRAME_BYTES", "Frame"]

BROADCAST = Mac(0xFFFFFFFFFFFF)
ETHERTYPE_IPV4 = 0x0800  # RFC 894
ETHERTYPE_ARP = 0x0806  # RFC 826
ETHERTYPE_IPV6 = 0x86DD  # RFC 2464
HEADER_BYTES = 14
MIN_FRAME_BYTES = 60  # IEEE 802.3 clause 3.2.8, without the frame check sequence


class Frame(NamedTuple):
    """One Ethernet frame. `vlan` is the 802.1Q tag on the wire, or None; `hops` counts bridges passed (bridge.py)."""

    dst: Mac
    src: Mac
    ethertype: int
    payload: ArpPacket | Ipv4Packet | Ipv6Packet | Bpdu
    vlan: int | None = None
    hops: int = 0

    @property
    def length(self) -> int:
        """Bytes on the wire without preamble and frame check sequence, padding included."""
        length = self.payload.length + (14 if self.vlan is None else 18)  # HEADER_BYTES, and a tag of 4
        return length if length > MIN_FRAME_BYTES else MIN_FRAME_BYTES  # noqa: FURB136 - three times per hop
