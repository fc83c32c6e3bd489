"""An MQTT client of a program: the client machine of `labs.things.mqtt` on a TCP connection of the device."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Protocol

from labs.net.process import Process, Wait
from labs.net.sockets import connect
from labs.net.tcp import TcpConnection, TcpState
from labs.net.tls_session import TlsClient, TlsFailure
from labs.shell.resolver import resolve
from labs.shell.tls_options import TlsOptions, client_session
from labs.things.mqtt.client import Client, Event, Lost

if TYPE_CHECKING:
    from labs.things.mqtt.codec import Connect

__all__ = ["BrokerLink", "MqttLink", "broker_link", "reach"]

CLOSED = TcpState.CLOSED  # a global is found ten times faster
LINGER_NS = 200_000_000
HANDSHAKE_NS = 60_000_000_000
UNEXPECTED_END = "error:0A000126:SSL routines::unexpected eof while reading"


class BrokerClient(Protocol):
    """What a program says in a conversation with a broker."""

    def publish(self, topic: str, payload: bytes, now: int, *, qos: int = 0, retain: bool = False) -> int:
        """Send a message and return its number."""

    def subscribe(self, filters: Sequence[tuple[str, int]], now: int) -> int:
        """Ask for topics and return the number of the request."""

    def disconnect(self, now: int) -> None:
        """Take leave."""


class BrokerLink(Protocol):
    """What a daemon needs of a link; an engine may have another client than ours."""

    @property
    def client(self) -> BrokerClient:
        """The conversation."""

    def open(
        self,
        host: str,
        port: int,
        hello: Connect,
        *,
        timeout_ns: int | None = None,
        trace: Callable[[str], None] | None = None,
        tls: TlsOptions | None = None,
    ) -> Generator[Wait, None, None]:
        """Find the host, connect, and say CONNECT. Raises ResolveError, SocketError, TlsFailure, CertificateError."""

    def flush(self) -> None:
        """Send what the client has to say."""

    def step(self, until: int | None = None) -> Generator[Wait, None, list[Event]]:
        """Wait for events, at the latest until a time; then the list is empty."""

    def close(self) -> None:
        """Close the connection."""


def broker_link(process: Process) -> BrokerLink:
    """The client of a daemon: ours, or the one that its device brings (`mqtt_link`)."""
    make: Callable[[Process], BrokerLink] = getattr(process.node, "mqtt_link", MqttLink)
    return make(process)


def reach(process: Process, host: str, port: int, timeout_ns: int | None) -> Generator[Wait, None, TcpConnection]:
    """Find a host and connect to it. Raises ResolveError and SocketError."""
    kept = len(process.cleanup)
    try:
        address = yield from resolve(process, host)
        return (yield from connect(process, address, port, timeout_ns=timeout_ns))
    except BaseException:
        for action in reversed(process.cleanup[kept:]):
            action()
        raise
    finally:
        del process.cleanup[kept:]  # a daemon that connects again and again must not collect them


class MqttLink:
    """One conversation with a broker. Everything that is queued on `client` is sent at the next `step` or `flush`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._connection: TcpConnection | None = None
        self._client: Client | None = None
        self._tls: TlsClient | None = None
        self._last_id = 0
        self._timer: int | None = None
        self._waiting: Wait | None = None

    @property
    def client(self) -> Client:
        """The conversation. Raises RuntimeError before `open`."""
        if self._client is None:
            message = "the link is not open"
            raise RuntimeError(message)
        return self._client

    def open(
        self,
        host: str,
        port: int,
        hello: Connect,
        *,
        timeout_ns: int | None = None,
        trace: Callable[[str], None] | None = None,
        tls: TlsOptions | None = None,
    ) -> Generator[Wait, None, None]:
        """Find the host, connect, and say CONNECT. Raises ResolveError, SocketError, TlsFailure, CertificateError."""
        self.close()
        process = self._process
        session = client_session(process, tls, host) if tls is not None else None
        self._connection = yield from reach(process, host, port, timeout_ns)
        self._connection.wakes_when_acknowledged = False
        process.cleanup.append(self.close)
        if session is not None:
            try:
                yield from self._shake_hands(self._connection, session, timeout_ns)
            except BaseException:
                self.close()
                raise
        self._client = Client(hello, process.node.now, trace, self._last_id)
        self.flush()

    def _shake_hands(
        self, connection: TcpConnection, session: TlsClient, timeout_ns: int | None
    ) -> Generator[Wait, None, None]:
        """Until the server is believed. Raises TlsFailure."""
        node = self._process.node
        until = node.now + (timeout_ns or HANDSHAKE_NS)
        while not session.established:
            connection.send(session.outgoing(), node.now)
            while not connection.inbox and not connection.peer_done and connection.state is not TcpState.CLOSED:
                if node.now >= until:
                    raise TlsFailure("no answer to the hello", UNEXPECTED_END)
                yield Wait((connection.signal,), until)
            data = connection.receive()
            if not data:
                raise TlsFailure("the other side does not speak TLS", UNEXPECTED_END)
            try:
                session.receive(data)
            except TlsFailure:
                connection.send(session.outgoing(), node.now)
                raise
        self._tls = session

    def flush(self) -> None:
        """Send what the client has to say."""
        client = self._client or self.client
        if not client.queued and self._tls is None:
            return
        data = client.outgoing()
        if self._tls is not None:
            self._tls.send(data)
            data = self._tls.outgoing()
        if data and self._connection is not None:
            self._connection.send(data, self._process.node.now)

    def step(self, until: int | None = None) -> Generator[Wait, None, list[Event]]:
        """Wait for events, at the latest until a time; then the list is empty."""
        node, client, connection = self._process.node, self._client or self.client, self._connection
        if connection is None:
            return [Lost("not connected")]
        while True:
            if client.queued or self._tls is not None:
                self.flush()
            events = self._read(connection, client) if connection.inbox else []
            if not events and (connection.peer_done or connection.state is CLOSED):
                events = [Lost(connection.error or "the broker closed the connection")]
            when = client.next_wake()
            if not events and when is not None and when <= node.now:
                events = client.wake(node.now)
                self.flush()
                when = client.next_wake()
            if events:
                self.flush()
                return events
            if until is not None:
                if until <= node.now:
                    return []
                if when is None or until < when:
                    when = until
            yield self._wait(connection, when)

    def _read(self, connection: TcpConnection, client: Client) -> list[Event]:
        """What has arrived, and an answer where one is due."""
        data = connection.receive()
        try:
            if self._tls is not None:
                data = self._tls.receive(data)
            events = client.receive(data, self._process.node.now) if data else []
        except TlsFailure as failure:
            return [Lost(f"TLS: {failure}")]
        self.flush()
        return events

    def _wait(self, connection: TcpConnection, when: int | None) -> Wait:
        """Wait with at most one timer under way: every acknowledgement wakes the program and would leave one."""
        node, signal = self._process.node, connection.signal
        if when is not None and (self._timer is None or self._timer <= node.now or when < self._timer):
            self._timer = when
            node.call_at(when, signal.fire)
        if self._waiting is None or self._waiting.signals[0] is not signal:
            self._waiting = Wait((signal,))
        return self._waiting

    def finish(self) -> Generator[Wait, None, None]:
        """Say goodbye, give the last bytes a moment to arrive, and close: the next command finds them there."""
        node, connection = self._process.node, self._connection
        self.client.disconnect(node.now)
        self.flush()
        until = node.now + LINGER_NS
        if connection is not None:
            connection.wakes_when_acknowledged = True
        while connection is not None and connection.unsent_bytes and node.now < until:
            yield Wait((connection.signal,), until)
        self.close()

    def close(self) -> None:
        """Close the connection; what is queued is still delivered."""
        if self._client is not None:
            self._last_id = self._client.last_id
        if self._connection is not None:
            self._connection.release(self._process.node.now)
            if self.close in self._process.cleanup:
                self._process.cleanup.remove(self.close)
        self._connection = self._client = self._tls = None
        self._timer = None
