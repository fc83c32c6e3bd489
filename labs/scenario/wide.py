"""The IPv6 half of a site: what `v6` of a subnet adds to the files of the devices in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from labs.model.addresses import IPv6, Network
from labs.model.site import Kind
from labs.net.ifupdown import Stanza
from labs.scenario.scenario import HostNumber, SiteSpec

if TYPE_CHECKING:
    from labs.scenario.wiring import Draft

__all__ = ["Wide"]

SETTINGS = "/etc/sysctl.d/60-ipv6.conf"
ON = "net.ipv6.conf.all.disable_ipv6 = 0\nnet.ipv6.conf.default.disable_ipv6 = 0\n"
FORWARD = "net.ipv6.conf.all.forwarding = 1\n"
FIXED = (Kind.ROUTER, Kind.SERVER, Kind.INTERNET)


class Wide:
    """Which devices speak IPv6, and what is written for them. Everybody else keeps it switched off."""

    def __init__(self, spec: SiteSpec, drafts: Mapping[str, Draft], interface_of: Callable[[Draft, str], str]) -> None:
        self._networks = spec.wide
        self._drafts = drafts
        self._interface_of = interface_of

    def subnets(self, draft: Draft) -> list[str]:
        """The subnets in which a device speaks IPv6; a switch does so nowhere."""
        if draft.spec.kind == Kind.SWITCH:
            return []
        return [subnet for subnet in draft.addresses if subnet in self._networks]

    def address(self, draft: Draft, subnet: str) -> IPv6 | None:
        """The fixed address of a router or server: host .20 is ::20. Everybody else makes its own."""
        place = draft.spec.at.get(subnet)
        if subnet not in self._networks or draft.spec.kind not in FIXED or not isinstance(place, HostNumber):
            return None
        return IPv6(int(self._networks[subnet].address) | int(str(place.number), 16))

    def stanzas(self, draft: Draft, subnet: str | None, interface: str) -> list[Stanza]:
        """The inet6 paragraph of an interface."""
        if subnet is None or subnet not in self.subnets(draft):
            return []
        address = self.address(draft, subnet)
        if address is None:
            return [Stanza(interface, "inet6", "auto")]
        options = [("address", f"{address}/64")]
        outside = self._outside(subnet)
        if outside is not None and draft.spec.kind == Kind.ROUTER:
            options.append(("gateway", str(outside)))
        for network, via in self._routes(draft, subnet):
            options.append(("up", f"ip -6 route add {network} via {via}"))
        return [Stanza(interface, "inet6", "static", tuple(options))]

    def _outside(self, subnet: str) -> IPv6 | None:
        """The internet in a subnet, if it is there."""
        for other in self._drafts.values():
            if other.spec.kind == Kind.INTERNET and subnet in other.addresses:
                return self.address(other, subnet)
        return None

    def _routes(self, draft: Draft, subnet: str) -> list[tuple[Network, IPv6]]:
        """The written ones, and for the internet the way back to every network behind a router."""
        found: list[tuple[Network, IPv6]] = []
        for network, via in draft.spec.routes:
            if isinstance(network.address, IPv6):
                hop = self._hop(via, subnet)
                if hop is not None:
                    found.append((network, hop))
        if draft.spec.kind == Kind.INTERNET:
            for other in self._drafts.values():
                hop = self.address(other, subnet)
                if other.spec.kind == Kind.ROUTER and hop is not None:
                    found += [(self._networks[s], hop) for s in self.subnets(other) if s != subnet]
        return found

    def _hop(self, via: str, subnet: str) -> IPv6 | None:
        other = self._drafts.get(via)
        if other is not None:
            return self.address(other, subnet)
        try:
            address = IPv6.parse(via)
        except ValueError:
            return None
        return address if address in self._networks[subnet] else None

    def files(self, draft: Draft) -> dict[str, str]:
        """Kernel settings, and what a router advertises."""
        subnets = self.subnets(draft)
        if not subnets:
            return {}
        router = draft.spec.kind == Kind.ROUTER
        made = {SETTINGS: ON + (FORWARD if router else "")}
        inside = [subnet for subnet in subnets if self._outside(subnet) is None]
        if router and inside:
            made["/etc/radvd.conf"] = "\n".join(
                _advertiser(self._interface_of(draft, subnet), self._networks[subnet]) for subnet in inside
            )
        return made


def _advertiser(interface: str, network: Network) -> str:
    return f"""interface {interface}
{{
    AdvSendAdvert on;
    MinRtrAdvInterval 30;
    MaxRtrAdvInterval 100;
    prefix {network}
    {{
        AdvOnLink on;
        AdvAutonomous on;
    }};
}};
"""
