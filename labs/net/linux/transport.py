"""Delivery to programs: ICMP echo, UDP and TCP demultiplexing, and the errors that come back.

Before changing this file read RFC 1122 §3.2.2 and §4, RFC 9293 §3.10.7 and icmp_err_convert in net/ipv4/icmp.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net import icmp, tcp
from labs.net.actions import DropReason
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import ANY, DEFAULT_TTL, PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.linux.error_sender import reset_for
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
)
from labs.net.tcp import TcpConnection, TcpSegment, TcpState
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["Transport"]

MAX_CONNECTIONS = 4096
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
ConnectionKey = tuple[IPv4, int, IPv4, int]


class Transport:
    """Layer 4 of one device."""

    def __init__(self, node: LinuxNode) -> None:
        self._node = node
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
        """Every UDP socket that a program bound to a port."""
        return [socket for group in self._udp.values() for socket in group if socket.port < FIRST_EPHEMERAL_PORT]

    def connections(self) -> list[TcpConnection]:
        """Every TCP connection."""
        return list(self._connections.values())

    # Delivery

    def deliver(self, packet: Ipv4Packet, interface: Interface, frame: Frame | None) -> None:
        """A packet for this device."""
        payload = packet.payload
        if isinstance(payload, IcmpMessage):
            self._icmp(packet, payload)
        elif isinstance(payload, UdpDatagram):
            self._datagram(packet, payload, interface)
        elif isinstance(payload, TcpSegment):
            self._segment(packet, payload, interface)
        if frame is not None:
            self._node.link.confirm(interface, packet.src)

    def _icmp(self, packet: Ipv4Packet, message: IcmpMessage) -> None:
        node = self._node
        if message.type == icmp.ECHO_REQUEST:
            if node.sysctl.number("net.ipv4.icmp_echo_ignore_all") or node.ip.is_broadcast(packet.dst):
                return
            answer = message._replace(type=icmp.ECHO_REPLY)
            node.ip.output(Ipv4Packet(packet.dst, packet.src, PROTO_ICMP, answer, tag=packet.tag))
        elif message.type == icmp.ECHO_REPLY:
            socket = self._echo.get(message.identifier)
            if socket is not None:
                socket.replies.append(EchoReply(packet.src, message.sequence, message.length, packet.ttl, node.now))
                socket.signal.fire()
        elif message.original is not None:
            self._icmp_error(packet.src, message, packet.ttl)

    def _icmp_error(self, source: IPv4, message: IcmpMessage, ttl: int) -> None:
        """Tell the socket that sent the packet inside the message."""
        original = message.original
        assert original is not None
        payload = original.payload
        error = IcmpError(source, message.type, message.code, ttl, original.dst, mtu=message.sequence)
        if isinstance(payload, IcmpMessage):
            echo = self._echo.get(payload.identifier)
            if echo is not None:
                echo.errors.append((error, payload))
                echo.signal.fire()
        elif isinstance(payload, UdpDatagram):
            for socket in self._udp.get(payload.sport, []):
                socket.errors.append(error._replace(dport=payload.dport))
                socket.signal.fire()
        elif isinstance(payload, TcpSegment):
            connection = self._connections.get((original.src, payload.sport, original.dst, payload.dport))
            meaning = HOST_UNREACHABLE if message.type == icmp.TIME_EXCEEDED else ERRORS.get(message.code)
            if connection is not None and meaning is not None:
                connection.unreachable(meaning, self._node.now)

    def _datagram(self, packet: Ipv4Packet, datagram: UdpDatagram, interface: Interface) -> None:
        broadcast = self._node.ip.is_broadcast(packet.dst)
        taken = False
        for socket in self._udp.get(datagram.dport, []):
            if socket.interface is not None and socket.interface != interface.name:
                continue
            if socket.address not in (ANY, packet.dst) and not broadcast:
                continue
            socket.deliver(Datagram(packet.src, datagram.sport, packet.dst, datagram.data, interface.name, packet.ttl))
            taken = True
            if not broadcast:
                break
        if not taken and not broadcast:
            self._node.drop(DropReason.NO_LISTENER, interface.name, packet=packet, by=f"udp port {datagram.dport}")
            self._node.ip.errors.send(packet, icmp.DEST_UNREACHABLE, icmp.PORT_UNREACHABLE)

    def _segment(self, packet: Ipv4Packet, segment: TcpSegment, interface: Interface) -> None:
        if self._node.ip.is_broadcast(packet.dst):
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
                connection.accept(segment, now)
                self._await_handshake(listener, connection)
            return
        if not segment.flags & tcp.RST:
            self._node.drop(DropReason.NO_LISTENER, interface.name, packet=packet, by=f"tcp port {segment.dport}")
            answer = Ipv4Packet(
                packet.dst, packet.src, PROTO_TCP, reset_for(segment), dont_fragment=True, tag=packet.tag
            )
            self._node.ip.output(answer)

    def _await_handshake(self, listener: TcpListener, connection: TcpConnection) -> None:
        """Hand a connection to the listener at its third segment: the program that accepts waits on the listener."""

        def opened() -> None:
            listener.backlog.append(connection)
            listener.signal.fire()

        connection.opened = opened

    # TCP

    def _listener_for(self, address: IPv4, port: int) -> TcpListener | None:
        group = self._listeners.get(port, [])
        exact = next((listener for listener in group if listener.address == address), None)
        return exact or next((listener for listener in group if listener.address == ANY), None)

    def _connection(self, key: ConnectionKey, program: str, tag: int) -> TcpConnection:
        self._sequence = self._sequence + 64_013 & 0xFFFFFFFF
        connection = TcpConnection(
            (key[0], key[1]),
            (key[2], key[3]),
            sequence=self._sequence,
            emit=self._emit,
            call_at=self._node.call_at,
            ended=self._ended,
        )
        connection.program = program
        connection.tag = tag
        self._connections[key] = connection
        return connection

    def _ended(self, connection: TcpConnection) -> None:
        """Take an ended connection out of the table, unless a new one has its place (out of TIME-WAIT)."""
        key = (*connection.local, *connection.remote)
        if self._connections.get(key) is connection:
            del self._connections[key]

    def _emit(self, connection: TcpConnection, segment: TcpSegment) -> None:
        packet = Ipv4Packet(
            connection.local[0], connection.remote[0], PROTO_TCP, segment, dont_fragment=True, tag=connection.tag
        )
        self._node.ip.output(packet)

    def tcp_connect(self, address: IPv4, port: int, *, program: str = "", tag: int = 0) -> TcpConnection:
        """Begin a connection. Raises SocketError where the kernel refuses at once."""
        if self._node.ip.is_broadcast(address):
            raise SocketError(NETWORK_UNREACHABLE)
        source = self._node.ip.preferred_source(address)
        if source is None:
            refused = Ipv4Packet(ANY, address, PROTO_TCP, TcpSegment(0, port, 0, 0, tcp.SYN), tag=tag)
            raise SocketError(self._node.ip.output(refused) or NETWORK_UNREACHABLE)
        connection = self._connection((source, self.free_port("tcp"), address, port), program, tag)
        connection.open(self._node.now)
        return connection

    def tcp_listen(self, port: int, address: IPv4, *, program: str = "") -> TcpListener:
        """Listen. Raises SocketError."""
        if address != ANY and not self._node.ip.is_local(address):
            raise SocketError("Cannot assign requested address")
        group = self._listeners.setdefault(port, [])
        if any(address == ANY or other.address in (ANY, address) for other in group):
            raise SocketError("Address already in use")
        listener = TcpListener(address, port, program)
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
        self, port: int = 0, address: IPv4 = ANY, *, interface: str | None = None, program: str = "", tag: int = 0
    ) -> UdpSocket:
        """Bind a UDP socket; port 0 picks a free one. Raises SocketError."""
        if address != ANY and not self._node.ip.is_local(address):
            raise SocketError("Cannot assign requested address")
        port = port or self.free_port("udp")
        group = self._udp.setdefault(port, [])
        if any(
            socket.interface == interface and (address == ANY or socket.address in (ANY, address)) for socket in group
        ):
            raise SocketError("Address already in use")
        socket = UdpSocket(port, address, interface, program, tag=tag)
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
        address: IPv4,
        port: int,
        data: bytes,
        *,
        ttl: int = DEFAULT_TTL,
        interface: Interface | None = None,
    ) -> str | None:
        """Send a datagram; returns None or the error of the system call."""
        if interface is None and socket.interface is not None:
            interface = self._node.interfaces.get(socket.interface)
        if not socket.broadcast and self._node.ip.is_broadcast(address):
            return "Permission denied"
        packet = Ipv4Packet(
            socket.address, address, PROTO_UDP, UdpDatagram(socket.port, port, data), ttl=ttl, tag=socket.tag
        )
        return self._node.ip.output(packet, interface=interface)

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
        address: IPv4,
        sequence: int,
        *,
        size: int = 56,
        ttl: int = DEFAULT_TTL,
        dont_fragment: bool = False,
        source: IPv4 = ANY,
        interface: Interface | None = None,
    ) -> str | None:
        """Send one echo request with `size` bytes of data; returns None or the error of the system call."""
        if not socket.broadcast and self._node.ip.is_broadcast(address):
            return "Permission denied"
        message = IcmpMessage(icmp.ECHO_REQUEST, 0, socket.identifier, sequence, bytes(size))
        packet = Ipv4Packet(source, address, PROTO_ICMP, message, ttl=ttl, dont_fragment=dont_fragment, tag=socket.tag)
        return self._node.ip.output(packet, interface=interface)

    # Packet sockets

    def packet_open(self, interface: str | None) -> PacketSocket:
        """Capture frames."""
        socket = PacketSocket(interface)
        self._node.link.open_capture(socket)
        return socket

    def packet_close(self, socket: PacketSocket) -> None:
        """Stop capturing."""
        self._node.link.close_capture(socket)
