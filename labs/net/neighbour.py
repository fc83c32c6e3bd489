"""The neighbour table: who has which address, and how sure we are.

Before changing this file read RFC 826, RFC 1122 §2.3.2 and RFC 4861 §7.3.2, whose states Linux uses for ARP too.
Timers are Linux's defaults (net.ipv4.neigh.default.*).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from labs.model.addresses import Mac
from labs.model.state import StaticNeighbour

if TYPE_CHECKING:
    from collections.abc import Callable

    from labs.model.addresses import Address
    from labs.net.interface import Interface
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.ipv6 import Ipv6Packet

__all__ = ["Neighbour", "NeighbourState", "NeighbourTable", "memory_of"]

BASE_REACHABLE_NS = 30_000_000_000  # base_reachable_time_ms; Linux draws 0.5 to 1.5 times this, we take the mean
DELAY_FIRST_PROBE_NS = 5_000_000_000  # delay_first_probe_time
RETRANS_NS = 1_000_000_000  # retrans_time_ms
UCAST_SOLICIT = 3  # ucast_solicit
MCAST_SOLICIT = 3  # mcast_solicit
LOCKTIME_NS = 1_000_000_000  # locktime: a second answer within this time does not replace the first
UNRESOLVED_BYTES = 212_992  # unres_qlen_bytes: memory for packets that wait for one answer
MEMORY = ((225, 832), (670, 1280), (1700, 2304))  # length of a packet to what Linux 6 counts for it (skb->truesize)
MAX_ENTRIES = 1024  # gc_thresh3


def memory_of(packet: Ipv4Packet | Ipv6Packet) -> int:
    """What a waiting packet takes from UNRESOLVED_BYTES."""
    return next((memory for longest, memory in MEMORY if packet.length <= longest), packet.length + 2304)


class NeighbourState(StrEnum):
    """The NUD states, as `ip neigh` prints them."""

    INCOMPLETE = "INCOMPLETE"
    REACHABLE = "REACHABLE"
    STALE = "STALE"
    DELAY = "DELAY"
    PROBE = "PROBE"
    FAILED = "FAILED"
    PERMANENT = "PERMANENT"
    NOARP = "NOARP"


VALID = frozenset(
    {
        NeighbourState.REACHABLE,
        NeighbourState.STALE,
        NeighbourState.DELAY,
        NeighbourState.PROBE,
        NeighbourState.PERMANENT,
        NeighbourState.NOARP,
    }
)


@dataclass(slots=True)
class Neighbour:
    """One entry. `waiting` are packets that wait for the answer."""

    address: Address
    interface: Interface
    state: NeighbourState
    mac: Mac | None = None
    confirmed_ns: int = 0
    updated_ns: int = -LOCKTIME_NS
    used_ns: int = 0
    probes: int = 0
    serial: int = 0
    waiting: list[Ipv4Packet | Ipv6Packet] = field(default_factory=list)
    router: bool = False
    """IPv6: it said that it is a router (NTF_ROUTER)."""

    def refresh(self, now: int) -> None:
        """REACHABLE turns STALE when it was not confirmed for long enough."""
        if self.state is NeighbourState.REACHABLE and now - self.confirmed_ns > BASE_REACHABLE_NS:
            self.state = NeighbourState.STALE

    @property
    def usable(self) -> bool:
        """A frame can be sent with what is known."""
        return self.state in VALID


class NeighbourTable:
    """All neighbours of a device, by interface and address. `removed` is called when one is forgotten."""

    def __init__(self, removed: Callable[[], None] = lambda: None) -> None:
        self._removed = removed
        self._entries: dict[tuple[str, Address], Neighbour] = {}

    def get(self, interface: Interface, address: Address) -> Neighbour | None:
        """The entry, if any."""
        return self._entries.get((interface.name, address))

    def known(self, interface: str, address: Address) -> bool:
        """Whether there is an entry on the interface of that name."""
        return (interface, address) in self._entries

    def create(self, interface: Interface, address: Address, state: NeighbourState) -> Neighbour | None:
        """A new entry, or None where the table is full."""
        if len(self._entries) >= MAX_ENTRIES:
            return None
        entry = Neighbour(address, interface, state)
        self._entries[interface.name, address] = entry
        return entry

    def remove(self, entry: Neighbour) -> None:
        """Forget one entry."""
        self._entries.pop((entry.interface.name, entry.address), None)
        self._removed()

    def flush(self, interface: Interface) -> list[Neighbour]:
        """Forget the entries of an interface that went down; returns them, with the packets that waited."""
        gone = [entry for entry in self._entries.values() if entry.interface is interface]
        for entry in gone:
            self.remove(entry)
        return gone

    def static(self) -> tuple[StaticNeighbour, ...]:
        """The entries that were made by hand."""
        return tuple(
            StaticNeighbour(entry.interface.name, entry.address, entry.mac)
            for entry in self._entries.values()
            if entry.state is NeighbourState.PERMANENT and entry.mac is not None
        )

    def entries(self, now: int) -> list[Neighbour]:
        """Every entry with its state as of now, in the order of `ip neigh` (newest first)."""
        for entry in self._entries.values():
            entry.refresh(now)
        return list(reversed(self._entries.values()))
