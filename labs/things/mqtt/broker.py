"""A broker without I/O: connections and bytes in, bytes and log lines out. It logs in mosquitto's words.

Before changing this file read MQTT 3.1.1 §3 and §4. Left out on purpose: MQTT 5, shared subscriptions, bridges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from labs.things.mosquitto_access import AccessList, Direction, Passwords
from labs.things.mosquitto_conf import BrokerConfig, Retained
from labs.things.mqtt.codec import (
    Ack,
    AckKind,
    Connack,
    Connect,
    Decoder,
    Disconnect,
    Fault,
    MqttError,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
    describe,
    encode,
)
from labs.things.mqtt.session import Session
from labs.things.mqtt.topics import matches

__all__ = ["Broker", "Close", "Effect", "Log", "Send"]

SECOND = 1_000_000_000
CONNECT_WITHIN_S = 60  # mosquitto treats a new connection like one with this keepalive
MAX_SESSIONS = 4096
MAX_RETAINED = 4096
MAX_SUBSCRIPTIONS = 1000
VERSION = "mosquitto version 2.0.11"
ACCEPTED, BAD_VERSION, BAD_ID, NOT_AUTHORISED = 0, 1, 2, 5  # §3.2.2.3
UNKNOWN = "<unknown>"


class Send(NamedTuple):
    """Please send these bytes."""

    connection: int
    data: bytes


class Close(NamedTuple):
    """Please close the connection; the broker has forgotten it."""

    connection: int


class Log(NamedTuple):
    """A line for the log. `kind` is a word of log_type in mosquitto.conf."""

    kind: str
    text: str


Effect = Send | Close | Log


class State(StrEnum):
    """Of a connection."""

    NEW = "new"
    READY = "ready"


# What a client may send in which state; anything else is a protocol error (§3.1.0).
ACCEPTS: dict[State, tuple[type, ...]] = {
    State.NEW: (Connect,),
    State.READY: (Publish, Ack, Subscribe, Unsubscribe, Pingreq, Disconnect),
}


@dataclass(slots=True)
class _Connection:
    number: int
    address: str
    port: int
    heard_ns: int
    state: State = State.NEW
    decoder: Decoder = field(default_factory=Decoder)
    session: Session | None = None
    keepalive_s: int = CONNECT_WITHIN_S
    will: Will | None = None
    listener: int = 0
    certificate_name: str | None = None

    @property
    def name(self) -> str:
        return UNKNOWN if self.session is None else self.session.client_id

    @property
    def deadline(self) -> int | None:
        """One and a half times the keepalive after the last packet (§3.1.2.10); 0 switches it off."""
        return self.heard_ns + self.keepalive_s * 3 * SECOND // 2 if self.keepalive_s else None


class Broker:
    """Takes what happens on its connections and returns what to do. Times are nanoseconds, numbers are the owner's."""

    def __init__(
        self,
        config: BrokerConfig,
        *,
        passwords: Passwords | None = None,
        access: AccessList | None = None,
        retained: Iterable[Retained] = (),
        now: int = 0,
    ) -> None:
        self._config = config
        self._passwords = passwords
        self._access = access
        self._connections: dict[int, _Connection] = {}
        self._sessions: dict[str, Session] = {}
        self._out: list[Effect] = []
        self._started_ns = now
        self._next_check: int | None = None
        self._next_sys: int | None = None
        self._received = self._sent = 0
        self.retained = {message.topic: message for message in retained}
        self.changed = False
        """Set whenever a retained message changed; whoever stores them clears it."""
        self._handlers: dict[type, Callable[[_Connection, Packet, int], None]] = {
            Connect: self._connect,  # type: ignore[dict-item]
            Publish: self._publish,  # type: ignore[dict-item]
            Ack: self._ack,  # type: ignore[dict-item]
            Subscribe: self._subscribe,  # type: ignore[dict-item]
            Unsubscribe: self._unsubscribe,  # type: ignore[dict-item]
            Pingreq: self._ping,  # type: ignore[dict-item]
            Disconnect: self._disconnect,  # type: ignore[dict-item]
        }

    # The owner's side

    def opened(self, number: int, address: str, port: int, listener: int, now: int) -> list[Effect]:
        """A client has connected to a listening port."""
        connection = _Connection(number, address, port, now, listener=listener)
        self._connections[number] = connection
        self._expect(connection)
        if self._config.connection_messages:
            self._log("notice", f"New connection from {address}:{port} on port {listener}.")
        return self._drain()

    def received(self, number: int, data: bytes, now: int) -> list[Effect]:
        """Bytes came from a client."""
        connection = self._connections.get(number)
        if connection is None:
            return []
        connection.heard_ns = now
        connection.decoder.feed(data)
        try:
            for packet in connection.decoder.packets():
                self._packet(connection, packet, now)
                if number not in self._connections:
                    break
        except MqttError as error:
            if error.detail:
                self._log("notice", error.detail.format(client=connection.name, address=connection.address))
            self._drop(connection, f"disconnected due to {error.fault}.")
        return self._drain()

    def closed(self, number: int, now: int, why: str = "closed its connection.") -> list[Effect]:
        """A client closed or lost its connection. `now` keeps the signature of its siblings."""
        del now
        connection = self._connections.get(number)
        if connection is not None:
            self._drop(connection, why)
        return self._drain()

    def identified(self, number: int, name: str) -> None:
        """A client has shown a certificate with this name."""
        connection = self._connections.get(number)
        if connection is not None:
            connection.certificate_name = name

    def wake(self, now: int) -> list[Effect]:
        """Send away who has been silent for too long, and publish the state of the broker to who asked for it."""
        if self._next_check is not None and self._next_check <= now:
            self._next_check = None
            for connection in list(self._connections.values()):
                deadline = connection.deadline
                if deadline is not None and deadline <= now:
                    self._drop(connection, "has exceeded timeout, disconnecting.")
                else:
                    self._expect(connection)
        if self._next_sys is not None and self._next_sys <= now:
            self._next_sys = None
            self._publish_sys(now)
        return self._drain()

    def next_wake(self) -> int | None:
        """When to call `wake`. Possibly too early, never too late."""
        return min((when for when in (self._next_check, self._next_sys) if when is not None), default=None)

    def reload(self, passwords: Passwords | None, access: AccessList | None) -> None:
        """Take new passwords and a new access list (SIGHUP). Who is connected stays connected."""
        self._passwords = passwords
        self._access = access

    # Inside

    def _drain(self) -> list[Effect]:
        out, self._out = self._out, []
        return out

    def _log(self, kind: str, text: str) -> None:
        if kind in self._config.log_types:
            self._out.append(Log(kind, text))

    @property
    def _debug(self) -> bool:
        return "debug" in self._config.log_types

    def _expect(self, connection: _Connection) -> None:
        deadline = connection.deadline
        if deadline is not None and (self._next_check is None or deadline < self._next_check):
            self._next_check = deadline

    def _send(self, connection: _Connection, packet: Packet) -> None:
        self._sent += 1
        self._out.append(Send(connection.number, encode(packet)))
        if self._debug:
            self._log_sent(connection, packet)

    def _log_sent(self, connection: _Connection, packet: Packet) -> None:
        name = connection.name if connection.session is not None else connection.address
        match packet:
            case Connack():
                text = f"CONNACK to {name} ({int(packet.session_present)}, {packet.code})"
            case Publish():
                text = f"PUBLISH to {name} {describe(packet)}"
            case Ack():
                result = ", rc0" if packet.kind in (AckKind.PUBACK, AckKind.PUBREC) else ""
                text = f"{packet.kind} to {name}" + (
                    f" (m{packet.packet_id}{result})" if packet.kind is not AckKind.UNSUBACK else ""
                )
            case _:
                text = f"{type(packet).__name__.upper()} to {name}"
        self._log("debug", f"Sending {text}")

    def _drop(self, connection: _Connection, why: str, *, will: bool = True) -> None:
        """Forget a connection, and its session unless that is to stay."""
        if why and self._config.connection_messages:
            self._log("notice", f"Client {connection.name} {why}")
        del self._connections[connection.number]
        self._out.append(Close(connection.number))
        session = connection.session
        if session is not None and session.connection == connection.number:
            session.connection = None
            if session.clean:
                del self._sessions[session.client_id]
        if will and connection.will is not None:
            lost = connection.will
            if session is not None and self._may(session, Direction.WRITE, lost.topic):
                self._route(Publish(lost.topic, lost.payload, lost.qos, lost.retain))

    def _may(self, session: Session, direction: Direction, topic: str) -> bool:
        if direction is Direction.WRITE and topic.startswith("$SYS"):
            return False
        return self._access is None or self._access.permits(direction, topic, session.user, session.client_id)

    # Packets

    def _packet(self, connection: _Connection, packet: Packet, now: int) -> None:
        self._received += 1
        if not isinstance(packet, ACCEPTS[connection.state]):
            if isinstance(packet, Connect):
                self._log("notice", f"Bad client {connection.name} sending multiple CONNECT messages.")
            raise MqttError(Fault.PROTOCOL)
        self._handlers[type(packet)](connection, packet, now)

    def _connect(self, connection: _Connection, packet: Connect, now: int) -> None:
        if packet.protocol not in ("MQTT", "MQIsdp"):
            self._log("notice", f'Invalid protocol "{packet.protocol}" in CONNECT from {connection.address}.')
            raise MqttError(Fault.PROTOCOL)
        if packet.level & 0x7F not in (3, 4):
            self._log("notice", f"Invalid protocol version {packet.level} in CONNECT from {connection.address}.")
            self._send(connection, Connack(session_present=False, code=BAD_VERSION))
            raise MqttError(Fault.PROTOCOL)
        if not packet.client_id and (not packet.clean or not self._config.allow_zero_length_clientid):
            self._send(connection, Connack(session_present=False, code=BAD_ID))
            raise MqttError(Fault.PROTOCOL)
        if connection.certificate_name is not None and self._names_users(connection):
            packet = packet._replace(username=connection.certificate_name, password=None)
        elif not self._authentic(packet):
            self._send(connection, Connack(session_present=False, code=NOT_AUTHORISED))
            self._drop(connection, "disconnected, not authorised.")
            return
        self._accept(connection, packet, now)

    def _names_users(self, connection: _Connection) -> bool:
        """Whether the name in the certificate counts as the user (use_identity_as_username)."""
        return any(
            known.use_identity_as_username and known.port == connection.listener for known in self._config.listeners
        )

    def _authentic(self, packet: Connect) -> bool:
        if not packet.username or self._passwords is None:
            return self._config.anonymous
        return self._passwords.accepts(packet.username, packet.password)

    def _accept(self, connection: _Connection, packet: Connect, now: int) -> None:
        client_id = packet.client_id or self._automatic_id(connection)
        session = self._sessions.get(client_id)
        if session is not None and session.connection is not None:
            if self._config.connection_messages:
                self._log("error", f"Client {client_id} already connected, closing old connection.")
            self._drop(self._connections[session.connection], "")
            session = self._sessions.get(client_id)
        if session is None and len(self._sessions) >= MAX_SESSIONS:
            raise MqttError(Fault.PROTOCOL)
        present = session is not None and not packet.clean
        if session is None or packet.clean:
            session = Session(client_id, packet.clean)
            self._sessions[client_id] = session
        session.clean = packet.clean
        session.user = packet.username or None
        session.connection = connection.number
        connection.session = session
        connection.state = State.READY
        connection.keepalive_s = min(packet.keepalive_s, self._config.max_keepalive)
        connection.will = packet.will
        connection.heard_ns = now
        self._expect(connection)
        if self._config.connection_messages:
            user = f", u'{packet.username}'" if packet.username is not None else ""
            version = 2 if packet.level & 0x7F == 4 else 1
            self._log(
                "notice",
                f"New client connected from {connection.address}:{connection.port} as {client_id} "
                f"(p{version}, c{int(packet.clean)}, k{packet.keepalive_s}{user}).",
            )
        if self._debug:
            self._log_will(packet.will)
        self._send(connection, Connack(present, ACCEPTED))
        for waiting in session.flight.again():
            self._send(connection, waiting)
        self._refill(connection, session)

    def _log_will(self, will: Will | None) -> None:
        if will is None:
            self._log("debug", "No will message specified.")
        else:
            self._log(
                "debug", f"Will message specified ({len(will.payload)} bytes) (r{int(will.retain)}, q{will.qos})."
            )
            self._log("debug", f"\t{will.topic}")

    def _automatic_id(self, connection: _Connection) -> str:
        origin = f"{connection.address}:{connection.port}/{connection.number}/{self._started_ns}"
        digest = hashlib.sha256(origin.encode()).hexdigest().upper()
        parts = (digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])
        return self._config.auto_id_prefix + "-".join(parts)

    def _publish(self, connection: _Connection, packet: Publish, now: int) -> None:
        del now
        session = connection.session
        assert session is not None
        allowed = self._may(session, Direction.WRITE, packet.topic)
        if self._debug:
            verb = "Received" if allowed else "Denied"
            self._log("debug", f"{verb} PUBLISH from {connection.name} {describe(packet)}")
        known = packet.qos == 2 and packet.packet_id in session.arriving
        if packet.qos == 2:
            session.arriving.add(packet.packet_id)
            self._send(connection, Ack(AckKind.PUBREC, packet.packet_id))
        if allowed and not known:  # version 3.1.1 has no way to tell the client that it may not
            self._route(packet)
        if packet.qos == 1:
            self._send(connection, Ack(AckKind.PUBACK, packet.packet_id))

    def _ack(self, connection: _Connection, packet: Ack, now: int) -> None:
        del now
        session = connection.session
        assert session is not None
        if self._debug:
            result = ", RC:0" if packet.kind in (AckKind.PUBACK, AckKind.PUBCOMP) else ""
            self._log("debug", f"Received {packet.kind} from {connection.name} (Mid: {packet.packet_id}{result})")
        if packet.kind is AckKind.PUBREL:
            session.arriving.discard(packet.packet_id)
            self._send(connection, Ack(AckKind.PUBCOMP, packet.packet_id))
        elif packet.kind is AckKind.UNSUBACK:
            raise MqttError(Fault.PROTOCOL)
        else:
            answer, landed = session.flight.acknowledged(packet)
            if answer is not None:
                self._send(connection, answer)
            if landed:
                self._refill(connection, session)

    def _subscribe(self, connection: _Connection, packet: Subscribe, now: int) -> None:
        session = connection.session
        assert session is not None
        self._log("debug", f"Received SUBSCRIBE from {connection.name}")
        for pattern, qos in packet.filters:
            self._log("debug", f"\t{pattern} (QoS {qos})")
            self._log("subscribe", f"{connection.name} {qos} {pattern}")
            if len(session.subscriptions) >= MAX_SUBSCRIPTIONS and pattern not in session.subscriptions:
                raise MqttError(Fault.PROTOCOL)
            session.subscriptions[pattern] = qos
            if pattern.startswith("$SYS/") and self._config.sys_interval and self._next_sys is None:
                self._next_sys = now + self._config.sys_interval * SECOND
        self._send(connection, Suback(packet.packet_id, tuple(qos for _, qos in packet.filters)))
        for pattern, qos in packet.filters:
            for message in self._kept(pattern, now):
                if self._may(session, Direction.READ, message.topic):
                    self._deliver(session, Publish(message.topic, message.payload, min(qos, message.qos), retain=True))

    def _kept(self, pattern: str, now: int) -> list[Retained]:
        kept = [message for topic, message in self.retained.items() if matches(pattern, topic)]
        if pattern.startswith("$SYS/"):
            kept += [Retained(topic, value.encode()) for topic, value in self._sys(now) if matches(pattern, topic)]
        return kept

    def _unsubscribe(self, connection: _Connection, packet: Unsubscribe, now: int) -> None:
        del now
        session = connection.session
        assert session is not None
        self._log("debug", f"Received UNSUBSCRIBE from {connection.name}")
        for pattern in packet.filters:
            self._log("debug", f"\t{pattern}")
            self._log("unsubscribe", f"{connection.name} {pattern}")
            session.subscriptions.pop(pattern, None)
        self._send(connection, Ack(AckKind.UNSUBACK, packet.packet_id))

    def _ping(self, connection: _Connection, packet: Pingreq, now: int) -> None:
        del packet, now
        self._log("debug", f"Received PINGREQ from {connection.name}")
        self._send(connection, Pingresp())

    def _disconnect(self, connection: _Connection, packet: Disconnect, now: int) -> None:
        del packet, now
        self._log("debug", f"Received DISCONNECT from {connection.name}")
        self._drop(connection, "disconnected.", will=False)

    # Messages

    def _route(self, message: Publish) -> None:
        """Keep a message where it asks for that, and hand it to every session that subscribed to its topic."""
        if message.retain:
            self._retain(message)
        for session in list(self._sessions.values()):
            granted = session.granted(message.topic)
            if granted is not None and self._may(session, Direction.READ, message.topic):
                self._deliver(session, Publish(message.topic, message.payload, min(granted, message.qos)))

    def _retain(self, message: Publish) -> None:
        """An empty message deletes what was kept (§3.3.1.3)."""
        if not message.payload:
            self.changed |= self.retained.pop(message.topic, None) is not None
        elif message.topic in self.retained or len(self.retained) < MAX_RETAINED:
            self.retained[message.topic] = Retained(message.topic, message.payload, message.qos)
            self.changed = True

    def _deliver(self, session: Session, message: Publish) -> None:
        connection = self._connections.get(session.connection) if session.connection is not None else None
        if not message.qos:
            if connection is not None:
                self._send(connection, message)
        elif connection is not None and len(session.flight.waiting) < (self._config.max_inflight_messages or 0xFFFF):
            self._send(connection, session.flight.take_off(message))
        elif len(session.queue) < (self._config.max_queued_messages or 0xFFFF):
            session.queue.append(message)
        elif not session.dropping:
            session.dropping = True
            self._log("notice", f"Outgoing messages are being dropped for client {session.client_id}.")

    def _refill(self, connection: _Connection, session: Session) -> None:
        """Send from the queue as far as the window allows."""
        while session.queue and len(session.flight.waiting) < (self._config.max_inflight_messages or 0xFFFF):
            self._send(connection, session.flight.take_off(session.queue.popleft()))
        session.dropping = False

    # The broker about itself

    def _sys(self, now: int) -> Iterator[tuple[str, str]]:
        """The part of mosquitto's $SYS tree that means something here."""
        uptime = (now - self._started_ns) // SECOND
        connected = sum(session.connection is not None for session in self._sessions.values())
        yield "$SYS/broker/version", VERSION
        yield "$SYS/broker/uptime", f"{uptime} seconds"
        yield "$SYS/broker/clients/total", str(len(self._sessions))
        yield "$SYS/broker/clients/connected", str(connected)
        yield "$SYS/broker/clients/disconnected", str(len(self._sessions) - connected)
        yield "$SYS/broker/messages/received", str(self._received)
        yield "$SYS/broker/messages/sent", str(self._sent)
        yield "$SYS/broker/retained messages/count", str(len(self.retained))
        yield "$SYS/broker/subscriptions/count", str(sum(len(s.subscriptions) for s in self._sessions.values()))

    def _publish_sys(self, now: int) -> None:
        listening = [
            session for session in self._sessions.values() if any(p.startswith("$SYS/") for p in session.subscriptions)
        ]
        if listening:
            self._next_sys = now + self._config.sys_interval * SECOND
            for topic, value in self._sys(now):
                self._route(Publish(topic, value.encode()))
