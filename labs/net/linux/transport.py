"""Delivery to programs: ICMP echo, UDP and TCP demultiplexing, and the errors that come back.

Before changing this file read RFC 1122 §3.2.2 and §4, RFC 9293 §3.10.7 and icmp_err_convert in net/ipv4/icmp.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv4, IPv6
from labs.net import icmp, icmpv6, tcp
from labs.net.actions import DropReason
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import ANY, DEFAULT_TTL, PROTO_ICMP, PROTO_TCP, PROTO_UDP, GrePacket, Ipv4Packet
from labs.net.ipv6 import ANY6, LOOPBACK6, PROTO_ICMPV6, Ipv6Packet
from labs.net.linux import ends, tunnel
from labs.net.linux.error_sender import reset_for
from labs.net.linux.icmpv6_input import Icmpv6Input
from labs.net.linux.ip_layer import HOST_UNREACHABLE, NETWORK_UNREACHABLE
from labs.net.sockets import (
    FIRST_EPHEMERAL_PORT,
    Datagram,
    EchoReply,
    EchoSocket,
    IcmpError,
    PacketSocket,
    SocketError,
    TcpListener,
    UdpSocket,
    clash,
    hears,
)
from labs.net.tcp import HEADERS6_BYTES, TcpConnection, TcpSegment, TcpState
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["Transport"]

MAX_CONNECTIONS = 4096
TOO_LONG = "Message too long"  # strerror(EMSGSIZE)
LARGEST = 65_515  # 65535 - 20 (IPv4)
BACKLOG = 128
# What a program sees for each code of "destination unreachable" (icmp_err_convert)
ERRORS = {
    icmp.NET_UNREACHABLE: NETWORK_UNREACHABLE,
    icmp.HOST_UNREACHABLE: HOST_UNREACHABLE,
    icmp.PROTOCOL_UNREACHABLE: "Protocol not available",
    icmp.PORT_UNREACHABLE: "Connection refused",
    icmp.NET_PROHIBITED: NETWORK_UNREACHABLE,
    icmp.HOST_PROHIBITED: HOST_UNREACHABLE,
    icmp.ADMIN_PROHIBITED: HOST_UNREACHABLE,
}
_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long
ConnectionKey = tuple[Address, int, Address, int]
Packet = Ipv4Packet | Ipv6Packet

LOOPBACK = IPv4.parse("127.0.0.1")


def _meant(address: Address) -> Address:
    """Whoever sends to the unspecified address talks to itself (ip_route_output_key_hash_rcu, tcp_v6_connect)."""
    if address:
        return address
    return LOOPBACK6 if isinstance(address, IPv6) else LOOPBACK


class Transport:
    """Layer 4 of one device."""

    def __init__(self, node: LinuxNode) -> None:
        self._node = node
        self._icmpv6 = Icmpv6Input(node, self)
        self._udp: dict[int, list[UdpSocket]] = {}
        self._echo: dict[int, EchoSocket] = {}
        self._listeners: dict[int, list[TcpListener]] = {}
        self._connections: dict[ConnectionKey, TcpConnection] = {}
        self._next_port = FIRST_EPHEMERAL_PORT
        self._next_identifier = 0
        self._sequence = 1_000_000

    # Tables

    def listeners(self) -> list[TcpListener]:
        """Every listening TCP socket."""
        return [listener for group in self._listeners.values() for listener in group]

    def udp_sockets(self) -> list[UdpSocket]:
        """Every UDP socket that a program bound to a port, and those of WireGuard, whose usual port is a high one."""
        return [
            socket
            for group in self._udp.values()
            for socket in group
            if socket.port < FIRST_EPHEMERAL_PORT or socket.program == "wireguard"
        ]

    def connections(self) -> list[TcpConnection]:
        """Every TCP connection."""
        return list(self._connections.values())

    # Delivery

    def deliver(self, packet: Packet, interface: Interface, frame: Frame | None) -> None:
        """A packet for this device."""
        payload = packet.payload
        if isinstance(payload, IcmpMessage):
            assert isinstance(packet, Ipv4Packet)
            self._icmp(packet, payload, interface)
        elif isinstance(payload, UdpDatagram):
            self._datagram(packet, payload, interface)
        elif isinstance(payload, TcpSegment):
            self._segment(packet, payload, interface)
        elif isinstance(packet, Ipv6Packet):
            self._icmpv6.receive(packet, payload, interface, frame)  # type: ignore[arg-type]
            return
        else:
            tunnel.receive(self._node, packet, interface)
        if frame is not None:
            self._node.link.confirm(interface, packet.src)

    def _icmp(self, packet: Ipv4Packet, message: IcmpMessage, interface: Interface) -> None:
        node = self._node
        if message.type == icmp.ECHO_REQUEST:
            if node.sysctl.number("net.ipv4.icmp_echo_ignore_all") or node.ip.is_broadcast(packet.dst):
                return
            answer = message._replace(type=icmp.ECHO_REPLY)
            node.ip.output(Ipv4Packet(packet.dst, packet.src, PROTO_ICMP, answer, tag=packet.tag))
        elif message.type == icmp.ECHO_REPLY:
            self.echo_answered(packet, message)
        elif message.original is not None:
            self._icmp_error(packet.src, message, packet.ttl, interface)

    def _icmp_error(self, source: IPv4, message: IcmpMessage, ttl: int, interface: Interface) -> None:
        """Learn from an error, and tell the socket that sent the packet inside it."""
        original = message.original
        assert original is not None
        too_big = message.type == icmp.DEST_UNREACHABLE and message.code == icmp.FRAGMENTATION_NEEDED
        if too_big:
            self._node.ip.paths.too_big(message)
        elif message.type == icmp.REDIRECT:
            self._node.ip.paths.redirected(source, message, interface)
        error = IcmpError(
            source, message.type, message.code, ttl, original.dst, mtu=message.sequence, gateway=message.gateway
        )
        meaning = HOST_UNREACHABLE if message.type == icmp.TIME_EXCEEDED else ERRORS.get(message.code)
        if message.type == icmp.REDIRECT:
            self._tell_of_redirect(original, error)
        elif isinstance(original.payload, GrePacket | Ipv4Packet):
            tunnel.failed(self._node, original, message)
        else:
            self.tell_sender(original, error, TOO_LONG if too_big else meaning)

    def _tell_of_redirect(self, original: Ipv4Packet, advice: IcmpError) -> None:
        """Only ping speaks of redirects."""
        payload = original.head
        echo = self._echo.get(payload.identifier) if isinstance(payload, IcmpMessage) else None
        if echo is not None and isinstance(payload, IcmpMessage) and payload.type == icmp.ECHO_REQUEST:
            echo.redirects.append((advice, payload))
            echo.signal.fire()

    def echo_answered(self, packet: Packet, message: IcmpMessage | Icmpv6Message, interface: str = "") -> None:
        """An echo reply for the socket with that identifier."""
        socket = self._echo.get(message.identifier)
        if socket is not None:
            now = self._node.now
            reply = EchoReply(packet.src, message.sequence, message.length, packet.ttl, now, interface)
            socket.replies.append(reply)
            socket.signal.fire()

    def tell_sender(self, original: Packet, error: IcmpError, meaning: str | None) -> None:
        """An error about a packet that a socket sent; `meaning` is what a program is told of it, if anything."""
        payload = original.head
        if isinstance(payload, IcmpMessage | Icmpv6Message):
            echo = self._echo.get(payload.identifier)
            if echo is not None and payload.type in (icmp.ECHO_REQUEST, icmpv6.ECHO_REQUEST6):  # ping_supported()
                echo.errors.append((error, payload))
                echo.signal.fire()
        elif isinstance(payload, UdpDatagram):
            for socket in self._udp.get(payload.sport, []):
                socket.errors.append(error._replace(dport=payload.dport))
                socket.signal.fire()
        elif isinstance(payload, TcpSegment):
            connection = self._connections.get((original.src, payload.sport, original.dst, payload.dport))
            if connection is not None and meaning == TOO_LONG:
                connection.mtu_reduced(self._node.now)
            elif connection is not None and meaning is not None:
                connection.unreachable(meaning, self._node.now)

    def _datagram(self, packet: Packet, datagram: UdpDatagram, interface: Interface) -> None:
        broadcast = self._node.is_broadcast(packet.dst)
        taken = False
        for socket in self._udp.get(datagram.dport, []):
            if socket.interface is not None and socket.interface != interface.name:
                continue
            if not hears(socket.address, packet.dst, v6only=socket.v6only) and not broadcast:
                continue
            socket.deliver(Datagram(packet.src, datagram.sport, packet.dst, datagram.data, interface.name, packet.ttl))
            taken = True
            if not broadcast:
                break
        if not taken and not broadcast:
            self._node.drop(DropReason.NO_LISTENER, interface.name, packet=packet)
            if isinstance(packet, Ipv6Packet):
                self._node.ipv6.refuse_port(packet, interface)
            else:
                self._node.ip.refuse_port(packet)

    def _segment(self, packet: Packet, segment: TcpSegment, interface: Interface) -> None:
        if self._node.is_broadcast(packet.dst) or packet.dst.is_multicast:
            return
        now = self._node.now
        key = (packet.dst, segment.dport, packet.src, segment.sport)
        connection = self._connections.get(key)
        if connection is not None and connection.state is TcpState.TIME_WAIT and segment.flags & tcp.SYN:
            self._connections.pop(key)
            connection = None
        if connection is not None:
            connection.arrived(segment, now)
            return
        listener = self._listener_for(packet.dst, segment.dport)
        if listener is not None and segment.flags & (tcp.SYN | tcp.ACK | tcp.RST) == tcp.SYN:
            if len(self._connections) < MAX_CONNECTIONS and len(listener.backlog) < BACKLOG:
                connection = self._connection(key, listener.program, packet.tag)
                connection.interface = interface
                connection.accept(segment, now)
                self._await_handshake(listener, connection)
            return
        if not segment.flags & tcp.RST:
            self._node.drop(DropReason.NO_LISTENER, interface.name, packet=packet)
            self._send_segment(packet.dst, packet.src, reset_for(segment), packet.tag, interface)

    def _await_handshake(self, listener: TcpListener, connection: TcpConnection) -> None:
        """Hand a connection to the listener at its third segment: the program that accepts waits on the listener."""

        def opened() -> None:
            listener.backlog.append(connection)
            listener.signal.fire()

        connection.opened = opened

    # TCP

    def _listener_for(self, address: Address, port: int) -> TcpListener | None:
        """The socket that fits best: on that very address, on any of its family, on :: for both."""
        fitting = [x for x in self._listeners.get(port, []) if hears(x.address, address, v6only=x.v6only)]
        return min(fitting, key=lambda x: (x.address == 0, type(x.address) is not type(address)), default=None)

    def _connection(self, key: ConnectionKey, program: str, tag: int) -> TcpConnection:
        self._sequence = self._sequence + 64_013 & 0xFFFFFFFF
        connection = TcpConnection(
            (key[0], key[1]),
            (key[2], key[3]),
            sequence=self._sequence,
            emit=self._emit,
            call_at=self._node.call_at,
            cancel=self._node.cancel,
            ended=self._ended,
            path_mtu=self.path_mtu,
            offer=self._offer(key[2]),
        )
        connection.program = program
        connection.tag = tag
        self._connections[key] = connection
        return connection

    def path_mtu(self, address: Address) -> int:
        """The path MTU to an address as far as it is known."""
        if isinstance(address, IPv6):
            return self._node.ipv6.mtu_to(address)
        return self._node.ip.paths.mtu_to(address)

    def _offer(self, address: Address) -> int:
        """The MSS to offer to a peer."""
        if isinstance(address, IPv6):
            return self._node.ipv6.mtu_to(address) - HEADERS6_BYTES
        return self._node.ip.paths.mss_to(address)

    def _ended(self, connection: TcpConnection) -> None:
        """Take an ended connection out of the table, unless a new one has its place (out of TIME-WAIT)."""
        key = (*connection.local, *connection.remote)
        if self._connections.get(key) is connection:
            del self._connections[key]

    def _emit(self, connection: TcpConnection, segment: TcpSegment) -> None:
        source, target = connection.local[0], connection.remote[0]
        error = self._send_segment(source, target, segment, connection.tag, connection.interface)
        if error == TOO_LONG:
            self._node.call_soon(lambda: connection.mtu_reduced(self._node.now))
        if self._node.outlet is not None:
            connection.departure = ends.departure(self._node, source, target, PROTO_TCP, tag=connection.tag)

    def _send_segment(
        self, source: Address, target: Address, segment: TcpSegment, tag: int, interface: Interface | None
    ) -> str | None:
        """Send one segment; `interface` is where a link-local target is."""
        if isinstance(target, IPv4):
            packet = Ipv4Packet(source, target, PROTO_TCP, segment, dont_fragment=True, tag=tag)  # type: ignore[arg-type]
            return self._node.ip.output(packet, may_cut=self._node.ip.paths.is_locked(target))
        over = interface if target.is_link_local else None
        return self._node.ipv6.output(Ipv6Packet(IPv6(source), target, PROTO_TCP, segment, tag=tag), interface=over)

    def tcp_connect(
        self, address: Address, port: int, *, program: str = "", tag: int = 0, interface: Interface | None = None
    ) -> TcpConnection:
        """Begin a connection; `interface` is where a link-local address is. Raises SocketError, as the kernel does."""
        source: Address | None
        address = _meant(address)
        if isinstance(address, IPv6):
            if address.is_multicast:
                raise SocketError(NETWORK_UNREACHABLE)
            if address.is_link_local and interface is None and not self._node.ipv6.is_local(address):
                raise SocketError("Invalid argument")
            ipv6 = self._node.ipv6
            over = interface if not ipv6.is_local(address) else None
            source = ipv6.source_for(over, address) if over is not None else ipv6.preferred_source(address)
        else:
            if self._node.ip.is_broadcast(address):
                raise SocketError(NETWORK_UNREACHABLE)
            source = self._node.ip.preferred_source(address)
        if source is None:
            attempt = TcpSegment(0, port, 0, 0, tcp.SYN)
            raise SocketError(self._send_segment(ANY, address, attempt, tag, interface) or NETWORK_UNREACHABLE)
        connection = self._connection((source, self.free_port("tcp"), address, port), program, tag)
        connection.interface = interface
        connection.open(self._node.now)
        return connection

    def tcp_listen(self, port: int, address: Address, *, program: str = "", v6only: bool = False) -> TcpListener:
        """Listen; on :: also for IPv4, unless `v6only`. Raises SocketError."""
        if address != ANY and not self._node.is_local(address):
            raise SocketError("Cannot assign requested address")
        group = self._listeners.setdefault(port, [])
        if any(clash(other.address, other.v6only, address, v6only) for other in group):
            raise SocketError("Address already in use")
        listener = TcpListener(address, port, program, v6only=v6only)
        group.append(listener)
        return listener

    def tcp_unlisten(self, listener: TcpListener) -> None:
        """Stop listening; connections nobody accepted are reset."""
        group = self._listeners.get(listener.port, [])
        if listener in group:
            group.remove(listener)
            if not group:
                del self._listeners[listener.port]
        for connection in listener.backlog:
            connection.abort(self._node.now)

    def free_port(self, protocol: str) -> int:
        """The next ephemeral port that is free."""
        for _ in range(60999 - FIRST_EPHEMERAL_PORT):
            port = self._next_port
            self._next_port = FIRST_EPHEMERAL_PORT if port >= 60999 else port + 1
            used = port in self._udp if protocol == "udp" else any(key[1] == port for key in self._connections)
            if not used:
                return port
        raise SocketError("Cannot assign requested address")

    # UDP

    def udp_open(
        self,
        port: int = 0,
        address: Address = ANY,
        *,
        interface: str | None = None,
        program: str = "",
        tag: int = 0,
        v6only: bool = False,
    ) -> UdpSocket:
        """Bind a UDP socket; port 0 picks a free one. Raises SocketError."""
        if address != ANY and not self._node.is_local(address):
            raise SocketError("Cannot assign requested address")
        port = port or self.free_port("udp")
        group = self._udp.setdefault(port, [])
        if any(
            socket.interface == interface and clash(socket.address, socket.v6only, address, v6only) for socket in group
        ):
            raise SocketError("Address already in use")
        socket = UdpSocket(port, address, interface, program, tag=tag, v6only=v6only)
        group.append(socket)
        return socket

    def udp_close(self, socket: UdpSocket) -> None:
        """Close a UDP socket."""
        group = self._udp.get(socket.port, [])
        if socket in group:
            group.remove(socket)
            if not group:
                del self._udp[socket.port]

    def udp_send(
        self,
        socket: UdpSocket,
        address: Address,
        port: int,
        data: bytes,
        *,
        ttl: int = DEFAULT_TTL,
        interface: Interface | None = None,
        discovery: str = "want",
    ) -> str | None:
        """Send a datagram; returns None or the error of the system call.

        `discovery` is IP_MTU_DISCOVER of ip(7): want sets DF on what fits the path MTU, do always, dont never.
        """
        datagram = _MAKE(UdpDatagram, (socket.port, port, data))
        usual = interface is None and ttl == DEFAULT_TTL and discovery == "want"
        departure = socket.departure
        if usual and departure is not None and departure.target == address and departure.send(datagram, 8 + len(data)):
            return None
        if interface is None and socket.interface is not None:
            interface = self._node.interfaces.get(socket.interface)
        address = _meant(address)
        if isinstance(address, IPv6):
            source = socket.address if isinstance(socket.address, IPv6) else ANY6
            packet6 = Ipv6Packet(source, address, PROTO_UDP, datagram, ttl, tag=socket.tag)
            return self._node.ipv6.output(packet6, interface=interface)
        if not socket.broadcast and self._node.ip.is_broadcast(address):
            return "Permission denied"
        if datagram.length > LARGEST:
            return TOO_LONG
        want = discovery != "dont"
        source4 = socket.address if isinstance(socket.address, IPv4) else ANY
        packet = Ipv4Packet(source4, address, PROTO_UDP, datagram, ttl=ttl, dont_fragment=want, tag=socket.tag)
        error = self._node.ip.output(packet, interface=interface, may_cut=discovery == "want")
        if usual and interface is None and self._node.outlet is not None:
            socket.departure = ends.departure(self._node, source4, address, PROTO_UDP, tag=socket.tag)
        return error

    # Echo

    def echo_open(self, *, tag: int = 0) -> EchoSocket:
        """What ping opens."""
        self._next_identifier = self._next_identifier % 0xFFFF + 1
        socket = EchoSocket(self._next_identifier, tag)
        self._echo[socket.identifier] = socket
        return socket

    def echo_close(self, socket: EchoSocket) -> None:
        """Close an echo socket."""
        self._echo.pop(socket.identifier, None)

    def echo_send(
        self,
        socket: EchoSocket,
        address: Address,
        sequence: int,
        *,
        size: int = 56,
        ttl: int = DEFAULT_TTL,
        discovery: str = "want",
        source: Address = ANY,
        interface: Interface | None = None,
    ) -> str | None:
        """Send one echo request with `size` bytes of data; returns None or the error of the system call.

        `discovery` is that of `udp_send`.
        """
        if isinstance(address, IPv6):
            asked = Icmpv6Message(icmpv6.ECHO_REQUEST6, 0, socket.identifier, sequence, bytes(size))
            packet6 = Ipv6Packet(IPv6(source), address, PROTO_ICMPV6, asked, ttl, tag=socket.tag)
            return self._node.ipv6.output(packet6, interface=interface, dont_fragment=discovery == "do")
        if not socket.broadcast and self._node.ip.is_broadcast(address):
            return "Permission denied"
        message = IcmpMessage(icmp.ECHO_REQUEST, 0, socket.identifier, sequence, bytes(size))
        want = discovery != "dont"
        packet = Ipv4Packet(IPv4(source), address, PROTO_ICMP, message, ttl=ttl, dont_fragment=want, tag=socket.tag)
        return self._node.ip.output(packet, interface=interface, may_cut=discovery == "want")

    # Packet sockets

    def packet_open(self, interface: str | None) -> PacketSocket:
        """Capture frames."""
        socket = PacketSocket(interface)
        self._node.link.open_capture(socket)
        return socket

    def packet_close(self, socket: PacketSocket) -> None:
        """Stop capturing."""
        self._node.link.close_capture(socket)
