"""Cutting the header space: addresses and services into the fewest classes that no rule and no route tells apart.

Every predicate of a rule or route is an interval of one field. Between two neighbouring boundaries nothing changes, so
one representative decides for all. Sets of service cells are integers, one bit a cell.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache

from labs.model.addresses import Address, IPv4, IPv6
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP

__all__ = ["AddressAtoms", "Cell", "Intervals", "ServiceCells", "common", "complement"]

Intervals = tuple[tuple[int, int], ...]
"""Numbers from low to high, both included."""

PORTS = (1, (1 << 16) - 1)
CLIENT_PORTS = (40_000, 32_768, 50_000, 1_024)  # what a witness uses, best first
PORT_PROTOCOLS = (PROTO_TCP, PROTO_UDP)


def complement(intervals: Intervals, domain: tuple[int, int]) -> Intervals:
    """Everything in the domain that is in none of the intervals."""
    found = []
    start = domain[0]
    for low, high in sorted(intervals):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    if start <= domain[1]:
        found.append((start, domain[1]))
    return tuple(found)


@lru_cache(maxsize=4096)
def common(alternatives: tuple[Intervals, ...]) -> Intervals:
    """The numbers that are in every one of the lists: sorted, and no two intervals overlap or touch."""
    found = _merged(alternatives[0])
    for other in alternatives[1:]:
        pairs = ((max(a, c), min(b, d)) for a, b in found for c, d in _merged(other))
        found = tuple((low, high) for low, high in pairs if low <= high)
    return found


def _merged(intervals: Intervals) -> Intervals:
    found: list[tuple[int, int]] = []
    for low, high in sorted(intervals):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


class AddressAtoms:
    """Addresses between neighbouring boundaries; an atom is known by its number."""

    def __init__(self, cuts: Iterable[int], kind: type[IPv4 | IPv6] = IPv4) -> None:
        """`cuts` are the addresses at which something begins to differ from the one before."""
        self.starts = sorted({0, *cuts})
        self._kind = kind

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, address: int) -> int:
        """The atom of an address."""
        return bisect_right(self.starts, address) - 1

    def within(self, low: int, high: int) -> range:
        """The atoms of an interval whose ends are boundaries."""
        return range(bisect_left(self.starts, low), bisect_left(self.starts, high + 1))

    def first(self, atom: int) -> Address:
        """Its lowest address, which stands for all."""
        return self._kind(self.starts[atom])

    def last(self, atom: int) -> Address:
        """Its highest address."""
        top = (1 << self._kind.bits) - 1
        return self._kind(self.starts[atom + 1] - 1 if atom + 1 < len(self.starts) else top)


class _PortClasses:
    """The ports of one field, grouped by which predicates hold for them."""

    def __init__(self, predicates: Sequence[Intervals]) -> None:
        cuts = {PORTS[0]}
        for intervals in predicates:
            for low, high in intervals:
                cuts.update(cut for cut in (low, high + 1) if PORTS[0] <= cut <= PORTS[1])
        self._starts = sorted(cuts)
        signatures = [0] * len(self._starts)
        for number, intervals in enumerate(predicates):
            for low, high in intervals:
                for index in range(bisect_left(self._starts, low), bisect_left(self._starts, high + 1)):
                    signatures[index] |= 1 << number
        classes: dict[int, int] = {}
        self.of_atom = [classes.setdefault(signature, len(classes)) for signature in signatures]
        self.count = len(classes)
        self.parts: list[list[tuple[int, int]]] = [[] for _ in range(self.count)]
        ends = [*(start - 1 for start in self._starts[1:]), PORTS[1]]
        for start, end, group in zip(self._starts, ends, self.of_atom, strict=True):
            self.parts[group].append((start, end))

    def of(self, port: int) -> int:
        """The class of a port."""
        return self.of_atom[bisect_right(self._starts, port) - 1]

    def within(self, intervals: Intervals) -> set[int]:
        """The classes that lie inside; the ends must be boundaries."""
        found = set()
        for low, high in intervals:
            for index in range(bisect_left(self._starts, low), bisect_left(self._starts, high + 1)):
                found.add(self.of_atom[index])
        return found

    def sample(self, group: int, wished: Sequence[int]) -> int:
        """A port of the class, one of the wished ones where it has one."""
        for port in wished:
            if any(low <= port <= high for low, high in self.parts[group]):
                return port
        return self.parts[group][-1 if wished is CLIENT_PORTS else 0][0]


class Cell:
    """What begins a conversation: an echo request, or TCP (its SYN) or UDP between two classes of ports."""

    __slots__ = ("dport", "protocol", "sport")

    def __init__(self, protocol: int, sport: int = 0, dport: int = 0) -> None:
        self.protocol = protocol
        self.sport = sport
        self.dport = dport


class ServiceCells:
    """The product of protocol, source port and destination port, each cut by the predicates of all rules.

    Cell 0 is the echo request. TCP and UDP follow, a row of destination classes for each source class.
    """

    def __init__(self, predicates: Iterable[tuple[int, str, Intervals]], icmp: int = PROTO_ICMP) -> None:
        """`predicates` are (protocol, "sport" or "dport", intervals); `icmp` is the number of that protocol."""
        self._icmp = icmp
        grouped: dict[tuple[int, str], dict[Intervals, None]] = {}
        for protocol, field, intervals in predicates:
            grouped.setdefault((protocol, field), {}).setdefault(intervals)
        self.key = frozenset((protocol, field, found) for (protocol, field), each in grouped.items() for found in each)
        """Two with the same key have the same cells."""
        self._classes = {
            (protocol, field): _PortClasses(tuple(grouped.get((protocol, field), ())))
            for protocol in PORT_PROTOCOLS
            for field in ("sport", "dport")
        }
        self.cells = [Cell(icmp)]
        self._base: dict[int, int] = {}
        for protocol in PORT_PROTOCOLS:
            self._base[protocol] = len(self.cells)
            sports, dports = self._classes[protocol, "sport"], self._classes[protocol, "dport"]
            self.cells += [Cell(protocol, s, d) for s in range(sports.count) for d in range(dports.count)]
        self.full = (1 << len(self.cells)) - 1
        self.icmp = 1
        self._masks: dict[tuple[int, str, Intervals], int] = {}

    def __len__(self) -> int:
        return len(self.cells)

    def of_protocol(self, protocol: int) -> int:
        """Every cell of a protocol."""
        if protocol == self._icmp:
            return self.icmp
        if protocol not in self._base:
            return 0
        size = self._classes[protocol, "sport"].count * self._classes[protocol, "dport"].count
        return ((1 << size) - 1) << self._base[protocol]

    def mask(self, protocol: int, field: str, intervals: Intervals) -> int:
        """The cells of a protocol whose port is in the intervals, which must be among the predicates."""
        key = (protocol, field, intervals)
        found = self._masks.get(key)
        if found is None:
            sports, dports = self._classes[protocol, "sport"], self._classes[protocol, "dport"]
            inside = self._classes[protocol, field].within(intervals)
            if field == "dport":
                row = sum(1 << group for group in inside)
                found = sum(row << source * dports.count for source in range(sports.count))
            else:
                row = (1 << dports.count) - 1
                found = sum(row << source * dports.count for source in inside)
            found = self._masks[key] = found << self._base[protocol]
        return found

    def cell(self, protocol: int, sport: int = 0, dport: int = 0) -> int:
        """The number of the cell of a packet that begins a conversation."""
        if protocol == self._icmp:
            return 0
        sports, dports = self._classes[protocol, "sport"], self._classes[protocol, "dport"]
        return self._base[protocol] + sports.of(sport) * dports.count + dports.of(dport)

    def ports(self, number: int, wished: Sequence[int] = ()) -> tuple[int, int]:
        """Source and destination port that stand for a cell; 0 for ICMP. `wished` are destination ports to prefer."""
        cell = self.cells[number]
        if cell.protocol == self._icmp:
            return 0, 0
        sports, dports = self._classes[cell.protocol, "sport"], self._classes[cell.protocol, "dport"]
        return sports.sample(cell.sport, CLIENT_PORTS), dports.sample(cell.dport, wished)

    def destination_ports(self, number: int) -> list[tuple[int, int]]:
        """The ranges of destination ports of a cell; empty for ICMP."""
        cell = self.cells[number]
        return [] if cell.protocol == self._icmp else self._classes[cell.protocol, "dport"].parts[cell.dport]

    def source_ports(self, number: int) -> list[tuple[int, int]]:
        """The ranges of source ports of a cell; empty for ICMP."""
        cell = self.cells[number]
        return [] if cell.protocol == self._icmp else self._classes[cell.protocol, "sport"].parts[cell.sport]

    def moved(self, mask: int, *, sport: int | None = None, dport: int | None = None) -> int:
        """The cells after a translation of ports; ICMP has none and stays."""
        if sport is None and dport is None:
            return mask
        found = mask & self.icmp
        for number in bits(mask & ~self.icmp):
            cell = self.cells[number]
            sports, dports = self._classes[cell.protocol, "sport"], self._classes[cell.protocol, "dport"]
            source = cell.sport if sport is None else sports.of(sport)
            target = cell.dport if dport is None else dports.of(dport)
            found |= 1 << self._base[cell.protocol] + source * dports.count + target
        return found


def bits(mask: int) -> Iterable[int]:
    """The numbers of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def describe_protocol(protocol: int) -> str:
    """`tcp`, `udp` or `ping`."""
    return {PROTO_TCP: "tcp", PROTO_UDP: "udp"}.get(protocol, "ping")
