"""A small IPv6 network for tests: laptop -- router -- server, every device with IPv6 switched on."""

from __future__ import annotations

from labs.model.addresses import IPv6, Network
from labs.net.inet6_address import Inet6Address
from labs.net.ipv6 import ALL_NODES
from labs.net.linux.node import LinuxNode
from labs.net.ndp import Prefix, RouterAdvert
from labs.shell.init import boot
from labs.testing import connect, device, pass_time, run

SECOND = 1_000_000_000
ON = {"/etc/sysctl.d/60-ipv6.conf": "net.ipv6.conf.all.disable_ipv6 = 0\n"}


def ip6(text: str) -> IPv6:
    return IPv6.parse(text)


def box(name: str, *ports: str, **settings: int) -> LinuxNode:
    """A device that boots with IPv6 on; nothing is up yet but lo."""
    lines = "".join(f"net.ipv6.conf.all.{leaf} = {value}\n" for leaf, value in settings.items())
    lines += "".join(f"net.ipv6.conf.default.{leaf} = {value}\n" for leaf, value in settings.items())
    files = {"/etc/sysctl.d/60-ipv6.conf": ON["/etc/sysctl.d/60-ipv6.conf"] + lines}
    return device(name, files=files, ports=ports or ("eth0",), boot=boot)


def up(*nodes: LinuxNode) -> None:
    """Bring every port up and let duplicate address detection end."""
    for node in nodes:
        for name in list(node.interfaces):
            run(node, f"ip link set {name} up")
    pass_time(nodes[0], 3 * SECOND)


def give(node: LinuxNode, port: str, text: str, **more: bool) -> None:
    """Add an address by hand."""
    address, _, length = text.partition("/")
    node.ipv6.autoconf.add(node.interfaces[port], Inet6Address(ip6(address), int(length or 128), port, **more))
    run(node, "true")


def advertise(router: LinuxNode, port: str, *prefixes: str, **more: object) -> None:
    """The router sends one advertisement to everybody."""
    interface = router.interfaces[port]
    told = tuple(Prefix(Network.parse(prefix)) for prefix in prefixes)
    advert = RouterAdvert(link=interface.mac, prefixes=told, **more)  # type: ignore[arg-type]
    source = router.ipv6.source_for(interface, ALL_NODES)
    assert source is not None
    router.ipv6.discovery.send(interface, source, ALL_NODES, 134, advert)
    run(router, "true")
    pass_time(router, 2 * SECOND)


def addresses(node: LinuxNode, port: str = "eth0") -> list[str]:
    return [str(known) for known in node.interfaces[port].inet6]


def routes(node: LinuxNode) -> list[str]:
    return [
        f"{route.prefix} {route.via or ''} {route.device} {route.protocol} {route.preference}"
        for route in node.ipv6.routes.routes()
    ]


def pinged(node: LinuxNode, target: str, *, ttl: int = 64, size: int = 56) -> list[tuple[str, ...]]:
    """What came back of one echo request: ("reply", from) or ("error", from, type, code)."""
    socket = node.transport.echo_open()
    error = node.transport.echo_send(socket, ip6(target), 1, ttl=ttl, size=size)
    run(node, "true")
    pass_time(node, 4 * SECOND)
    if error is not None:
        return [("refused", error)]
    found = [("reply", str(reply.source)) for reply in socket.replies]
    return found + [("error", str(e.source), str(e.type), str(e.code)) for e, _ in socket.errors]  # type: ignore[list-item]


def three() -> tuple[LinuxNode, LinuxNode, LinuxNode]:
    """Laptop and server, with a router between them that advertises 2001:db8:1::/64 and 2001:db8:2::/64."""
    laptop, router, server = box("laptop"), box("router", "lan", "wan", forwarding=1), box("server")
    connect(laptop, "eth0", router, "lan")
    connect(server, "eth0", router, "wan")
    up(laptop, router, server)
    give(router, "lan", "2001:db8:1::1/64")
    give(router, "wan", "2001:db8:2::1/64")
    pass_time(router, 2 * SECOND)
    advertise(router, "lan", "2001:db8:1::/64")
    advertise(router, "wan", "2001:db8:2::/64")
    return laptop, router, server
