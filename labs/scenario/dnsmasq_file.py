"""/etc/dnsmasq.conf from what an author writes under `dhcp`, `dhcp_relay` and `dns`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from labs.messages import Message, message
from labs.model.addresses import IPv4, Mac, Network
from labs.model.site import Kind
from labs.scenario.dhcp_relay import first_address, relay_address, relay_lines
from labs.scenario.naming import Names
from labs.scenario.scenario import Place
from labs.scenario.schema import suggest
from labs.scenario.wiring import Draft

__all__ = ["DnsmasqFile"]


class Builder(Protocol):
    """What is asked of who builds the site."""

    subnets: Mapping[str, Network]

    def resolve(self, name: str, subnet: str, place: Place, *parts: str) -> IPv4 | None:
        """An address in a subnet; None after a report."""

    def interface(self, draft: Draft, subnet: str) -> str:
        """The interface of a device that carries a subnet."""

    def mac(self, draft: Draft, subnet: str) -> Mac:
        """Its hardware address."""

    def wrong(self, name: str, said: Message | str, *parts: str) -> None:
        """Report a mistake at a device."""


class DnsmasqFile:
    """Writes the file of any device of a site."""

    def __init__(self, builder: Builder, drafts: Mapping[str, Draft], names: Names) -> None:
        self._builder = builder
        self._drafts = drafts
        self._names = names

    def text(self, draft: Draft) -> str:
        """/etc/dnsmasq.conf of a device."""
        services = draft.spec.services
        lines: list[str] = []
        dhcp, dns = services.get("dhcp", ()), services.get("dns")
        if dns is None:
            lines.append("port=0")
        else:
            lines.append("no-hosts")
            lines += self._records(draft, dns)
        for served in dhcp:
            lines += self._range(draft, served, alone=len(dhcp) == 1)
        lines += relay_lines(draft, self._drafts, self._builder.wrong)
        if dhcp:
            lines += ["dhcp-authoritative", "no-ping"]
        return "\n".join(lines) + "\n"

    def _records(self, draft: Draft, dns: dict[str, Any]) -> list[str]:
        lines = []
        if dns["forward"]:
            upstream = self._drafts.get(dns["forward"])
            address = next((a for a in upstream.addresses.values() if a is not None), None) if upstream else None
            if address is None:
                known = self._drafts
                self._builder.wrong(
                    draft.name,
                    message(
                        '"{dns}" is not a device with a fixed address{near}',
                        dns=dns["forward"],
                        near=suggest(dns["forward"], known),
                    ),
                    "services.dns.forward",
                )
            else:
                lines += ["no-resolv", f"server={address}"]
        else:
            lines.append("no-resolv")
        if draft.spec.kind != Kind.INTERNET:
            lines += [f"host-record={name},{address}" for name, address in self._names.of_site().items()]
        own_subnet = next(iter(draft.addresses), "")
        for name, place in dns["names"].items():
            address = self._builder.resolve(draft.name, own_subnet, place, "services.dns.names", name)
            if address is not None:
                lines.append(f"host-record={name},{address}")
        return lines

    def _range(self, draft: Draft, dhcp: dict[str, Any], *, alone: bool) -> list[str]:
        """One range. Where there are several, dnsmasq tells each subnet its own address there as router and server."""
        subnet = dhcp["on"]
        own = draft.addresses.get(subnet)
        if own is None and relay_address(self._drafts, draft, subnet) is None:
            self._builder.wrong(
                draft.name,
                message('{name} has no fixed address in "{subnet}"', name=draft.name, subnet=subnet),
                "services.dhcp.on",
            )
            return []
        pool = [self._builder.resolve(draft.name, subnet, place, "services.dhcp.pool") for place in dhcp["pool"]]
        if len(pool) != 2 or None in pool:
            self._builder.wrong(draft.name, message("the pool is two addresses: first and last"), "services.dhcp.pool")
            return []
        first, last = pool
        if first is not None and last is not None and first > last:
            said = message("the pool runs backwards: {first} comes after {last}", first=first, last=last)
            self._builder.wrong(draft.name, said, "services.dhcp.pool")
        network = self._builder.subnets[subnet]
        gateway = own if draft.spec.kind == Kind.ROUTER else None
        lines = [
            *([f"interface={self._builder.interface(draft, subnet)}"] if self._serves_own(draft) else []),
            f"dhcp-range={pool[0]},{pool[1]},{network.netmask},{dhcp['lease']}",
        ]
        if gateway is not None and alone:
            lines.append(f"dhcp-option=option:router,{gateway}")
        resolver = self._resolver_for_clients(draft, subnet)
        if resolver is not None and (alone or resolver != own):
            lines.append(f"dhcp-option=option:dns-server,{resolver}")
        for name, place in dhcp["reserve"].items():
            client = self._drafts.get(name)
            address = self._builder.resolve(draft.name, subnet, place, "services.dhcp.reserve", name)
            if client is None or subnet not in client.addresses:
                self._builder.wrong(
                    draft.name,
                    message(
                        '"{name}" is not a device in {subnet}{near}',
                        name=name,
                        subnet=subnet,
                        near=suggest(name, self._drafts),
                    ),
                    "services.dhcp.reserve",
                )
            elif address is not None:
                lines.append(f"dhcp-host={self._builder.mac(client, subnet)},{address},{name}")
        return lines

    def _serves_own(self, draft: Draft) -> bool:
        """No subnet is served through a relay: requests come from the networks of the server alone."""
        return all(draft.addresses.get(served["on"]) is not None for served in draft.spec.services["dhcp"])

    def _resolver_for_clients(self, draft: Draft, subnet: str) -> IPv4 | None:
        server = self._names.server()
        if server is draft:
            return draft.addresses.get(subnet) or first_address(draft)
        return self._names.resolver(draft)
