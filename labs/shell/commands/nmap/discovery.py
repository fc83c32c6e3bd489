"""Which targets are there: ARP in the own network, elsewhere an echo request and segments to ports 443 and 80."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from labs.model.addresses import IPv4
from labs.net import icmp, tcp
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import Ipv4Packet
from labs.net.process import Process, Wait
from labs.net.tcp import TcpSegment
from labs.shell.commands.nmap.wire import SECOND, Host, RawWire

__all__ = ["discover", "resolve_next_hops"]

TRIES = 2
ARP_WAIT_NS = SECOND * 6 // 10
PING_WAIT_NS = SECOND * 3 // 2
SPACING_NS = 200_000  # between two probes
ARP_REASON = "arp-response"


def _sweep(
    process: Process, wire: RawWire, probes: Sequence[Callable[[], None]], missing: Callable[[int], bool],
    heard: Callable[[int], None], wait_ns: int,
) -> Generator[Wait, None, None]:  # fmt: skip
    """Send every probe whose answer is missing, TRIES times, and wait for the answers."""
    node = process.node
    for _ in range(TRIES):
        for index, send in enumerate(probes):
            if missing(index):
                send()
                until = node.now + SPACING_NS
                while node.now < until:
                    yield Wait((), until)
                    heard(node.now)
        deadline = node.now + wait_ns
        while node.now < deadline and any(missing(index) for index in range(len(probes))):
            yield Wait(wire.signals, deadline)
            heard(node.now)
        if not any(missing(index) for index in range(len(probes))):
            return


def resolve_next_hops(process: Process, wire: RawWire, hosts: Sequence[Host]) -> Generator[Wait, None, None]:
    """Ask by ARP for the targets of the own networks and for the gateways to the others."""
    node = process.node
    asked: dict[tuple[str, IPv4], list[Host]] = {}
    for host in hosts:
        if host.interface is not None and not host.local:
            asked.setdefault((host.interface.name, host.next_hop), []).append(host)
    keys = list(asked)
    sent: dict[IPv4, int] = {}

    def probe(name: str, address: IPv4) -> None:
        sent[address] = node.now
        wire.ask(node.interfaces[name], address)

    def heard(_: int) -> None:
        for at_ns, payload in wire.received():
            answer = wire.answered(payload)
            for (_interface, address), group in asked.items():
                if answer is None or address != answer[0]:
                    continue
                for host in group:
                    if host.next_mac is None:
                        host.next_mac = answer[1]
                        if host.next_hop == host.address:
                            host.up, host.mac, host.reason = True, answer[1], ARP_REASON
                            host.rtt_ns = at_ns - sent.get(address, at_ns)

    probes = [lambda key=key: probe(*key) for key in keys]
    yield from _sweep(process, wire, probes, lambda i: asked[keys[i]][0].next_mac is None, heard, ARP_WAIT_NS)


def discover(process: Process, wire: RawWire, hosts: Sequence[Host]) -> Generator[Wait, None, None]:
    """Ping the targets behind a gateway."""
    node = process.node
    far = [host for host in hosts if host.next_mac is not None and host.next_hop != host.address]
    by_address = {host.address: host for host in far}
    sport = node.transport.free_port("tcp")
    sent: dict[IPv4, int] = {}

    def probe(host: Host) -> None:
        sent[host.address] = node.now
        wire.echo(host, sport)
        wire.segment(host, sport, 443, tcp.SYN)
        wire.segment(host, sport, 80, tcp.ACK)

    def heard(_: int) -> None:
        for at_ns, payload in wire.received():
            if not isinstance(payload, Ipv4Packet):
                continue
            host = by_address.get(payload.src)
            if host is not None and not host.up:
                reason = _sign_of_life(payload)
                if reason:
                    host.up, host.reason = True, f"{reason} ttl {payload.ttl}"
                    host.rtt_ns = at_ns - sent.get(host.address, at_ns)

    probes = [lambda host=host: probe(host) for host in far]
    yield from _sweep(process, wire, probes, lambda i: not far[i].up, heard, PING_WAIT_NS)


def _sign_of_life(packet: Ipv4Packet) -> str:
    payload = packet.payload
    if isinstance(payload, IcmpMessage):
        if payload.type == icmp.ECHO_REPLY:
            return "echo-reply"
        own = payload.original is not None and payload.original.dst == packet.src
        return "port-unreach" if own and payload.code == icmp.PORT_UNREACHABLE else ""
    if isinstance(payload, TcpSegment):
        return "reset" if payload.flags & tcp.RST else "syn-ack"
    return ""
