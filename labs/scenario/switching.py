"""Managed switches: from the subnets a switch carries to the VLANs of its ports, as paragraphs of its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labs.messages import Message, message
from labs.model.site import Endpoint, Kind, Link
from labs.net.ifupdown import Stanza
from labs.scenario.scenario import SiteSpec
from labs.scenario.schema import Report, all_of, suggest
from labs.scenario.wiring import Draft, Wiring

__all__ = ["Switching", "stp_options"]


def stp_options(draft: Draft) -> list[tuple[str, str]]:
    """What a switch that speaks the spanning tree protocol has in the paragraph of its bridge."""
    return [("bridge-stp", "on")] if draft.spec.stp else []


class Switching:
    """Works out access ports and trunks. A port is an access port when one subnet is behind it, else a trunk."""

    def __init__(
        self, spec: SiteSpec, drafts: Mapping[str, Draft], wiring: Wiring, links: Sequence[Link], report: Report
    ) -> None:
        self._spec = spec
        self._drafts = drafts
        self._wiring = wiring
        self._report = report
        self._far = {end: other for link in links for end, other in (link.ends, reversed(link.ends))}
        for draft in drafts.values():
            self._check(draft)

    def _wrong(self, name: str, said: Message | str, *parts: str) -> None:
        path = ".".join(["site.devices", name, *parts])
        self._report.add(self._spec.devices[name].line, path, said)

    def _check(self, draft: Draft) -> None:
        spec = draft.spec
        if spec.vlans and spec.kind != Kind.SWITCH:
            self._wrong(
                draft.name, message("only a switch carries VLANs; give a router ports: {{SUBNET: [PORT], …}}"), "vlans"
            )
        for subnet in spec.vlans:
            if subnet not in self._spec.subnets:
                known = self._spec.subnets
                said = message(
                    '"{subnet}" is not a subnet; subnets: {known}{near}',
                    subnet=subnet,
                    known=", ".join(known),
                    near=suggest(subnet, known),
                )
                self._wrong(draft.name, said, "vlans")
            elif self._spec.vlan(subnet) is None:
                self._wrong(
                    draft.name,
                    message("the subnet {subnet} has no number: {{pool: …, size: …, vlan: 10}}", subnet=subnet),
                    "vlans",
                )
        self._once(draft, list(dict.fromkeys(spec.vlans)), "vlans")
        for subnet in [*draft.addresses, *([spec.native] if spec.native else [])]:
            if spec.vlans and subnet not in spec.vlans:
                self._wrong(draft.name, message("the switch does not carry {subnet}", subnet=subnet), "vlans")
        for port in draft.all_ports:
            subnets = draft.carried(port)
            if not spec.vlans:
                self._once(draft, subnets, "ports")
            unnumbered = [subnet for subnet in subnets if self._spec.vlan(subnet) is None]
            if len(subnets) > 1 and unnumbered:
                said = message(
                    "{port} carries {subnets}, but {unnumbered} has no vlan number",
                    port=port,
                    subnets=all_of(subnets),
                    unnumbered=unnumbered[0],
                )
                self._wrong(draft.name, said, "ports")

    def _once(self, draft: Draft, subnets: Sequence[str], key: str) -> None:
        """A number means one of the subnets that a device carries."""
        numbers: dict[int, str] = {}
        for subnet in subnets:
            number = self._spec.vlan(subnet)
            if number is not None and number in numbers:
                said = message(
                    "{first} and {second} have the same VLAN number {number}",
                    first=numbers[number],
                    second=subnet,
                    number=number,
                )
                self._wrong(draft.name, said, key)
            elif number is not None:
                numbers[number] = subnet

    def bridge(self, draft: Draft) -> list[Stanza]:
        """The bridge over all ports."""
        options = [("bridge-ports", " ".join(draft.all_ports)), ("bridge-vlan-aware", "yes")]
        options += stp_options(draft)
        return [Stanza("br0", method="manual", options=tuple(options))]

    def ports(self, draft: Draft) -> list[Stanza]:
        """One paragraph per port with a lead in it."""
        stanzas = []
        for port in draft.all_ports:
            far = self._far.get(Endpoint(draft.name, port))
            if far is not None:
                stanzas.append(Stanza(port, method="manual", options=self._options(draft, port, far)))
        return stanzas

    def _options(self, draft: Draft, port: str, far: Endpoint) -> tuple[tuple[str, str], ...]:
        other = self._drafts[far.device]
        behind = [subnet for subnet in draft.spec.vlans if subnet in self._wiring.behind(far)]
        if not behind:
            self._wrong(
                draft.name,
                message(
                    "nothing behind {port} ({device}) is in a subnet the switch carries", port=port, device=far.device
                ),
                "vlans",
            )
        between = bool(other.spec.vlans)
        if not between and len(behind) <= 1 and len(other.carried(far.port)) <= 1:
            return tuple(("bridge-access", str(self._spec.vlan(subnet))) for subnet in behind)
        if not between and other.spec.kind == Kind.SWITCH:
            said = message(
                "{behind} are behind {device}, which is not managed", behind=all_of(behind), device=far.device
            )
            self._wrong(draft.name, said, "vlans")
        native = draft.spec.native if between and draft.spec.native in behind else ""
        vids = " ".join(str(self._spec.vlan(subnet)) for subnet in behind if subnet != native)
        if native:
            return (("bridge-vids", vids), ("bridge-pvid", str(self._spec.vlan(native))))
        return (("bridge-vids", vids), ("bridge-allow-untagged", "no"))
