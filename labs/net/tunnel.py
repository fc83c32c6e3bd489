"""The settings of a tunnel interface (ip-tunnel(8), ip-link(8) types gre and ipip)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.net.ipv4 import ANY

if TYPE_CHECKING:
    from labs.model.addresses import IPv4

__all__ = ["MODES", "Tunnel"]

MODES = ("gre", "ipip")
OUTER_BYTES = 20  # the IPv4 header around the packet
GRE_BYTES = 4  # RFC 2784 §2
KEY_BYTES = 4  # RFC 2890 §2
SUM_BYTES = 4  # RFC 2784 §2.1


@dataclass(slots=True, eq=False)
class Tunnel:
    """One end. A TTL or TOS of 0 is that of the packet inside; `link` is the interface that the packets must leave by.

    `path_mtu` sets DF on the packets around (pmtudisc).
    """

    mode: str
    local: IPv4 = ANY
    remote: IPv4 = ANY
    ttl: int = 0
    tos: int = 0
    inherit_tos: bool = False
    input_key: int | None = None
    output_key: int | None = None
    path_mtu: bool = True
    link: str | None = None
    errors: int = 0
    """ICMP errors that came about packets of this tunnel, and not yet told to a sender."""
    error_ns: int = 0
    input_sum: bool = False
    """True where packets with a checksum are taken, and no others; without it, those without."""
    output_sum: bool = False

    @property
    def overhead(self) -> int:
        """Bytes that the tunnel adds to a packet."""
        if self.mode == "ipip":
            return OUTER_BYTES
        key = KEY_BYTES if self.output_key is not None else 0
        return OUTER_BYTES + GRE_BYTES + key + (SUM_BYTES if self.output_sum else 0)

    def same_ends(self, other: Tunnel) -> bool:
        """True where the kernel takes two tunnels for the same (ip_tunnel_find)."""
        ends = (self.mode, self.local, self.remote, self.input_key, self.link)
        return ends == (other.mode, other.local, other.remote, other.input_key, other.link)
