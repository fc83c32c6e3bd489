"""A WireGuard interface: peers, handshakes, sessions, allowed addresses.

Before changing this file read wireguard.com/papers/wireguard.pdf §6 (timers) and wg(8).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from struct import pack, unpack_from
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Mac, Network
from labs.net import icmp
from labs.net import wireguard as wg
from labs.net.actions import DropReason
from labs.net.ethernet import ETHERTYPE_IPV4, Frame
from labs.net.ipv4 import Ipv4Packet
from labs.net.process import Wait
from labs.net.said import Ground, said
from labs.net.sockets import SocketError
from labs.net.wire import WireError, decode, encode

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process, Routine
    from labs.net.sockets import Datagram, UdpSocket

__all__ = ["Peer", "WireGuard"]

SECOND = 1_000_000_000
REKEY_AFTER_NS = 120 * SECOND  # paper §6.1
REJECT_AFTER_NS = 180 * SECOND
REKEY_TIMEOUT_NS = 5 * SECOND
REKEY_ATTEMPTS = 18  # REKEY_ATTEMPT_TIME of 90 s
KEEPALIVE_TIMEOUT_NS = 10 * SECOND
MAX_WAITING = 128
MAX_PEERS = 256
PROGRAM = "wireguard"  # the kernel itself, in the list of sockets
ETHERNET_BYTES = 14


class Sealed(bytes):
    """The bytes of a data message. What is inside goes along, so that marks of probes are not lost; keys decide."""

    packet: Ipv4Packet | None = None


@dataclass(slots=True)
class Session:
    """The keys of one handshake."""

    sending: bytes
    receiving: bytes
    index: int
    remote: int
    born_ns: int
    initiator: bool
    counter: int = 0
    heard: int = -1


@dataclass(slots=True, eq=False)
class Peer:
    """One peer as `wg show` lists it."""

    public: bytes
    preshared: bytes = bytes(32)
    endpoint: tuple[IPv4, int] | None = None
    allowed: list[Network] = field(default_factory=list)
    keepalive_s: int = 0
    session: Session | None = None
    """What is sent with."""
    pending: Session | None = None
    """Offered by an answer of ours; of use once the other end has sent with it (paper §5.4.5)."""
    previous: Session | None = None
    """What the other end may still send with."""
    handshake_ns: int = -1
    received: int = 0
    sent: int = 0
    waiting: deque[Ipv4Packet] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))
    stamp: int = -1
    """The newest time stamp of an initiation of this peer."""
    attempt: int = 0
    serial: int = 0
    offered: tuple[int, bytes, bytes] | None = None
    """Our handshake that waits for an answer: index, ephemeral private key, chain key."""
    passed_ns: int = 0
    """When a message last went or came: from then on the keepalive counts (any_authenticated_packet_traversal)."""
    owes: bool = False
    """Something came and nothing was sent since."""

    def forget(self) -> None:
        """What was agreed is void."""
        self.session = self.pending = self.previous = self.offered = None

    def heard_by(self, index: int) -> Session | None:
        """The session that the other end sent with."""
        known = (self.session, self.pending, self.previous)
        return next((one for one in known if one is not None and one.index == index), None)


class WireGuard:
    """The machine behind one interface."""

    def __init__(self, node: LinuxNode, interface: Interface) -> None:
        self._node = node
        self._interface = interface
        self.private = bytes(32)
        self.port = 0
        self.peers: dict[bytes, Peer] = {}
        self._socket: UdpSocket | None = None
        self._reader: Process | None = None
        self._draws = 0

    @property
    def public(self) -> bytes:
        """The public key; 32 zeros without a private one."""
        return wg.public_key(self.private) if any(self.private) else bytes(32)

    # Settings

    def set_up(self, *, up: bool) -> None:
        """`ip link set wg0 up|down`. Raises SocketError where the port is taken."""
        if up and self._socket is None:
            self._socket = self._node.transport.udp_open(self.port, program=PROGRAM)
            self.port = self._socket.port
            self._reader = self._node.spawn([f"[wg-crypt-{self._interface.name}]"], self._read, directory="/")
            for peer in self.peers.values():
                self._keep_alive(peer)
        elif not up and self._socket is not None:
            self._node.transport.udp_close(self._socket)
            self._socket = None
            if self._reader is not None:
                self._reader.kill(9)
            for peer in self.peers.values():
                peer.forget()
                peer.serial += 1

    def listen(self, port: int) -> None:
        """`wg set wg0 listen-port`. Raises SocketError."""
        if self._socket is not None and port != self.port:
            fresh = self._node.transport.udp_open(port, program=PROGRAM)
            self._node.transport.udp_close(self._socket)
            if self._reader is not None:
                self._reader.kill(9)
            self._socket, port = fresh, fresh.port
            self._reader = self._node.spawn([f"[wg-crypt-{self._interface.name}]"], self._read, directory="/")
        self.port = port

    def set_private(self, key: bytes) -> None:
        """`wg set wg0 private-key`: what was agreed with the old one is void."""
        self.private = key
        for peer in self.peers.values():
            peer.forget()

    def peer(self, public: bytes) -> Peer:
        """The peer with a key, made if need be. Raises SocketError."""
        if public not in self.peers:
            if len(self.peers) >= MAX_PEERS:
                raise SocketError("No space left on device")
            self.peers[public] = Peer(public)
        return self.peers[public]

    def allow(self, peer: Peer, networks: list[Network]) -> None:
        """Give a peer its addresses; an address belongs to one peer alone."""
        for other in self.peers.values():
            if other is not peer:
                other.allowed = [network for network in other.allowed if network not in networks]
        peer.allowed = list(dict.fromkeys(networks))

    def settings_changed(self, peer: Peer) -> None:
        """After `wg set … peer`: a new keepalive begins at once."""
        if self._socket is not None:
            peer.serial += 1
            self._keep_alive(peer)

    # Sending

    def transmit(self, packet: Ipv4Packet) -> None:
        """A packet was routed here: the peer is the one whose allowed addresses hold its destination best."""
        node, interface = self._node, self._interface
        if self._socket is None:
            node.drop(DropReason.ADMIN_DOWN, interface.name, packet=packet)
            return
        node.link.count_tunnelled(interface, "out", packet)
        peer = self._peer_for(packet.dst)
        if peer is None or peer.endpoint is None:
            why = Ground.NO_PEER if peer is None else Ground.NO_ENDPOINT
            interface.tx.errors += 1
            node.drop(DropReason.TUNNEL, interface.name, packet=packet, by=said(why, interface=interface.name))
            node.ip.errors.send(packet, icmp.DEST_UNREACHABLE, icmp.HOST_UNREACHABLE)
            return
        session = self._usable(peer)
        if session is None:
            peer.waiting.append(packet)
            self._begin(peer)
            return
        self._send_packet(peer, session, packet)
        if session.initiator and node.now - session.born_ns >= REKEY_AFTER_NS:
            self._begin(peer)

    def _peer_for(self, address: IPv4) -> Peer | None:
        found = [
            (network.length, peer) for peer in self.peers.values() for network in peer.allowed if address in network
        ]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def _usable(self, peer: Peer) -> Session | None:
        session = peer.session
        return session if session is not None and self._node.now - session.born_ns < REJECT_AFTER_NS else None

    def _send_packet(self, peer: Peer, session: Session, packet: Ipv4Packet | None) -> None:
        """One data message; None is a keepalive."""
        text = b""
        if packet is not None:
            text = encode(Frame(Mac(0), Mac(0), ETHERTYPE_IPV4, packet))[ETHERNET_BYTES:][: packet.length]
            text += bytes(min(-len(text) % 16, max(0, self._interface.mtu - len(text))))
        head = pack("<BxxxIQ", wg.DATA, session.remote, session.counter)
        data = Sealed(head + wg.seal(session.sending, session.counter, text))
        data.packet = packet
        session.counter += 1
        peer.owes = False
        self._output(peer, data, packet.tag if packet is not None else 0)

    def _output(self, peer: Peer, data: bytes, tag: int = 0) -> None:
        if peer.endpoint is None or self._socket is None:
            return
        self._socket.tag = tag
        if self._node.transport.udp_send(self._socket, *peer.endpoint, data, discovery="dont") is None:
            peer.sent += len(data)
            peer.passed_ns = self._node.now

    # Handshake

    def _draw(self) -> bytes:
        """A private key for once: a function of device, time and count, so that a lab can be replayed."""
        self._draws += 1
        return wg.clamped(
            wg.mixed(self.private, self._interface.name.encode(), pack("<QQ", self._node.now, self._draws))
        )

    def _begin(self, peer: Peer) -> None:
        """Ask for a session, unless that was asked a moment ago."""
        if peer.attempt == 0:
            self._initiate(peer)

    def _initiate(self, peer: Peer) -> None:
        if self._socket is None or peer.endpoint is None or not any(self.private):
            return
        peer.attempt += 1
        if peer.attempt > REKEY_ATTEMPTS:
            peer.attempt = 0
            peer.waiting.clear()
            return
        ephemeral = self._draw()
        index = int.from_bytes(wg.mixed(ephemeral)[:4], "little")
        first = wg.mixed(wg.shared(ephemeral, peer.public))
        second = wg.mixed(first, wg.shared(self.private, peer.public))
        static = wg.seal(first, 0, self.public)
        stamp = wg.seal(second, 0, pack(">QI", self._node.now // SECOND, self._node.now % SECOND))
        peer.offered = (index, ephemeral, second)
        message = wg.Initiation(index, wg.public_key(ephemeral), static, stamp)
        self._output(peer, message.encode(peer.public))
        serial = peer.serial

        def again() -> None:
            if peer.offered is not None and peer.offered[0] == index and peer.serial == serial:
                self._initiate(peer)

        self._node.call_at(self._node.now + REKEY_TIMEOUT_NS, again)

    def _read(self, process: Process) -> Routine:
        """The reader of the socket."""
        process.endless = True
        socket = self._socket
        while socket is not None and socket is self._socket:
            while socket.queue:
                self._arrived(socket.queue.popleft())
            yield Wait((socket.signal,))
        return 0

    def _arrived(self, datagram: Datagram) -> None:
        kind = datagram.data[:1]
        try:
            if kind == bytes([wg.INITIATION]):
                self._initiated(datagram)
            elif kind == bytes([wg.RESPONSE]):
                self._responded(datagram)
            elif kind == bytes([wg.DATA]):
                self._data(datagram)
        except wg.SealError:
            name = self._interface.name
            self._node.drop(DropReason.TUNNEL, name, by=said(Ground.WRONG_KEY, interface=name))

    def _initiated(self, datagram: Datagram) -> None:
        message = wg.Initiation.decode(datagram.data, self.public)
        if message is None:
            return
        first = wg.mixed(wg.shared(self.private, message.ephemeral))
        peer = self.peers.get(wg.open_sealed(first, 0, message.static))
        if peer is None:
            return
        second = wg.mixed(first, wg.shared(self.private, peer.public))
        seconds, rest = unpack_from(">QI", wg.open_sealed(second, 0, message.stamp))
        stamp = seconds * SECOND + rest
        if stamp <= peer.stamp:  # heard before: a replay
            return
        peer.stamp = stamp
        ephemeral = self._draw()
        index = int.from_bytes(wg.mixed(ephemeral)[:4], "little")
        last = wg.mixed(
            second, wg.shared(ephemeral, message.ephemeral), wg.shared(ephemeral, peer.public), peer.preshared
        )
        peer.pending = Session(
            wg.mixed(last, b"response"),
            wg.mixed(last, b"request"),
            index,
            message.sender,
            self._node.now,
            False,  # noqa: FBT003
        )
        self._heard(peer, datagram)
        answer = wg.Response(index, message.sender, wg.public_key(ephemeral), wg.seal(last, 0, b""))
        self._output(peer, answer.encode(peer.public))

    def _responded(self, datagram: Datagram) -> None:
        message = wg.Response.decode(datagram.data, self.public)
        if message is None:
            return
        peer = next(
            (p for p in self.peers.values() if p.offered is not None and p.offered[0] == message.receiver), None
        )
        if peer is None or peer.offered is None:
            return
        index, ephemeral, second = peer.offered
        last = wg.mixed(
            second, wg.shared(ephemeral, message.ephemeral), wg.shared(self.private, message.ephemeral), peer.preshared
        )
        wg.open_sealed(last, 0, message.empty)
        peer.previous, peer.pending = peer.session, None
        peer.session = Session(
            wg.mixed(last, b"request"),
            wg.mixed(last, b"response"),
            index,
            message.sender,
            self._node.now,
            True,  # noqa: FBT003
        )
        peer.offered, peer.attempt = None, 0
        peer.handshake_ns = self._node.now
        self._heard(peer, datagram)
        if not peer.waiting:  # the other end may send only when it has heard data of the new session
            self._send_packet(peer, peer.session, None)
        self._release(peer)

    def _release(self, peer: Peer) -> None:
        session = peer.session
        while peer.waiting and session is not None:
            self._send_packet(peer, session, peer.waiting.popleft())
        self._keep_alive(peer, at_once=False)

    def _heard(self, peer: Peer, datagram: Datagram) -> None:
        """Whoever proved to be the peer is at the address that it came from."""
        peer.received += len(datagram.data)
        peer.passed_ns = self._node.now
        if isinstance(datagram.source, IPv4):
            peer.endpoint = (datagram.source, datagram.sport)

    # Receiving

    def _data(self, datagram: Datagram) -> None:
        node, interface = self._node, self._interface
        remote, counter = unpack_from("<IQ", datagram.data, 4)
        peer = next((p for p in self.peers.values() if p.heard_by(remote) is not None), None)
        session = peer.heard_by(remote) if peer is not None else None
        if peer is None or session is None or node.now - session.born_ns >= REJECT_AFTER_NS:
            return
        text = wg.open_sealed(session.receiving, counter, bytes(datagram.data[wg.DATA_HEAD_BYTES :]))
        if counter <= session.heard:
            return
        session.heard = counter
        self._heard(peer, datagram)
        if session is peer.pending:
            peer.session, peer.previous, peer.pending = session, peer.session, None
            peer.offered, peer.attempt, peer.handshake_ns = None, 0, node.now
            self._release(peer)
        if not text:
            return
        packet = datagram.data.packet if isinstance(datagram.data, Sealed) else None
        if packet is None:
            try:
                payload = decode(bytes(12) + b"\x08\x00" + text).payload
            except WireError:
                return
            packet = payload if isinstance(payload, Ipv4Packet) else None
        if packet is None or self._peer_for(packet.src) is not peer:
            interface.rx.errors += 1
            by = said(Ground.SOURCE_NOT_ALLOWED, interface=interface.name)
            node.drop(DropReason.TUNNEL, interface.name, packet=packet, by=by)
            return
        if not peer.owes:
            peer.owes = True
            node.call_at(node.now + KEEPALIVE_TIMEOUT_NS, lambda: self._answer(peer))
        frame = node.link.count_tunnelled(interface, "in", packet)
        node.ip.receive(interface, packet, frame)

    def _answer(self, peer: Peer) -> None:
        """Something came ten seconds ago and nothing was sent since: say that we are there (paper §6.5)."""
        session = self._usable(peer)
        if peer.owes and session is not None:
            self._send_packet(peer, session, None)

    def _keep_alive(self, peer: Peer, *, at_once: bool = True) -> None:
        if not peer.keepalive_s or self._socket is None:
            return
        peer.serial += 1
        serial = peer.serial

        def again(*, first: bool = False) -> None:
            if peer.serial != serial or not peer.keepalive_s or self._socket is None:
                return
            due = peer.passed_ns + peer.keepalive_s * SECOND
            if not first and self._node.now < due:
                self._node.call_at(due, again)
                return
            session = self._usable(peer)
            if session is None:
                self._begin(peer)
            else:
                self._send_packet(peer, session, None)
                if session.initiator and self._node.now - session.born_ns >= REKEY_AFTER_NS:
                    self._begin(peer)
            self._node.call_at(self._node.now + peer.keepalive_s * SECOND, again)

        if at_once:
            self._node.call_soon(lambda: again(first=True))
        else:
            self._node.call_at(self._node.now + peer.keepalive_s * SECOND, again)
