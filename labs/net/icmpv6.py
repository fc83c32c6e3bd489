"""ICMPv6 messages. Before changing this file read RFC 4443 and, for neighbour discovery, RFC 4861 (ndp.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from labs.net.ipv6 import Ipv6Packet
    from labs.net.ndp import Advert, ListenerReport, RouterAdvert, RouterSolicit, Solicit

__all__ = [
    "ADDRESS_UNREACHABLE",
    "ADMIN_PROHIBITED6",
    "BEYOND_SCOPE",
    "DEST_UNREACHABLE6",
    "ECHO_REPLY6",
    "ECHO_REQUEST6",
    "LISTENER_REPORT2",
    "NEIGHBOUR_ADVERT",
    "NEIGHBOUR_SOLICIT",
    "NO_ROUTE",
    "PACKET_TOO_BIG",
    "PARAMETER_PROBLEM",
    "POLICY_FAILED",
    "PORT_UNREACHABLE6",
    "REJECT_ROUTE",
    "ROUTER_ADVERT",
    "ROUTER_SOLICIT",
    "TIME_EXCEEDED6",
    "Icmpv6Message",
]

DEST_UNREACHABLE6 = 1
PACKET_TOO_BIG = 2
TIME_EXCEEDED6 = 3
PARAMETER_PROBLEM = 4
ECHO_REQUEST6 = 128
ECHO_REPLY6 = 129
ROUTER_SOLICIT, ROUTER_ADVERT, NEIGHBOUR_SOLICIT, NEIGHBOUR_ADVERT = 133, 134, 135, 136  # RFC 4861 §4
LISTENER_REPORT2 = 143  # RFC 3810 §5.2

# Codes of DEST_UNREACHABLE6 (RFC 4443 §3.1)
NO_ROUTE = 0
ADMIN_PROHIBITED6 = 1
BEYOND_SCOPE = 2
ADDRESS_UNREACHABLE = 3
PORT_UNREACHABLE6 = 4
POLICY_FAILED = 5
REJECT_ROUTE = 6
LARGEST_ERROR = 1280 - 40  # RFC 4443 §2.4 (c): an error never exceeds the least MTU


class Icmpv6Message(NamedTuple):
    """One ICMPv6 message.

    Echo uses `identifier`, `sequence`, `data`; an error carries its cause in `original` and `mtu` where it is too
    big; neighbour discovery has its content in `discovery`.
    """

    type: int
    code: int = 0
    identifier: int = 0
    sequence: int = 0
    data: bytes = b""
    original: Ipv6Packet | None = None
    mtu: int = 0
    discovery: Solicit | Advert | RouterSolicit | RouterAdvert | ListenerReport | None = None

    @property
    def is_error(self) -> bool:
        """Types below 128 are errors (RFC 4443 §2.1)."""
        return self.type < 128

    @property
    def length(self) -> int:
        """Bytes."""
        if self.original is not None:
            return min(8 + self.original.length, LARGEST_ERROR)
        if self.discovery is not None:
            return self.discovery.length
        return 8 + len(self.data)
