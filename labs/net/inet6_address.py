"""One IPv6 address of an interface, and the choice among several of them.

Before changing this file read RFC 4862 §5.5, RFC 6724 §2.1 and §5, and ipv6_get_saddr_eval in net/ipv6/addrconf.c.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labs.model.addresses import Address, IPv4, IPv6, Network
from labs.net.ipv6 import scope_of

__all__ = ["Inet6Address", "best_source", "label_of", "ordered"]

SECOND = 1_000_000_000
# RFC 6724 §2.1: prefix, precedence, label
POLICY = tuple(
    (Network.parse(prefix), precedence, label)
    for prefix, precedence, label in (
        ("::1/128", 50, 0), ("::/0", 40, 1), ("::ffff:0:0/96", 35, 4), ("2002::/16", 30, 2), ("2001::/32", 5, 5),
        ("fc00::/7", 3, 13), ("::/96", 1, 3), ("fec0::/10", 1, 11), ("3ffe::/16", 1, 12),
    )
)  # fmt: skip
MAPPED = 0xFFFF << 32  # ::ffff:0:0/96, RFC 4291 §2.5.5.2


@dataclass(slots=True, eq=False)
class Inet6Address:
    """An address with what `ip -6 addr` shows of it. Times are simulated; None is for ever.

    `learned` is True for one that was made from a router's advertisement (mngtmpaddr).
    """

    address: IPv6
    length: int
    interface: str
    tentative: bool = False
    failed: bool = False
    """Somebody else has it already (dadfailed)."""
    learned: bool = False
    noprefixroute: bool = False
    nodad: bool = False
    valid_until_ns: int | None = None
    preferred_until_ns: int | None = None

    @property
    def network(self) -> Network:
        """The network that this address is on."""
        return Network.of(self.address, self.length)

    @property
    def scope(self) -> str:
        """As `ip addr` names it."""
        if self.address.is_loopback:
            return "host"
        return "link" if self.address.is_link_local else "global"

    def deprecated(self, now: int) -> bool:
        """True once the preferred lifetime is over."""
        return self.preferred_until_ns is not None and self.preferred_until_ns <= now

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"


def _policy(address: Address) -> tuple[Network, int, int]:
    wide = IPv6(MAPPED | int(address)) if isinstance(address, IPv4) else address
    return max((row for row in POLICY if wide in row[0]), key=lambda row: row[0].length)


def label_of(address: Address) -> int:
    """The label of an address in the default policy table."""
    return _policy(address)[2]


def _common_bits(a: Address, b: Address, length: int) -> int:
    return min(length, a.bits - (int(a) ^ int(b)).bit_length())


def best_source(
    candidates: Iterable[Inet6Address], destination: IPv6, interface: str | None, now: int
) -> Inet6Address | None:
    """The source address towards a destination (RFC 6724 §5); `candidates` in the order of the device.

    `interface` is the way out. Tentative addresses are never taken.
    """
    wanted = scope_of(destination)
    local = destination.is_link_local or (destination.is_multicast and wanted <= 2)
    best: Inet6Address | None = None
    best_score: tuple[int, ...] = ()
    for candidate in candidates:
        if candidate.tentative or candidate.failed or (candidate.address.is_loopback and not destination.is_loopback):
            continue
        if (local or candidate.address.is_link_local) and candidate.interface != interface:
            continue
        scope = scope_of(candidate.address)
        score = (
            int(candidate.address == destination),
            -scope if scope >= wanted else scope - 128,
            int(not candidate.deprecated(now)),
            int(candidate.interface == interface),
            int(label_of(candidate.address) == label_of(destination)),
            _common_bits(candidate.address, destination, candidate.length),
        )
        if best is None or score > best_score:
            best, best_score = candidate, score
    return best


def ordered(pairs: Iterable[tuple[Address, Address | None]]) -> list[Address]:
    """Destinations in the order in which they are to be tried, from (destination, source or None) (RFC 6724 §6)."""

    def rank(pair: tuple[Address, Address | None]) -> tuple[int, ...]:
        destination, source = pair
        if source is None:
            return (1, 0, 0, 0)
        same_scope = _scope(destination) == _scope(source)
        same_label = label_of(destination) == label_of(source)
        return (0, int(not same_scope), int(not same_label), -_policy(destination)[1])

    return [destination for destination, _ in sorted(pairs, key=rank)]


def _scope(address: Address) -> int:
    """RFC 6724 §3.2: private IPv4 addresses are global, 169.254/16 and 127/8 belong to the link."""
    if isinstance(address, IPv4):
        return 2 if int(address) >> 16 == 0xA9FE or address.is_loopback else 14
    return scope_of(address)
