"""`${terminal.address}` in the texts of a scenario: names instead of addresses, so that one text fits every variant.

| written | stands for |
|---|---|
| `${gw.address}` | the first address of a device; `${gw.office.address}` the one in a subnet |
| `${gw.prefix}` | the same with its prefix length, as `ip addr add` takes it |
| `${gw.v6}` | its first fixed IPv6 address (routers and servers have one) |
| `${gw.mac}` | the MAC address of its first port |
| `${office}` | the network, such as 192.168.62.0/24 |
| `${office.40}` | host number 40 of the network; `${office.mask}`, `${office.length}`, `${office.broadcast}` |
"""

from __future__ import annotations

import re

from labs.messages import Message, message
from labs.model.addresses import InterfaceAddress
from labs.model.site import Site
from labs.net.ifupdown import parse_interfaces
from labs.scenario.schema import suggest

__all__ = ["Placeholders"]

PATTERN = re.compile(r"\$\{([a-z][a-z0-9.-]*)\}")


class Placeholders:
    """Resolves placeholders against the healthy site of a variant."""

    def __init__(self, healthy: Site) -> None:
        self._values: dict[str, str] = {}
        for name, network in healthy.subnets.items():
            self._values[name] = str(network)
            self._values[f"{name}.mask"] = str(network.netmask)
            self._values[f"{name}.length"] = str(network.length)
            self._values[f"{name}.broadcast"] = str(network.broadcast)
        self._subnets = healthy.subnets
        for device in healthy.devices.values():
            if device.ports:
                self._values[f"{device.name}.mac"] = str(device.ports[0].mac)
            parsed = parse_interfaces(device.files.get("/etc/network/interfaces", ""))
            for stanza in parsed.stanzas:
                text = stanza.get("address")
                if stanza.method != "static" or not text:
                    continue
                text = self.fill(text)
                if PATTERN.search(text):
                    continue  # named by another device: known where that one is
                address = InterfaceAddress.parse(text)
                if stanza.family == "inet6":
                    self._values.setdefault(f"{device.name}.v6", str(address.address))
                    continue
                subnet = next((n for n, net in healthy.subnets.items() if address.address in net), "")
                for key in (device.name, f"{device.name}.{subnet}"):
                    self._values.setdefault(f"{key}.address", str(address.address))
                    self._values.setdefault(f"{key}.prefix", str(address))
                    self._values.setdefault(f"{key}.interface", stanza.name)

    def lookup(self, name: str) -> str | None:
        """The text a placeholder stands for, or None."""
        if name in self._values:
            return self._values[name]
        subnet, _, number = name.rpartition(".")
        if subnet in self._subnets and number.isdecimal():
            try:
                return str(self._subnets[subnet].host(int(number)))
            except ValueError:
                return None
        return None

    def unknown(self, text: str) -> list[Message]:
        """What is wrong with the placeholders of a text, in words."""
        return [
            message('"${{{name}}}" stands for nothing here{near}', name=name, near=suggest(name, self._values))
            for name in PATTERN.findall(text)
            if self.lookup(name) is None
        ]

    def fill(self, text: str) -> str:
        """The text with every known placeholder replaced."""
        return PATTERN.sub(lambda match: self.lookup(match[1]) or match[0], text)
