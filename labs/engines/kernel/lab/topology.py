"""The site as a Mininet network, with Mininet's classes made to need nothing but iproute2, and no shell per command.

Mininet keeps the books: which node has which interface, and what hangs on what. Where it would start a shell in each
node and one program per setting, a node here is a forked init (`device/init.py`), and links come from one `ip -batch`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from labs.model.site import Endpoint, Kind, Site

__all__ = ["Batch", "build_network", "load_mininet"]


def load_mininet() -> ModuleType:
    """Import Mininet without what it would change on the host. Raises ImportError where it is not installed."""
    if "distutils.version" not in sys.modules:  # gone in Python 3.12, and a fifth of a second through setuptools
        version = ModuleType("distutils.version")
        version.StrictVersion = lambda text: tuple(int(part) for part in text.split("."))  # type: ignore[attr-defined]
        package = ModuleType("distutils")
        package.version = version  # type: ignore[attr-defined]
        sys.modules.setdefault("distutils", package)
        sys.modules["distutils.version"] = version
    import mininet.link
    import mininet.log
    import mininet.net
    import mininet.node
    import mininet.topo

    mininet.log.setLogLevel("error")
    mininet.net.Mininet.inited = True  # its init() would write settings of the host
    import mininet

    return mininet


@dataclass
class Batch:
    """What is still to be told to `ip`, and the name of the outer end ("jack") of every port."""

    pids: dict[str, int]
    lines: list[str] = field(default_factory=list)
    jacks: dict[Endpoint, str] = field(default_factory=dict)
    count: int = 0

    def renew(self, end: Endpoint) -> str:
        """A name for the outer end of a port that nothing had before."""
        self.count += 1
        self.jacks[end] = f"j{self.count}"
        return self.jacks[end]

    def jack(self, end: Endpoint) -> str:
        """The name of the outer end of a port."""
        return self.jacks.get(end) or self.renew(end)

    def port(self, end: Endpoint, mac: str) -> None:
        """A port of a device: a veth pair, one end inside, its jack outside."""
        self.lines.append(
            f"link add name {end.port} address {mac} netns {self.pids[end.device]} type veth peer name {self.jack(end)}"
        )


def build_network(site: Site, pids: Mapping[str, int]) -> Any:
    """A Mininet of the site. Raises ImportError.

    Parameters
    ----------
    site
        What to build.
    pids
        The init of each device that has power.
    """
    mininet = load_mininet()
    node_module, link_module, net_module = mininet.node, mininet.link, mininet.net

    class Device(node_module.Node):  # type: ignore[name-defined]
        """A device: its init was forked before; Mininet's shell is never started."""

        def startShell(self, mnopts: object = None) -> None:  # noqa: N802 - Mininet's name
            del mnopts
            self.pid = pids.get(self.name)

        def mountPrivateDirs(self) -> None:  # noqa: N802
            """Every directory is private already."""

        def configDefault(self, **parameters: object) -> None:  # noqa: N802
            """A device boots from its files."""

        def terminate(self) -> None:
            """Ends with its process namespace."""

        @classmethod
        def setup(cls) -> None:
            """Needs no mnexec."""

    class Port(link_module.Intf):  # type: ignore[name-defined]
        """An interface that nobody asks ifconfig about."""

        def config(self, **parameters: object) -> dict[str, object]:
            del parameters
            return {}

        def delete(self) -> None:
            """Goes with its namespace."""

    class Lead(link_module.Link):  # type: ignore[name-defined]
        """A lead between two ports that exist."""

        @classmethod
        def makeIntfPair(cls, *arguments: object, **parameters: object) -> None:  # noqa: N802
            """The ports are there whether a lead is or not."""

    class Topology(mininet.topo.Topo):  # type: ignore[name-defined]
        """The devices and leads of the site."""

        def build(self) -> None:
            for device in site.devices.values():
                add = self.addSwitch if device.kind is Kind.SWITCH else self.addHost
                add(device.name)
            for link in site.links:
                if link.a.device != link.b.device:
                    self.addLink(link.a.device, link.b.device, intfName1=link.a.port, intfName2=link.b.port)

    class Network(net_module.Mininet):  # type: ignore[name-defined]
        """Builds devices and leads; starts no controller."""

        def addSwitch(self, name: str, cls: type | None = None, **parameters: object) -> Any:  # noqa: N802
            del cls, parameters
            switch = Device(name)
            self.switches.append(switch)
            self.nameToNode[name] = switch
            return switch

        def randMac(self) -> None:  # noqa: N802
            """Ports have addresses of their own."""

        def configHosts(self) -> None:  # noqa: N802
            """Devices boot from their files."""

    network = Network(topo=Topology(), host=Device, link=Lead, intf=Port, controller=None, build=False)
    network.build()
    return network
