"""What one device brings to the analysis of its site: worked out once, and good while the device stays as it is.

A survey is about one version of IP.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from grader.reach.hooks import Hooks
from grader.reach.machine import machine
from grader.reach.versions import V4, Version

if TYPE_CHECKING:
    from labs.model.addresses import Network
    from labs.model.site import Device
    from labs.net.linux.node import LinuxNode

__all__ = ["Survey", "cuts_of"]


def cuts_of(intervals: Iterable[tuple[int, int]], version: Version = V4) -> Iterator[int]:
    """The addresses at which an interval begins, or ends before."""
    last = version.domain[1]
    for low, high in intervals:
        yield low
        if high < last:
            yield high + 1


class Survey:
    """One observed device: its machine, its rules, every boundary that it draws. Raises ValueError, as `machine`."""

    def __init__(self, device: Device, version: Version = V4, node: LinuxNode | None = None) -> None:
        """`node` is the machine of the device, if it is there already."""
        assert device.state is not None
        self.version = version
        self._ports, self._files, self._state = device.ports, device.files, device.state
        node = self.machine = machine(device) if node is None else node
        self.layer = version.layer(node)
        self.hooks = Hooks(node, version)
        self.own = frozenset(version.addresses(node))
        networks = version.networks(node)
        self.ends = frozenset(version.ends(networks))
        """Addresses that mean everybody on a network."""
        prefixes = {route.prefix for route in self.layer.routes}
        self._bounds = sorted({0, *self._cuts_of((int(p.address), int(p.broadcast)) for p in prefixes)})
        self.translates = self.hooks.translates
        self.cuts = frozenset(self._cuts(networks))
        self.ports = tuple(
            (protocol, test.field, test.intervals)
            for program in self.hooks.all_programs
            for test in program.port_predicates()
            for protocol in test.protocols
        )
        self.limits = frozenset(self.hooks.limits())

    def _cuts_of(self, intervals: Iterable[tuple[int, int]]) -> Iterator[int]:
        return cuts_of(intervals, self.version)

    def _cuts(self, networks: list[Network]) -> Iterator[int]:
        yield from self._bounds
        yield from self._cuts_of((int(address), int(address)) for address in self.own)
        for network in networks:
            low, high = int(network.address), int(network.broadcast)
            yield from self._cuts_of(((low, low), (low, high), (high, high)))
        for program in self.hooks.all_programs:
            yield from self._cuts_of(program.address_intervals())

    def part(self, address: int) -> int:
        """The number of the stretch of addresses that no route of the device tells apart."""
        return bisect_right(self._bounds, address)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The first and the last address of each part."""
        last = self.version.domain[1]
        yield from zip(self._bounds, [*(bound - 1 for bound in self._bounds[1:]), last], strict=True)

    def holds(self, device: Device) -> bool:
        """The device is still what was surveyed."""
        return (
            device.state is not None
            and (self._state is device.state or self._state == device.state)
            and self._ports == device.ports
            and (self._files is device.files or self._files == device.files)
        )

    def wired_as(self, other: Survey) -> bool:
        """Frames go through both alike: all that differs is rules, sockets, programs or files."""
        if self is other:
            return True
        one, two = self._state, other._state
        return (one.interfaces, one.static_neighbours, one.sysctls, one.routes) == (
            two.interfaces,
            two.static_neighbours,
            two.sysctls,
            two.routes,
        )

    def asks_as(self, other: Survey) -> bool:
        """What finds out about neighbours is judged by the same rules."""
        return self is other or self.hooks.near == other.hooks.near
