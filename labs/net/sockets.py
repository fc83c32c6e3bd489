"""What programs of a device open: UDP, echo (ping), packet and TCP sockets.

A socket holds what arrived and a `Signal` that fires when there is more; it sends through the device it belongs to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import Address, IPv6
from labs.net.ipv4 import ANY
from labs.net.process import Process, Signal, Wait
from labs.net.tcp import TcpConnection, TcpState

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.icmp import IcmpMessage
    from labs.net.icmpv6 import Icmpv6Message
    from labs.net.interface import Interface
    from labs.net.linux.ends import Departure

__all__ = [
    "Datagram",
    "EchoSocket",
    "IcmpError",
    "PacketSocket",
    "SocketError",
    "TcpListener",
    "UdpSocket",
    "clash",
    "connect",
    "hears",
    "listen",
]

QUEUE_LIMIT = 1024
FIRST_EPHEMERAL_PORT = 32768  # net.ipv4.ip_local_port_range


class SocketError(Exception):
    """A failed system call, in the words of strerror(3)."""


class Datagram(NamedTuple):
    """One received UDP datagram."""

    source: Address
    sport: int
    destination: Address
    data: bytes
    interface: str
    ttl: int


class IcmpError(NamedTuple):
    """An ICMP error about something this socket sent (IP_RECVERR). `source` is who reported it."""

    source: Address
    type: int
    code: int
    ttl: int
    destination: Address
    dport: int = 0
    mtu: int = 0
    gateway: Address = ANY


@dataclass(slots=True, eq=False)
class UdpSocket:
    """A bound UDP socket. `interface` restricts it to one interface (SO_BINDTODEVICE), `broadcast` is SO_BROADCAST."""

    port: int
    address: Address = ANY
    interface: str | None = None
    program: str = ""
    broadcast: bool = False
    tag: int = 0
    queue: deque[Datagram] = field(default_factory=deque)
    errors: deque[IcmpError] = field(default_factory=deque)
    signal: Signal = field(default_factory=Signal)
    v6only: bool = False
    """IPV6_V6ONLY: a socket on :: does not hear IPv4."""
    departure: Departure | None = None
    """The way of its datagrams out of the device, to where the last one went."""

    def deliver(self, datagram: Datagram) -> None:
        """Take one datagram; a full queue drops it."""
        if len(self.queue) < QUEUE_LIMIT:
            self.queue.append(datagram)
            self.signal.fire()


class EchoReply(NamedTuple):
    """One answer to an echo request. `interface` is where it came in."""

    source: Address
    sequence: int
    length: int
    ttl: int
    at_ns: int
    interface: str = ""


@dataclass(slots=True, eq=False)
class EchoSocket:
    """What ping opens: answers and errors for one identifier. `broadcast` allows it to ask everybody (SO_BROADCAST)."""

    identifier: int
    tag: int = 0
    broadcast: bool = False
    replies: deque[EchoReply] = field(default_factory=deque)
    errors: deque[tuple[IcmpError, IcmpMessage | Icmpv6Message]] = field(default_factory=deque)
    redirects: deque[tuple[IcmpError, IcmpMessage]] = field(default_factory=deque)
    """Advice about a better gateway: no error, the request went on."""
    signal: Signal = field(default_factory=Signal)


@dataclass(slots=True, eq=False)
class PacketSocket:
    """Every frame of one interface, or of all (AF_PACKET): the direction is "in" or "out"."""

    interface: str | None
    accepts: Callable[[Frame], bool] | None = None
    queue: deque[tuple[int, str, str, Frame]] = field(default_factory=deque)  # time, interface, direction, frame
    signal: Signal = field(default_factory=Signal)
    dropped: int = 0

    def deliver(self, now: int, interface: Interface, direction: str, frame: Frame) -> None:
        """Take a copy of a frame that passes the filter."""
        if self.accepts is not None and not self.accepts(frame):
            return
        if len(self.queue) >= 65536:
            self.dropped += 1
            return
        self.queue.append((now, interface.name, direction, frame))
        self.signal.fire()


@dataclass(slots=True, eq=False)
class TcpListener:
    """A listening TCP socket and the connections nobody accepted yet."""

    address: Address
    port: int
    program: str = ""
    backlog: deque[TcpConnection] = field(default_factory=deque)
    signal: Signal = field(default_factory=Signal)
    v6only: bool = False
    """IPV6_V6ONLY: a socket on :: does not hear IPv4."""


def hears(bound: Address, destination: Address, *, v6only: bool) -> bool:
    """True where a socket bound to an address takes what is sent to `destination`; :: takes IPv4 too."""
    if isinstance(bound, IPv6) == isinstance(destination, IPv6):
        return bound in (0, destination)
    return isinstance(bound, IPv6) and bound == 0 and not v6only


def clash(bound: Address, v6only: bool, wished: Address, wished_v6only: bool) -> bool:  # noqa: FBT001 - two sockets
    """True where two sockets cannot share a port."""
    if isinstance(bound, IPv6) == isinstance(wished, IPv6):
        return 0 in (bound, wished) or bound == wished
    wide, only = (bound, v6only) if isinstance(bound, IPv6) else (wished, wished_v6only)
    return wide == 0 and not only


def connect(
    process: Process,
    address: Address,
    port: int,
    *,
    timeout_ns: int | None = None,
    tag: int = 0,
    interface: Interface | None = None,
) -> Generator[Wait, None, TcpConnection]:
    """Open a TCP connection. Raises SocketError; without a timeout the kernel gives up after about 127 s."""
    node = process.node
    deadline = None if timeout_ns is None else node.now + timeout_ns
    connection = node.transport.tcp_connect(address, port, program=process.name, tag=tag, interface=interface)
    process.cleanup.append(lambda: connection.release(node.now))
    while connection.state is TcpState.SYN_SENT:
        if deadline is not None and node.now >= deadline:
            connection.abort(node.now)
            raise SocketError("Connection timed out")
        yield Wait((connection.signal,), deadline)
    if connection.state is not TcpState.ESTABLISHED and connection.error:
        raise SocketError(connection.error)
    return connection


def listen(process: Process, port: int, address: Address = ANY, *, v6only: bool = False) -> TcpListener:
    """Listen for TCP connections until the program ends. Raises SocketError (Address already in use …)."""
    listener = process.node.transport.tcp_listen(port, address, program=process.name, v6only=v6only)
    process.cleanup.append(lambda: process.node.transport.tcp_unlisten(listener))
    return listener
