"""Who can send what: the addresses that a device has, and those that it may take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grader.reach.analysis import Analysis
from grader.reach.versions import V6
from labs.model.addresses import Address, Network
from labs.model.site import Kind, Site

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["Senders"]


class Senders:
    """The source addresses of every device of a site, as atoms of its analysis."""

    def __init__(self, site: Site, analysis: Analysis) -> None:
        self._site = site
        self._analysis, self._version = analysis, analysis.version
        self._owned = {int(address): name for name in site.devices for address in self._usable(name)}
        self._asked: Sequence[tuple[object, ...]] | None = None
        self._wary: list[LinuxNode] = []
        self._addresses: dict[str, list[Address]] = {}
        self._atoms: dict[str, list[int]] = {}
        self._sources: dict[str, list[int]] = {}

    def addresses_of(self, device: str) -> list[Address]:
        """The addresses of a device, loopback left out."""
        known = self._addresses.get(device)
        if known is None:
            known = self._addresses[device] = self._usable(device)
        return known

    def _usable(self, device: str) -> list[Address]:
        state, kind = self._site.devices[device].state, self._version.kind
        interfaces = [i for i in state.interfaces if i.kind != "loopback"] if state is not None else []
        found = [(known.address, shown) for shown in interfaces for known in shown.addresses]
        return [address for address, shown in found if isinstance(address, kind) and address not in shown.tentative]

    def atoms_of(self, device: str) -> list[int]:
        """The same as atoms."""
        known = self._atoms.get(device)
        if known is None:
            known = self._atoms[device] = [
                self._analysis.addresses.of(address) for address in self.addresses_of(device)
            ]
        return known

    def sources_of(self, device: str) -> list[int]:
        """Atoms of the addresses that a device may take, one for each class that any rule or route tells apart.

        Its own; any address of its networks that no device has; for the internet any public address that is nobody's.
        An address of somebody else, or of another network, is not among them.
        """
        known = self._sources.get(device)
        if known is None:
            own = self.atoms_of(device)
            asked = [self._analysis.neighbours.asks_as(device, address) for address in self.addresses_of(device)]
            seen = {self.signature(atom) for atom, asker in zip(own, asked, strict=True) if asker is None}
            known = list(own)
            alone = self._site.devices[device].kind not in (
                Kind.ROUTER,
                Kind.SWITCH,
            )  # others keep the address they have
            for atom in self._spare(device) if alone else ():
                signature = self.signature(atom)
                if signature not in seen:
                    seen.add(signature)
                    known.append(atom)
            self._sources[device] = known
        return known

    def is_owned(self, atom: int) -> bool:
        """Some device has the lowest address of the atom."""
        return int(self._analysis.addresses.first(atom)) in self._owned

    def _spare(self, device: str) -> Iterator[int]:
        """Atoms of addresses that nobody has and this device could take."""
        atoms = self._analysis.addresses
        for network in self._links_of(device):
            low, high = int(network.address), int(network.broadcast)
            ends = (low, *self._version.ends([network]))  # of IPv6 the first means any router there
            for atom in atoms.within(low, high):
                first = int(atoms.first(atom))
                if first not in self._owned and first not in ends:
                    yield atom
        if self._site.devices[device].kind is Kind.INTERNET:
            yield from self._public()

    def _links_of(self, device: str) -> list[Network]:
        """The networks that a device is on: those of its addresses, and of IPv6 those that a router says are here."""
        state, version = self._site.devices[device].state, self._version
        if state is None:
            return []
        found = [known.network for known in state.addresses()]
        if version is V6:
            near = (r for r in state.routes if r.via is None and r.device is not None and r.kind == "unicast")
            found += [route.prefix for route in near if route.prefix.length and not route.prefix.address.is_multicast]
        mine = (n for n in found if isinstance(n.address, version.kind) and n.length <= version.smallest)
        return list(dict.fromkeys(mine))

    def _public(self) -> Iterator[int]:
        """Atoms of addresses that are neither special nor in a network of the site."""
        inside = [network for network in (*self._version.special, *self._site.subnets.values()) if network.length]
        for node in self._analysis.machines.values():
            inside += self._version.networks(node)
        for atom in range(len(self._analysis.addresses)):
            first = self._analysis.addresses.first(atom)
            if not any(first in network for network in inside):
                yield atom

    def signature(self, atom: int) -> tuple[object, ...]:
        """Two source atoms with the same signature have the same fate everywhere."""
        if self._asked is None:
            programs = [program for hooks in self._analysis.hooks.values() for program in hooks.all_programs]
            empty = ((),) * len(self._analysis.addresses)
            columns = [program.by_source for program in programs]
            columns += [program.by_aside for program in programs if program.aside]
            self._asked = list(zip(*columns, strict=True)) if programs else empty
            self._wary = [
                node
                for node in self._analysis.machines.values()
                if any(self._version.is_wary(node, name) for name in node.interfaces)
            ]
        asked = self._asked[atom]
        if self._analysis.roads.is_scoped(atom):
            asked = (*asked, "of a link")
        if not self._wary:
            return asked
        address = self._analysis.addresses.first(atom)
        routes = (self._version.layer(node).routes.lookup(address) for node in self._wary)
        return (*asked, *(None if route is None else route.device for route in routes))
