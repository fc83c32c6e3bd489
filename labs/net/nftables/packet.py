"""One packet at one hook, and what rules say about it.

Read first: nft(8), sections "CHAINS" and "CONNTRACK EXPRESSIONS".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from labs.net.arp import ArpPacket
from labs.net.ethernet import Frame
from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import Ipv6Packet

__all__ = ["Connection", "Context", "Ends", "LogEntry", "Nat", "Step"]


class Ends(Protocol):
    """One direction of a connection: addresses as numbers, ports, protocol number."""

    saddr: int
    daddr: int
    sport: int
    dport: int
    proto: int


class Connection(Protocol):
    """What rules ask of conntrack; `mark` is written by `ct mark set`."""

    state: str
    status: frozenset[str]
    direction: str
    mark: int
    original: Ends
    reply: Ends


@dataclass(slots=True)
class Context:
    """One packet at one hook. `mark`, `ct.mark` and `notrack` may be changed by rules."""

    family: str
    hook: str
    iifname: str | None = None
    oifname: str | None = None
    frame: Frame | None = None
    packet: Ipv4Packet | Ipv6Packet | ArpPacket | None = None
    ct: Connection | None = None
    mark: int = 0
    now_ns: int = 0
    skuid: int | None = None
    skgid: int | None = None
    ibrname: str | None = None
    obrname: str | None = None
    notrack: bool = False
    mtu: int = 0
    """The smaller MTU of the interfaces that the packet passes."""


@dataclass(frozen=True, slots=True)
class Nat:
    """A translation to make. Addresses and ports are numbers, both ends included; None leaves them as they are."""

    kind: str
    family: str | None = None
    addr_min: int | None = None
    addr_max: int | None = None
    port_min: int | None = None
    port_max: int | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A rule whose matches all held."""

    table: str
    chain: str
    handle: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A log statement that was reached."""

    prefix: str
    level: str
    group: int | None
    table: str
    chain: str
    handle: int
