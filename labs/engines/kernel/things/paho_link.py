"""An MQTT client of a forked program: paho's, with the face of `labs.shell.mqtt_link.MqttLink`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from labs.net.certificate import CertificateError
from labs.net.process import Process, Signal, Wait
from labs.net.sockets import SocketError
from labs.shell.mqtt_link import reach
from labs.things.mqtt.client import Connected, Event, Lost, Published, Received, Refused, Subscribed
from labs.things.mqtt.codec import Connect, Publish

if TYPE_CHECKING:
    from labs.engines.kernel.things.station import Station
    from labs.shell.tls_options import TlsOptions

__all__ = ["PahoLink"]

SECOND = 1_000_000_000
MISC_S = 1.0  # how often paho looks after its keepalive
# paho gives the codes of MQTT 5; these are the CONNACK codes of MQTT 3.1.1 (§3.2.2.3) that they stand for.
OLD_CODES = {132: 1, 133: 2, 136: 3, 134: 4, 135: 5}
NOBODY = "netwerf/nobody"  # leaving a topic that was never asked for changes nothing, and the broker confirms it


class PahoClient:
    """What programs do with a conversation."""

    def __init__(self, link: PahoLink, client: paho.Client) -> None:
        self._link = link
        self._client = client

    def publish(self, topic: str, payload: bytes, now: int, *, qos: int = 0, retain: bool = False) -> int:
        """Send a message and return its number."""
        del now
        sent = self._client.publish(topic, payload, qos, retain)
        if qos:
            self._link.unconfirmed.add(sent.mid)
        self._link.worked()
        return sent.mid

    def subscribe(self, filters: Sequence[tuple[str, int]], now: int) -> int:
        """Ask for topics and return the number of the request."""
        del now
        _, number = self._client.subscribe(list(filters))
        self._link.worked()
        return number or 0

    def disconnect(self, now: int) -> None:
        """Take leave."""
        del now
        self._client.disconnect()


class _Paho(paho.Client):
    """Paho's client on a connection that is there already: its own connects in a time that is not the lab's."""

    def __init__(self, own: socket.socket, name: str) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id=name, reconnect_on_failure=False)
        self._own = own

    def _create_socket(self) -> socket.socket:
        return self._own


class PahoLink:
    """One conversation with a broker over a real connection."""

    def __init__(self, station: Station, process: Process) -> None:
        self._station = station
        self._process = process
        self._signal = Signal()
        self._client: paho.Client | None = None
        self._said: PahoClient | None = None
        self._socket: Any = None
        self._events: list[Event] = []
        self._misc: asyncio.TimerHandle | None = None
        self._broker: tuple[str, int] | None = None
        self._greeted = False
        self._answered = asyncio.Event()
        self._asked = 0
        self._mute = False
        self._keepalive_ns = 0
        self.unconfirmed: set[int] = set()
        station.links.append(self)

    @property
    def connected(self) -> bool:
        """True while there is a conversation."""
        return self._client is not None and self._socket is not None

    @property
    def client(self) -> PahoClient:
        """The conversation. Raises RuntimeError before `open`."""
        if self._said is None:
            message = "the link is not open"
            raise RuntimeError(message)
        return self._said

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
        """Find the host, connect, and say CONNECT. Raises ResolveError, SocketError and CertificateError."""
        del trace
        self.close()
        if tls is not None:
            message = "the engine kernel has no TLS for things"
            raise CertificateError(message)
        connection: Any = yield from reach(self._process, host, port, timeout_ns)
        own: socket.socket = connection.detach()
        client = _Paho(own, hello.client_id)
        if hello.username:
            client.username_pw_set(hello.username, (hello.password or b"").decode() or None)
        client.on_connect = self._welcomed
        client.on_disconnect = self._lost
        client.on_message = self._received
        client.on_subscribe = self._subscribed
        client.on_publish = self._landed
        client.on_unsubscribe = self._left
        client.on_socket_close = self._closing
        self._client, self._said, self._socket = client, PahoClient(self, client), own
        self._broker, self._greeted = (host, port), False
        self._mute, self._keepalive_ns = False, hello.keepalive_s * SECOND
        client.connect(host, port, hello.keepalive_s)
        if self._socket is None:
            raise SocketError("Connection reset by peer")
        self._station.loop.add_reader(own, self._readable)
        self._look_after()
        self.flush()

    # What paho tells

    def _tell(self, event: Event) -> None:
        self._events.append(event)

    def _welcomed(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        value = int(code.value)
        self._greeted = not value
        self._answered.set()
        self._tell(Refused(OLD_CODES.get(value, value)) if value else Connected(bool(flags.session_present)))

    def _lost(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if client is self._client:
            silent = code is not None and "eep alive" in str(code)
            self._tell(Lost("the broker does not answer" if silent else "the broker closed the connection"))

    def _received(self, client: Any, userdata: Any, message: Any) -> None:
        self._tell(Received(Publish(message.topic, message.payload, qos=message.qos, retain=message.retain)))

    def _subscribed(self, client: Any, userdata: Any, number: Any, codes: Any, properties: Any) -> None:
        self._tell(Subscribed(number, tuple(min(int(code.value), 0x80) for code in codes)))

    def _landed(self, client: Any, userdata: Any, number: int, *others: Any) -> None:
        if number in self.unconfirmed:  # paho tells of QoS 0 as well, when it has left
            self.unconfirmed.discard(number)
            self._tell(Published(number))

    def _left(self, client: Any, userdata: Any, number: int, *others: Any) -> None:
        if number == self._asked:
            self._answered.set()

    # The connection

    def _fire(self) -> None:
        self._signal.fire()
        self._station.pump()

    def _readable(self) -> None:
        client = self._client
        if client is not None:
            self._mute = False
            self._station.patience.heard(self._broker)
            client.loop_read()
            self.flush()
            self._fire()

    def _closing(self, client: Any, userdata: Any, own: Any) -> None:
        """Paho is about to close its socket."""
        if own is self._socket:
            self._socket = None
            self._answered.set()
            self._station.loop.remove_reader(own)
            self._station.loop.remove_writer(own)

    def _look_after(self) -> None:
        client = self._client
        if client is not None:
            client.loop_misc()
            self.flush()
            if self._events:
                self._fire()
            self._misc = self._station.loop.call_later(MISC_S, self._look_after)

    def worked(self) -> None:
        """Something was said."""
        self._station.spoken += 1

    def flush(self) -> None:
        """Send what the client has to say."""
        client, own = self._client, self._socket
        if client is None or own is None:
            return
        if client.want_write():
            client.loop_write()
        if self._socket is None:
            return
        if client.want_write():
            self._station.loop.add_writer(own, self.flush)
        else:
            self._station.loop.remove_writer(own)

    def step(self, until: int | None = None) -> Generator[Wait, None, list[Event]]:
        """Wait for events, at the latest until a time; then the list is empty."""
        while True:
            self.flush()
            if self._events:
                events = self._events[:]
                self._events.clear()
                return events
            if self._client is None:
                return [Lost("not connected")]
            if until is not None and until <= self._station.now:
                return []
            yield Wait((self._signal,), until)

    async def settled(self) -> None:
        """Until the broker has taken everything that was said, and has said everything that it had by then."""
        client = self._client
        if client is None or self._socket is None or self._mute:
            return
        self._answered.clear()
        if self._greeted:
            _, number = client.unsubscribe(NOBODY)
            self._asked = number or 0
            self.flush()
        patience = self._station.patience
        try:
            await asyncio.wait_for(self._answered.wait(), patience.with_(self._broker))
            patience.heard(self._broker)
        except TimeoutError:
            patience.lost(self._broker)
            self._station.spoken += 1
            self._mute = True
            if self._greeted and self._keepalive_ns:
                self._station.call_at(self._station.now + self._keepalive_ns, lambda: self._give_up(client))

    def _give_up(self, client: paho.Client) -> None:
        """By the clock of the lab the keepalive is over, and nothing was heard: paho looks at another clock."""
        if self._mute and client is self._client:
            self._tell(Lost("the broker does not answer"))
            self._signal.fire()

    def close(self) -> None:
        """Close the connection; what is queued is still delivered."""
        client, self._client, self._said = self._client, None, None
        if self._misc is not None:
            self._misc.cancel()
            self._misc = None
        if client is not None and client.want_write() and self._socket is not None and self._socket.fileno() >= 0:
            client.loop_write()
        own, self._socket = self._socket, None
        if own is not None and own.fileno() >= 0:
            self._station.loop.remove_reader(own)
            self._station.loop.remove_writer(own)
            own.close()
        self._events.clear()
        self.unconfirmed.clear()
