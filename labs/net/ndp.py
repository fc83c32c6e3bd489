"""What neighbour discovery says: solicitations and advertisements of neighbours and routers, with their options.

Before changing this file read RFC 4861 §4, RFC 4191 §2 (preference), RFC 8106 §5 (name servers) and RFC 7527 (nonce).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from labs.model.addresses import IPv6, Mac, Network

__all__ = [
    "EXCLUDE",
    "INCLUDE",
    "INFINITE",
    "Advert",
    "Discovery",
    "ListenerReport",
    "Prefix",
    "RouterAdvert",
    "RouterSolicit",
    "Solicit",
]

INFINITE = 0xFFFFFFFF  # RFC 4861 §4.6.2
LINK_OPTION_BYTES = 8  # type, length and six bytes of MAC address
PREFIX_OPTION_BYTES = 32
HOP_BY_HOP_BYTES = 8  # RFC 2711: the router alert, and padding
INCLUDE, EXCLUDE = 3, 4  # RFC 3810 §5.2.12: CHANGE_TO_INCLUDE_MODE, CHANGE_TO_EXCLUDE_MODE
PREFERENCES = ("low", "medium", "high")  # RFC 4191 §2.1


class Solicit(NamedTuple):
    """Neighbour solicitation: who has `target`? `nonce` tells one's own question from that of another (RFC 7527)."""

    target: IPv6
    link: Mac | None = None
    nonce: int = 0

    @property
    def length(self) -> int:
        """Bytes."""
        return 24 + (LINK_OPTION_BYTES if self.link is not None else 0) + (8 if self.nonce else 0)


class Advert(NamedTuple):
    """Neighbour advertisement: `target` is at `link`."""

    target: IPv6
    link: Mac | None = None
    router: bool = False
    solicited: bool = False
    override: bool = False

    @property
    def length(self) -> int:
        """Bytes."""
        return 24 + (LINK_OPTION_BYTES if self.link is not None else 0)


class RouterSolicit(NamedTuple):
    """Router solicitation, which asks for routers."""

    link: Mac | None = None

    @property
    def length(self) -> int:
        """Bytes."""
        return 8 + (LINK_OPTION_BYTES if self.link is not None else 0)


class ListenerReport(NamedTuple):
    """Multicast listener report version 2 (RFC 3810 §5.2) without sources: the kind of each record and its group."""

    records: tuple[tuple[int, IPv6], ...]

    @property
    def length(self) -> int:
        """Bytes, with the hop-by-hop header that stands before it."""
        return HOP_BY_HOP_BYTES + 8 + 20 * len(self.records)


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix that a router tells of; lifetimes in seconds, `INFINITE` without end."""

    network: Network
    on_link: bool = True
    autonomous: bool = True
    valid_s: int = 86400
    preferred_s: int = 14400


@dataclass(frozen=True, slots=True)
class RouterAdvert:
    """Router advertisement. `lifetime_s` 0: not a default router; `servers` are name servers (RDNSS)."""

    hop_limit: int = 64
    managed: bool = False
    other: bool = False
    preference: str = "medium"
    lifetime_s: int = 1800
    reachable_ms: int = 0
    retrans_ms: int = 0
    link: Mac | None = None
    mtu: int = 0
    prefixes: tuple[Prefix, ...] = ()
    servers: tuple[IPv6, ...] = ()
    servers_lifetime_s: int = 0
    domains: tuple[str, ...] = ()
    domains_lifetime_s: int = 0

    @property
    def length(self) -> int:
        """Bytes."""
        size = 16 + PREFIX_OPTION_BYTES * len(self.prefixes)
        size += LINK_OPTION_BYTES if self.link is not None else 0
        size += 8 if self.mtu else 0
        size += 8 + 16 * len(self.servers) if self.servers else 0
        if self.domains:
            names = sum(len(name.strip(".")) + 2 for name in self.domains)
            size += 8 + -(-names // 8) * 8
        return size


Discovery = Solicit | Advert | RouterSolicit | RouterAdvert | ListenerReport
