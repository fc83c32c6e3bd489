"""Which ports are open: the SYN scan with raw segments, and the connect scan through the kernel."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from typing import NamedTuple

from labs.model.addresses import IPv4
from labs.net import icmp, tcp
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import Ipv4Packet
from labs.net.linux.ip_layer import HOST_UNREACHABLE
from labs.net.process import Process, Wait
from labs.net.sockets import SocketError
from labs.net.tcp import TcpConnection, TcpSegment, TcpState
from labs.shell.commands.nmap.wire import SECOND, Host, RawWire

__all__ = ["Found", "connect_scan", "syn_scan"]

WINDOW = 100  # probes on their way at once
CONNECTIONS = 60
TRIES = 2
SHORTEST_NS, LONGEST_NS = SECOND // 10, SECOND
PROHIBITED = {
    icmp.PORT_UNREACHABLE: "port-unreach",
    icmp.HOST_UNREACHABLE: "host-unreach",
    icmp.NET_UNREACHABLE: "net-unreach",
    icmp.NET_PROHIBITED: "net-prohibited",
    icmp.HOST_PROHIBITED: "host-prohibited",
    icmp.ADMIN_PROHIBITED: "admin-prohibited",
}


class Found(NamedTuple):
    """What a port is, and how that is known."""

    state: str
    reason: str
    ttl: int = 0


Table = dict[Host, dict[int, Found]]


def _patience_ns(host: Host) -> int:
    return LONGEST_NS if host.rtt_ns is None else min(LONGEST_NS, max(SHORTEST_NS, 4 * host.rtt_ns))


def syn_scan(
    process: Process, wire: RawWire, hosts: Sequence[Host], ports: Sequence[int]
) -> Generator[Wait, None, Table]:
    """A SYN to every port; what does not answer twice is filtered."""
    node = process.node
    found: Table = {host: {} for host in hosts}
    by_address = {host.address: host for host in hosts}
    sport = node.transport.free_port("tcp")
    queue = deque((host, port, 1) for host in hosts for port in ports)
    flying: dict[tuple[IPv4, int], tuple[int, int, int]] = {}  # deadline, try, sent

    def heard() -> None:
        for at_ns, payload in wire.received():
            answer = _answer(payload, sport) if isinstance(payload, Ipv4Packet) else None
            if answer is None:
                continue
            address, port, what = answer
            host = by_address.get(address)
            if host is None or port in found[host]:
                continue
            flight = flying.pop((address, port), None)
            if flight is not None:
                found[host][port] = what
                host.silent = False
                if flight[1] == 1 and what.reason in ("reset", "syn-ack"):
                    rtt = at_ns - flight[2]
                    host.rtt_ns = rtt if host.rtt_ns is None else (7 * host.rtt_ns + rtt) // 8

    while queue or flying:
        while queue and len(flying) < WINDOW:
            host, port, attempt = queue.popleft()
            wire.segment(host, sport, port, tcp.SYN)
            flying[host.address, port] = (node.now + _patience_ns(host), attempt, node.now)
        yield Wait(wire.signals, next(iter(flying.values()))[0])  # the oldest runs out first
        heard()
        while flying and next(iter(flying.values()))[0] <= node.now:
            (address, port), (_, attempt, _) = next(iter(flying.items()))
            del flying[address, port]
            host = by_address[address]
            if attempt < TRIES:
                queue.append((host, port, attempt + 1))
            else:
                found[host][port] = Found("filtered", "no-response")
    return found


def _answer(packet: Ipv4Packet, sport: int) -> tuple[IPv4, int, Found] | None:
    payload = packet.payload
    if isinstance(payload, TcpSegment) and payload.dport == sport:
        if payload.flags & tcp.RST:
            return packet.src, payload.sport, Found("closed", "reset", packet.ttl)
        return packet.src, payload.sport, Found("open", "syn-ack", packet.ttl)
    if isinstance(payload, IcmpMessage) and payload.type == icmp.DEST_UNREACHABLE and payload.original is not None:
        inner = payload.original.payload
        if isinstance(inner, TcpSegment) and inner.sport == sport:
            reason = PROHIBITED.get(payload.code, "dest-unreach")
            return payload.original.dst, inner.dport, Found("filtered", reason, packet.ttl)
    return None


def connect_scan(
    process: Process, hosts: Sequence[Host], ports: Sequence[int], *, closed: str = "conn-refused"
) -> Generator[Wait, None, Table]:
    """Open a connection to every port; `closed` is the reason given for a refusal."""
    node = process.node
    found: Table = {host: {} for host in hosts}
    queue = deque((host, port) for host in hosts for port in ports)
    flying: list[tuple[Host, int, TcpConnection, int]] = []  # the last is when it left

    def give_up() -> None:
        for _, _, connection, _ in flying:
            connection.abort(node.now)

    process.cleanup.append(give_up)
    while queue or flying:
        while queue and len(flying) < CONNECTIONS:
            host, port = queue.popleft()
            try:
                connection = node.tcp_connect(host.address, port, program="nmap")
            except SocketError:
                found[host][port] = Found("filtered", "net-unreach")
                continue
            flying.append((host, port, connection, node.now))
        waiting = []
        for host, port, connection, left in flying:
            what = _outcome(connection, closed, late=node.now >= left + 2 * _patience_ns(host))
            if what is None:
                waiting.append((host, port, connection, left))
                continue
            found[host][port] = what
            if what.reason in (closed, "syn-ack"):
                host.silent = False
                host.rtt_ns = node.now - left if host.rtt_ns is None else host.rtt_ns
            if connection.state is not TcpState.CLOSED:
                connection.abort(node.now)
        if len(waiting) == len(flying) and flying:
            latest = min(left + 2 * _patience_ns(host) for host, _, _, left in flying)
            yield Wait(tuple(c.signal for _, _, c, _ in flying), latest)
        flying[:] = waiting
    return found


def _outcome(connection: TcpConnection, closed: str, *, late: bool) -> Found | None:
    if connection.state is TcpState.SYN_SENT:
        return Found("filtered", "no-response") if late else None
    if connection.error:
        refused = connection.error != HOST_UNREACHABLE
        return Found("closed", closed, 64) if refused else Found("filtered", "host-unreach")
    return Found("open", "syn-ack", 64)
