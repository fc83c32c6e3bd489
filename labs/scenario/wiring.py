"""Ports and leads: which port every lead of a site sits in, worked out from what the author wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.messages import Message, message
from labs.model.addresses import IPv4, Network
from labs.model.site import Endpoint, Kind, Link
from labs.scenario.radios import wifi_ports
from labs.scenario.scenario import DeviceSpec, SiteSpec
from labs.scenario.schema import Report, suggest

__all__ = ["Draft", "Wiring"]

LINK_DELAY_NS = 90_000  # what makes a ping on a quiet LAN take about 0.4 ms, as on real 100 Mb/s equipment
LINK_JITTER_NS = 30_000
MIN_SWITCH_PORTS = 5


@dataclass(slots=True)
class Draft:
    """A device while it is being put together."""

    name: str
    spec: DeviceSpec
    addresses: dict[str, IPv4 | None] = field(default_factory=dict)  # None: by DHCP
    ports: dict[str, list[str]] = field(default_factory=dict)  # subnet -> ports ("" for a switch)
    free: list[str] = field(default_factory=list)

    @property
    def all_ports(self) -> list[str]:
        """Every port, in order; one that carries several subnets stands there once."""
        return list(dict.fromkeys(port for group in self.ports.values() for port in group))

    def carried(self, port: str) -> list[str]:
        """The subnets of a port; more than one are told apart by their VLAN tags."""
        return [subnet for subnet, group in self.ports.items() if port in group]


class Wiring:
    """Names ports and connects them."""

    def __init__(
        self, spec: SiteSpec, drafts: Mapping[str, Draft], subnets: Mapping[str, Network], report: Report
    ) -> None:
        self._spec = spec
        self._drafts = drafts
        self._subnets = subnets
        self._report = report
        self._links: list[Link] = []

    def links(self) -> list[Link] | None:
        """Every lead with both ends in a port; None where the written ends make no sense."""
        if not self._ends_exist():
            return None
        self._name_ports()
        self._connect()
        return self._links

    def _wrong(self, name: str, said: Message | str, *parts: str) -> None:
        path = ".".join(["site.devices", name, *parts])
        self._report.add(self._spec.devices[name].line, path, said)

    def _links_of(self, name: str) -> list[int]:
        return [i for i, link in enumerate(self._spec.links) for end in link.ends if end.partition(":")[0] == name]

    def _ends_exist(self) -> bool:
        """Whether every lead ends at a device; otherwise which port is free is not worth telling."""
        missing = False
        for index, link in enumerate(self._spec.links):
            for end in link.ends:
                name = end.partition(":")[0]
                if name not in self._drafts:
                    missing = True
                    known = ", ".join(self._drafts)
                    said = message(
                        'there is no device "{name}"; devices: {known}{near}',
                        name=name,
                        known=known,
                        near=suggest(name, self._drafts),
                    )
                    self._report.add(link.line, f"site.links[{index}]", said)
        return not missing

    def _name_ports(self) -> None:
        for draft in self._drafts.values():
            wish = draft.spec.ports
            named = [
                end.partition(":")[2]
                for link in self._spec.links
                for end in link.ends
                if end.partition(":")[0] == draft.name and ":" in end
            ]
            if draft.spec.kind == Kind.SWITCH:
                used = len(self._links_of(draft.name))
                count = wish if isinstance(wish, int) else max(MIN_SWITCH_PORTS, used, *[_number(p) for p in named], 0)
                if isinstance(wish, dict):
                    self._wrong(draft.name, message("the ports of a switch are a number"), "ports")
                draft.ports[""] = [f"p{i}" for i in range(1, count + 1)]
                if used > count:
                    self._wrong(
                        draft.name, message("{used} leads, but only {count} ports", used=used, count=count), "ports"
                    )
            else:
                if wish is None and draft.addresses:
                    wish = wifi_ports(draft.spec.services, next(iter(draft.addresses)))
                self._name_host_ports(draft, wish, named)
            draft.free = draft.all_ports
            for port in named:
                if port not in draft.free:
                    known = ", ".join(draft.all_ports)
                    self._wrong(
                        draft.name,
                        message(
                            'there is no port "{port}"; ports: {known}{near}',
                            port=port,
                            known=known,
                            near=suggest(port, draft.all_ports),
                        ),
                        "ports",
                    )
                elif named.count(port) > 1:
                    self._wrong(draft.name, message("two leads in the port {port}", port=port), "ports")

    def _name_host_ports(self, draft: Draft, wish: Any, named: list[str]) -> None:
        wish = wish if isinstance(wish, dict) else {}
        for subnet in wish:
            if subnet not in draft.addresses and subnet in self._subnets:
                self._wrong(
                    draft.name, message('the device is not in the subnet "{subnet}"', subnet=subnet), "ports", subnet
                )
        taken = {port for ports in wish.values() for port in ports}
        names = (f"eth{i}" for i in range(64) if f"eth{i}" not in taken)
        for subnet in draft.addresses:
            draft.ports[subnet] = list(wish.get(subnet, ())) or [next(names)]
        for subnet, ports in draft.ports.items():
            if subnet not in wish:
                extra = self._leads_into(draft.name, subnet) - 1
                ports.extend(next(names) for _ in range(extra))

    def _leads_into(self, name: str, subnet: str) -> int:
        """How many leads of a device certainly belong to one of its subnets (a router with a switch built in)."""
        count = 0
        for link in self._spec.links:
            ends = [end.partition(":") for end in link.ends]
            for mine, far in (ends, reversed(ends)):
                if mine[0] == name and not mine[2]:
                    other = self._drafts.get(far[0])
                    common = [s for s in self._drafts[name].addresses if other is not None and s in other.addresses]
                    count += common == [subnet]
        return count

    def _connect(self) -> None:
        chosen: dict[tuple[int, int], str] = {}
        for first_pass in (True, False):
            for index, link in enumerate(self._spec.links):
                for side, end in enumerate(link.ends):
                    if (":" in end) == first_pass:
                        chosen[index, side] = self._choose_port(index, end, link.ends[1 - side])
        for index, link in enumerate(self._spec.links):
            ends = [Endpoint(end.partition(":")[0], chosen[index, side]) for side, end in enumerate(link.ends)]
            if all(end.port for end in ends):
                self._links.append(Link(ends[0], ends[1], LINK_DELAY_NS, LINK_JITTER_NS))

    def _choose_port(self, index: int, end: str, far_end: str) -> str:
        name, _, port = end.partition(":")
        line = self._spec.links[index].line
        path = f"site.links[{index}]"
        draft = self._drafts[name]
        if port:
            if port in draft.free:
                draft.free.remove(port)
            return port
        if set(draft.spec.at) - set(draft.addresses):
            return ""  # its address has been told about, and with it the port would be there
        candidates = self._candidates(draft, far_end.partition(":")[0])
        if (
            len(candidates) != 1
            and draft.spec.kind != Kind.SWITCH
            and len({self._subnet_of(draft, p) for p in candidates}) != 1
        ):
            listed = ", ".join(f"{name}:{p} ({self._subnet_of(draft, p)})" for p in draft.free)
            said = (
                message("say which port of {name}: {listed}", name=name, listed=listed)
                if listed
                else message("{name} has no free port", name=name)
            )
            self._report.add(line, path, said)
            return ""
        if not candidates:
            self._report.add(line, path, message("{name} has no free port", name=name))
            return ""
        chosen = candidates[0]
        draft.free.remove(chosen)
        return chosen

    @staticmethod
    def _subnet_of(draft: Draft, port: str) -> str:
        return next(subnet for subnet, ports in draft.ports.items() if port in ports)

    def _candidates(self, draft: Draft, far: str) -> list[str]:
        """The free ports that a lead to `far` may sit in."""
        if draft.spec.kind == Kind.SWITCH:
            return draft.free
        reachable = self._subnets_behind(far, {draft.name})
        fitting = [port for port in draft.free if self._subnet_of(draft, port) in reachable]
        return fitting or ([] if reachable else draft.free)

    def behind(self, end: Endpoint) -> set[str]:
        """The subnets that a lead into this port belongs to."""
        draft = self._drafts[end.device]
        if draft.spec.kind == Kind.SWITCH:
            return self._subnets_behind(end.device, set())
        return set(draft.carried(end.port))

    def _subnets_behind(self, name: str, seen: set[str]) -> set[str]:
        """Subnets of a device, or of whatever hangs on a switch."""
        draft = self._drafts.get(name)
        if draft is None or name in seen:
            return set()
        if draft.spec.kind != Kind.SWITCH:
            return set(draft.addresses)
        found: set[str] = set(draft.spec.vlans or draft.addresses)
        if found:
            return found
        groups = []
        for index in self._links_of(name):
            for end in self._spec.links[index].ends:
                other = end.partition(":")[0]
                behind = self._subnets_behind(other, {*seen, name}) if other != name else set()
                if behind:
                    groups.append(behind)
        return set.intersection(*groups) if groups and set.intersection(*groups) else set().union(*groups)


def _number(port: str) -> int:
    return int(port[1:]) if port[1:].isdecimal() else 0
