"""The grader's own traffic as a program of the sending device."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from labs.engines.base import Disposition, Probe
from labs.model.addresses import Address, IPv4, IPv6, parse_address
from labs.net import icmp, icmpv6, tcp
from labs.net.foresight import Answer
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import ANY, PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
from labs.net.linux.ip_layer import HOST_UNREACHABLE, NETWORK_UNREACHABLE
from labs.net.linux.ipv6_layer import NO_ADDRESS
from labs.net.process import Process, Routine, Wait
from labs.net.said import Said, said
from labs.net.sockets import IcmpError, SocketError, connect
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram
from labs.shell.resolver import Place, ResolveError, lookup

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["SOCKET_ERRORS", "Ending", "disposition_of", "made_by_hand", "probe_program", "send_by_hand"]

Ending = tuple[Disposition, str, str | Said]  # how it ended, the address that was used, details
Attempt = Generator[Wait, None, Ending]
TRIES = 2

SOCKET_ERRORS = {
    "Connection refused": Disposition.REFUSED,
    "Connection reset by peer": Disposition.REFUSED,
    "Connection timed out": Disposition.TIMED_OUT,
    HOST_UNREACHABLE: Disposition.UNREACHABLE,
    NETWORK_UNREACHABLE: Disposition.NO_ROUTE,
    NO_ADDRESS: Disposition.NO_ROUTE,
    "Permission denied": Disposition.REJECTED,
    "Operation not permitted": Disposition.REJECTED,
}
PROHIBITED = frozenset({icmp.NET_PROHIBITED, icmp.HOST_PROHIBITED, icmp.ADMIN_PROHIBITED})


def probe_program(probe: Probe, tag: int, result: list[Ending]) -> Callable[[Process], Routine]:
    """A program that sends the probe and appends how it ended to `result`."""

    def program(process: Process) -> Routine:
        try:
            place = (yield from lookup(process, probe.target))[0]
        except ResolveError as error:
            result.append((Disposition.NAME_UNKNOWN, "", str(error)))
            return 1
        address = place.address
        if probe.source_port:
            ending = yield from _by_hand(process, probe, place, tag)
        elif probe.protocol == "tcp":
            ending = yield from _tcp(process, probe, address, tag)
        elif probe.protocol == "udp":
            ending = yield from _udp(process, probe, address, tag)
        else:
            ending = yield from _ping(process, probe, address, tag)
        result.append(ending)
        return 0 if ending[0] is Disposition.DELIVERED else 1

    return program


def _tcp(process: Process, probe: Probe, address: Address, tag: int) -> Attempt:
    try:
        connection = yield from connect(process, address, probe.port, timeout_ns=probe.timeout_ns, tag=tag)
    except SocketError as error:
        return SOCKET_ERRORS.get(str(error), Disposition.UNREACHABLE), str(address), str(error)
    if probe.load:
        node = process.node
        deadline = node.now + probe.timeout_ns
        connection.send(bytes(probe.load), node.now)
        while connection.unsent_bytes and not connection.error and node.now < deadline:
            yield Wait((connection.signal,), deadline)
        if connection.unsent_bytes or connection.error:
            left = connection.unsent_bytes or probe.load
            connection.abort(node.now)
            return Disposition.TIMED_OUT, str(address), said(Answer.LOST, left=left, size=probe.load)
    connection.close(process.node.now)
    return Disposition.DELIVERED, str(address), ""


def made_by_hand(
    protocol: str, source: tuple[Address, int], target: tuple[Address, int], data: bytes, tag: int
) -> Ipv4Packet | Ipv6Packet:
    """A first packet with whatever source: an echo request, the SYN of TCP, a datagram. Ends are address and port."""
    (address, source_port), (to, port) = source, target
    if isinstance(to, IPv6):
        return _wide_by_hand(protocol, (IPv6(address), source_port), (to, port), data, tag)
    here = IPv4(address)
    if protocol == "tcp":
        segment = TcpSegment(source_port, port, 1, 0, tcp.SYN)
        return Ipv4Packet(here, to, PROTO_TCP, segment, dont_fragment=True, tag=tag)
    if protocol == "udp":
        return Ipv4Packet(here, to, PROTO_UDP, UdpDatagram(source_port, port, data), tag=tag)
    message = IcmpMessage(icmp.ECHO_REQUEST, 0, source_port, 1, bytes(56))
    return Ipv4Packet(here, to, PROTO_ICMP, message, tag=tag)


def _wide_by_hand(
    protocol: str, source: tuple[IPv6, int], target: tuple[IPv6, int], data: bytes, tag: int
) -> Ipv6Packet:
    (address, source_port), (to, port) = source, target
    if protocol == "tcp":
        return Ipv6Packet(address, to, PROTO_TCP, TcpSegment(source_port, port, 1, 0, tcp.SYN), tag=tag)
    if protocol == "udp":
        return Ipv6Packet(address, to, PROTO_UDP, UdpDatagram(source_port, port, data), tag=tag)
    message = Icmpv6Message(icmpv6.ECHO_REQUEST6, 0, source_port, 1, bytes(56))
    return Ipv6Packet(address, to, PROTO_ICMPV6, message, tag=tag)


def send_by_hand(node: LinuxNode, packet: Ipv4Packet | Ipv6Packet, over: str = "") -> str | None:
    """Send it; `over` is the interface behind the % of a link-local target. None, or the error of the call."""
    if isinstance(packet, Ipv4Packet):
        return node.ip.output(packet)
    return node.ipv6.output(packet, interface=node.interfaces[over] if over else None)


def _by_hand(process: Process, probe: Probe, place: Place, tag: int) -> Attempt:
    """No program waits for an answer: what counts is where the packet goes."""
    address = place.address
    nowhere: Address = IPv6(0) if isinstance(address, IPv6) else ANY
    source = parse_address(probe.source_address) if probe.source_address else nowhere
    packet = made_by_hand(probe.protocol, (source, probe.source_port), (address, probe.port), b"netwerf probe", tag)
    error = send_by_hand(process.node, packet, place.zone)
    if error is not None:
        return SOCKET_ERRORS.get(error, Disposition.UNREACHABLE), str(address), error
    deadline = process.node.now + probe.timeout_ns
    while process.node.now < deadline:
        yield Wait((), deadline)
    return Disposition.TIMED_OUT, str(address), said(Answer.UNWAITED)


def disposition_of(error: IcmpError) -> Disposition:
    """What an ICMP error means for the packet that it is about."""
    if isinstance(error.source, IPv6):
        return _disposition6(error)
    if error.type == icmp.TIME_EXCEEDED:
        return Disposition.UNREACHABLE
    if error.code in PROHIBITED:
        return Disposition.REJECTED
    if error.code == icmp.PORT_UNREACHABLE:
        return Disposition.REFUSED
    return Disposition.NO_ROUTE if error.code == icmp.NET_UNREACHABLE else Disposition.UNREACHABLE


def _disposition6(error: IcmpError) -> Disposition:
    if error.type != icmpv6.DEST_UNREACHABLE6:
        return Disposition.UNREACHABLE
    if error.code in (icmpv6.ADMIN_PROHIBITED6, icmpv6.POLICY_FAILED, icmpv6.REJECT_ROUTE):
        return Disposition.REJECTED
    words = {icmpv6.PORT_UNREACHABLE6: Disposition.REFUSED, icmpv6.NO_ROUTE: Disposition.NO_ROUTE}
    return words.get(error.code, Disposition.UNREACHABLE)


def _udp(process: Process, probe: Probe, address: Address, tag: int) -> Attempt:
    node = process.node
    socket = node.transport.udp_open(program="probe", tag=tag)
    process.cleanup.append(lambda: node.transport.udp_close(socket))
    error = node.transport.udp_send(socket, address, probe.port, b"netwerf probe")
    if error is not None:
        return SOCKET_ERRORS.get(error, Disposition.UNREACHABLE), str(address), error
    deadline = node.now + probe.timeout_ns
    while node.now < deadline:
        if socket.queue:
            return Disposition.DELIVERED, str(address), ""
        if socket.errors:
            found = socket.errors.popleft()
            return disposition_of(found), str(address), f"reported by {found.source}"
        yield Wait((socket.signal,), deadline)
    return Disposition.TIMED_OUT, str(address), "no answer"


def _ping(process: Process, probe: Probe, address: Address, tag: int) -> Attempt:
    node = process.node
    socket = node.transport.echo_open(tag=tag)
    process.cleanup.append(lambda: node.transport.echo_close(socket))
    for sequence in range(1, TRIES + 1):
        error = node.transport.echo_send(socket, address, sequence, size=probe.load or 56)
        if error is not None:
            return SOCKET_ERRORS.get(error, Disposition.UNREACHABLE), str(address), error
        deadline = node.now + probe.timeout_ns // TRIES
        while node.now < deadline:
            if socket.replies:
                return Disposition.DELIVERED, str(address), ""
            if socket.errors:
                found, _ = socket.errors.popleft()
                return disposition_of(found), str(address), f"reported by {found.source}"
            yield Wait((socket.signal,), deadline)
    return Disposition.TIMED_OUT, str(address), "no answer"
