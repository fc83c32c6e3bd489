"""Real sockets with the faces of the simulator's: what `labs.net.sockets`, the resolver and our servers use.

IPv4 alone; a program that speaks to itself over `localhost` finds 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from labs.engines.kernel.things.journal import reason
from labs.model.addresses import Address, IPv4
from labs.net.ipv4 import ANY
from labs.net.process import Signal
from labs.net.sockets import Datagram, SocketError
from labs.net.tcp import TcpState

if TYPE_CHECKING:
    from labs.engines.kernel.things.station import Station

__all__ = ["Connection", "Listener", "Peer", "Transport", "UdpPort"]

CHUNK = 1 << 16
BACKLOG = 16
LOOK_S = 0.002


class Peer(NamedTuple):
    """Whom a program asks."""

    address: Address
    port: int


def _bound(kind: int, address: Address, port: int) -> socket.socket:
    own = socket.socket(socket.AF_INET, kind)
    try:
        own.settimeout(0)
        if kind == socket.SOCK_STREAM:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((str(address) if address != ANY else "", port))
    except OSError as error:
        own.close()
        raise SocketError(reason(error)) from None
    return own


class Connection:
    """A TCP connection, with the names of `labs.net.tcp.TcpConnection`."""

    def __init__(self, station: Station, own: socket.socket, state: TcpState, peer: Peer | None = None) -> None:
        self._station = station
        self._own = own
        self.peer = peer
        """Whom it asks; None for a connection that others opened."""
        self._unsent = bytearray()
        self._closing = False
        self.state = state
        self.signal = Signal()
        self.inbox = bytearray()
        self.peer_done = False
        self.error: str | None = None
        self.wakes_when_acknowledged = False
        if state is TcpState.ESTABLISHED:
            station.loop.add_reader(own, self._readable)
        else:
            station.loop.add_writer(own, self._opened)

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return len(self._unsent)

    def _tell(self) -> None:
        self._station.transport.heard(self)
        self.signal.fire()
        self._station.pump()

    def _opened(self) -> None:
        self._station.loop.remove_writer(self._own)
        number = self._own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._end(os.strerror(number))
        else:
            self.state = TcpState.ESTABLISHED
            self._station.loop.add_reader(self._own, self._readable)
        self._tell()

    def _readable(self) -> None:
        try:
            data = self._own.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(reason(error))
            self._tell()
            return
        self.inbox += data
        if not data:
            self.peer_done = True
            self._station.loop.remove_reader(self._own)
        self._tell()

    def receive(self) -> bytes:
        """What has arrived."""
        data = bytes(self.inbox)
        self.inbox.clear()
        return data

    def send(self, data: bytes, now: int) -> bool:
        """Send."""
        del now
        self._unsent += data
        self._station.spoken += 1
        self._write()
        return self.state is not TcpState.CLOSED

    def _write(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._own.send(self._unsent)]
        except BlockingIOError:
            self._station.loop.add_writer(self._own, self._write)
            return
        except OSError as error:
            self._end(reason(error))
            return
        self._station.loop.remove_writer(self._own)
        if self._closing:
            self._end()

    def close(self, now: int) -> None:
        """Everything that is queued is still sent."""
        del now
        self._closing = True
        if not self._unsent or self.state is TcpState.SYN_SENT:
            self._end()

    def release(self, now: int) -> None:
        """The program is done with it."""
        self.close(now)

    def abort(self, now: int) -> None:
        """Reset."""
        del now
        if self.state is not TcpState.CLOSED:
            self._own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._end()

    def detach(self) -> socket.socket:
        """The socket itself, for a library of others; this connection is over."""
        self._leave(None)
        return self._own

    def _end(self, error: str | None = None) -> None:
        if self.state is not TcpState.CLOSED:
            self._leave(error)
            self._own.close()

    def _leave(self, error: str | None) -> None:
        self.state, self.error, self.peer_done = TcpState.CLOSED, error, True
        self._unsent.clear()
        self._station.loop.remove_reader(self._own)
        self._station.loop.remove_writer(self._own)
        self._station.transport.gone(self)


class Listener:
    """A listening TCP socket."""

    def __init__(self, station: Station, own: socket.socket) -> None:
        self._station = station
        self._own = own
        self.backlog: deque[Connection] = deque()
        self.signal = Signal()
        own.listen(BACKLOG)
        station.loop.add_reader(own, self._arrived)

    def _arrived(self) -> None:
        try:
            own, _ = self._own.accept()
        except OSError:
            return
        own.settimeout(0)
        self.backlog.append(Connection(self._station, own, TcpState.ESTABLISHED))
        self.signal.fire()
        self._station.pump()

    def close(self) -> None:
        """Stop listening."""
        if self._own.fileno() >= 0:
            self._station.loop.remove_reader(self._own)
            self._own.close()


class UdpPort:
    """A bound UDP socket."""

    def __init__(self, station: Station, own: socket.socket) -> None:
        self._station = station
        self.own = own
        self.peer: Peer | None = None
        """Whom it asked last."""
        self.port: int = own.getsockname()[1]
        self.signal = Signal()
        self.queue: deque[Datagram] = deque(maxlen=1024)
        self.errors: deque[object] = deque()
        station.loop.add_reader(own, self._arrived)

    def _arrived(self) -> None:
        try:
            data, (host, port) = self.own.recvfrom(CHUNK)
        except OSError:
            return
        self.queue.append(Datagram(IPv4.parse(host), port, ANY, data, "", 64))
        self._station.transport.heard(self)
        self.signal.fire()
        self._station.pump()

    def close(self) -> None:
        """No more."""
        if self.own.fileno() >= 0:
            self._station.loop.remove_reader(self.own)
            self.own.close()


class Transport:
    """What a program opens, by the names of `labs.net.linux.transport.Transport`."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._asking: dict[Connection | UdpPort, float] = {}
        """Whoever waits for an answer, and until when anybody waits with it."""

    def tcp_connect(self, address: Address, port: int, **_: object) -> Connection:
        """Begin a connection. Raises SocketError."""
        own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        own.settimeout(0)
        number = own.connect_ex((str(address), port))
        if number not in (0, errno.EINPROGRESS):
            own.close()
            raise SocketError(os.strerror(number))
        self._station.spoken += 1
        state = TcpState.SYN_SENT if number else TcpState.ESTABLISHED
        connection = Connection(self._station, own, state, Peer(address, port))
        self._wait_for(connection)
        return connection

    def tcp_listen(self, port: int, address: Address = ANY, **_: object) -> Listener:
        """Listen. Raises SocketError."""
        return Listener(self._station, _bound(socket.SOCK_STREAM, address, port))

    def tcp_unlisten(self, listener: Listener) -> None:
        """Stop listening."""
        listener.close()

    def udp_open(self, port: int = 0, address: Address = ANY, **_: object) -> UdpPort:
        """Bind a UDP socket; port 0 picks a free one. Raises SocketError."""
        opened = UdpPort(self._station, _bound(socket.SOCK_DGRAM, address, port))
        if not port:  # a question, and not a service
            self._asking[opened] = 0.0
        return opened

    def udp_send(self, opened: UdpPort, address: Address, port: int, data: bytes, **_: object) -> str | None:
        """Send a datagram; the error of the system call, or None."""
        self._station.spoken += 1
        try:
            opened.own.sendto(data, (str(address), port))
        except OSError as error:
            return reason(error)
        if opened in self._asking:
            opened.peer = Peer(address, port)
            self._wait_for(opened)
        return None

    def udp_close(self, opened: UdpPort) -> None:
        """Close a UDP socket."""
        opened.close()
        self.gone(opened)

    def gone(self, what: Connection | UdpPort) -> None:
        """It is closed."""
        self._asking.pop(what, None)

    def heard(self, what: Connection | UdpPort) -> None:
        """Something came of what was asked."""
        if what in self._asking:
            self._station.patience.heard(what.peer)
            self._wait_for(what)

    def _wait_for(self, what: Connection | UdpPort) -> None:
        self._asking[what] = self._station.loop.time() + self._station.patience.with_(what.peer)

    async def settled(self) -> None:
        """Until whoever was asked something has answered, or will not."""
        loop = self._station.loop
        while waiting := {what: until for what, until in self._asking.items() if until}:
            for what, until in waiting.items():
                if until < loop.time():
                    self._station.patience.lost(what.peer)
                    self._asking[what] = 0.0
            await asyncio.sleep(LOOK_S)
