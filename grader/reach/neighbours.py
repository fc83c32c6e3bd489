"""Who answers for the address of a neighbour, and where its packets then come in.

Before changing this file read `labs.net.linux.link_layer`, whose questions by ARP it follows; those of IPv6 are in
`discovery`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from grader.reach.scope import Limit, OutOfScope
from grader.reach.wiring import Arrival, Doubts, Tap
from labs.net.linux.arp_rules import is_silent

if TYPE_CHECKING:
    from grader.reach.versions import Version
    from grader.reach.wiring import Wiring
    from labs.model.addresses import Address
    from labs.model.site import Site
    from labs.net.actions import Note
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["ArpNeighbours", "Found", "Neighbours"]


class Found(NamedTuple):
    """Where a packet for a neighbour comes in, None where nobody says so.

    `perhaps` is where it comes in while its sender remembers what the neighbour once said by itself. `notes` are what
    devices report of a question that fails, `taught` who learned from it where an address is.
    """

    arrival: Arrival | None = None
    doubts: Doubts = ()
    perhaps: Arrival | None = None
    notes: tuple[tuple[str, Note], ...] = ()
    taught: tuple[tuple[str, str, Address, Arrival], ...] = ()

    @property
    def onward(self) -> Arrival | None:
        """Where it may come in."""
        return self.arrival or self.perhaps


class Neighbours:
    """What every device finds out about its neighbours, for one version of IP."""

    minds = False
    """Whether it makes a difference from which address somebody asks."""

    def __init__(self, site: Site, wiring: Wiring, machines: Mapping[str, LinuxNode], version: Version) -> None:
        self.wiring, self._machines, self._version = wiring, machines, version
        self.met: set[OutOfScope] = set()
        """What packets met that makes their way depend on chance or on the past."""
        self._answers: dict[tuple[str, str, Address, Address | None], Found] = {}
        self._static = {
            (name, entry.interface, entry.address): entry.mac
            for name, device in site.devices.items()
            if device.state is not None
            for entry in device.state.static_neighbours
            if isinstance(entry.address, version.kind)
        }
        self._owners: dict[int, list[str]] = {}
        for name, node in machines.items():
            for address in set(version.addresses(node)):
                self._owners.setdefault(int(address), []).append(name)
        self._prepare()

    def _prepare(self) -> None:
        """What else is worked out once."""

    def again(self, wiring: Wiring, machines: Mapping[str, LinuxNode]) -> Neighbours:
        """The same between machines that treat questions alike: whatever is known of them stays true."""
        found = copy(self)
        found.wiring, found.met = wiring, set()
        found._machines = machines  # noqa: SLF001 - a copy of itself
        return found

    def shares(self, other: Neighbours) -> bool:
        """One was made of the other by `again`."""
        return self._answers is other._answers

    @property
    def found(self) -> frozenset[OutOfScope]:
        """What lies outside the exact scope: settings, and what packets met."""
        return self.wiring.settings | self.met

    def alone(self, address: Address) -> bool:
        """One device has the address, and nobody was told by hand where it is."""
        return len(self._owners.get(int(address), ())) == 1 and not self._static

    def asks_as(self, device: str, source: Address) -> Address | None:
        """The address from which a device asks for the next hop of a packet; None where that makes no difference."""
        del device, source
        return None

    def ways_to_ask(self, device: str) -> list[Address | None]:
        """Every answer of `asks_as`."""
        del device
        return [None]

    def answer(self, device: str, interface: str, address: Address, asker: Address | None = None) -> Arrival | None:
        """Where a packet for a neighbour goes, or None where nobody answers for its address."""
        found = self.look(device, interface, address, asker)
        if found.doubts:
            self.met.update(found.doubts)
        return found.onward

    def look(self, device: str, interface: str, address: Address, asker: Address | None = None) -> Found:
        """The same before a packet takes the way, with the doubts that it would meet."""
        key = (device, interface, address, asker)
        known = self._answers.get(key)
        if known is None:
            doubts: list[OutOfScope] = []
            here = Tap(device, interface)
            heard = self.wiring.around(here)
            if heard.looped:
                doubts.append(OutOfScope(heard.looped, Limit.SWITCHING_LOOP))
            fixed = self._static.get((device, interface, address))
            if fixed is not None:
                known = Found(self._by_hand(here, fixed), tuple(doubts))
            else:
                known = self._ask(here, address, asker, doubts)
            self._answers[key] = known
        return known

    def choices(self, device: str, destination: Address, *, answered: bool) -> Doubts:
        """The doubt of a device that has several routes to a destination, and may take another one tomorrow.

        `answered`: the next hop of the first is found, so that only routes that are as good count.
        """
        del device, destination, answered
        return ()

    def _by_hand(self, here: Tap, mac: object) -> Arrival | None:
        taps = [tap for tap in self.wiring.around(here).taps if self.wiring.interface(tap).mac == mac]
        sending = self.wiring.interface(here)
        return Arrival(*taps[0], sending.mac) if taps and self._hears(taps[0]) else None

    def _hears(self, tap: Tap) -> bool:
        """The version is spoken there."""
        del tap
        return True

    def _ask(self, here: Tap, address: Any, asker: Address | None, doubts: list[OutOfScope]) -> Found:
        raise NotImplementedError

    def _only(self, here: Tap, address: Address, answering: list[Tap], doubts: list[OutOfScope]) -> Arrival | None:
        """The first who answers; several are a doubt."""
        if len(answering) > 1:
            names = ", ".join(sorted(f"{tap.device}:{tap.interface}" for tap in answering))
            doubts.append(OutOfScope(here.device, Limit.DUPLICATE_ADDRESS, f"{address}: {names}"))
        return Arrival(*answering[0], self.wiring.interface(here).mac) if answering else None


class ArpNeighbours(Neighbours):
    """Questions by ARP."""

    def _prepare(self) -> None:
        self._proxies = [
            Tap(name, interface.name)
            for name, node in self._machines.items()
            for interface in node.interfaces.values()
            if node.sysctl.interface_number(interface.name, "proxy_arp")
        ]

    def _ask(self, here: Tap, address: Any, asker: Address | None, doubts: list[OutOfScope]) -> Found:
        node = self._machines[here.device]
        sender = node.ip.source_for(node.interfaces[here.interface], address)
        if sender is None or address.is_loopback or not node.interfaces[here.interface].arp:
            return Found(None, tuple(doubts))
        taps = self.wiring.around(here).taps
        owners = self._owners.get(int(address), ())
        hearing = [tap for tap in taps if tap.device in owners and self._replies(tap, here, sender)]
        silent = [
            tap for tap in hearing if is_silent(self._machines[tap.device], self._interface(tap), sender, address)
        ]
        answering = [tap for tap in hearing if tap not in silent]
        if not answering:
            answering = [
                tap
                for tap in self._proxies
                if tap in taps
                and self._machines[tap.device].link.proxies(self._interface(tap), address)
                and self._replies(tap, here, sender)
            ]
        if not answering and silent:  # whoever answers nobody may still ask, and so tell of itself
            doubts.append(OutOfScope(here.device, Limit.ASKED_ITSELF, f"{address} on {here.interface}"))
            return Found(None, tuple(doubts), Arrival(*silent[0], self.wiring.interface(here).mac))
        return Found(self._only(here, address, answering, doubts), tuple(doubts))

    def _interface(self, tap: Tap) -> Interface:
        return self.wiring.interface(tap)

    def _replies(self, tap: Tap, asker: Tap, sender: Any) -> bool:
        """The question is heard and believed, and the answer finds its way back."""
        return (
            self._interface(tap).arp
            and not self._machines[tap.device].ip.spoofed(self._interface(tap), sender)
            and asker in self.wiring.around(tap).taps
        )
