"""A broker without I/O: connections and bytes in, bytes and log lines out. It logs in mosquitto's words.

Before changing this file read MQTT 3.1.1 §3 and §4 and MQTT 5.0 §3 and §4. Left out on purpose: shared subscriptions,
delayed wills, authentication exchanges, bridges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from labs.things.mosquitto_access import AccessList, Direction, Passwords
from labs.things.mosquitto_conf import BrokerConfig, Retained
from labs.things.mqtt.codec import Fault, MqttError, encode
from labs.things.mqtt.connection import ACCEPTS, Close, Connection, Effect, Log, Send, State
from labs.things.mqtt.messages import VERSION, aged, automatic_id, passed_on, sent_line, system_topics, will_lines
from labs.things.mqtt.packets import (
    LEVEL,
    LEVEL_5,
    Ack,
    AckKind,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    describe,
)
from labs.things.mqtt.properties import (
    ALIAS,
    ALIAS_MAXIMUM,
    ASSIGNED_ID,
    EXPIRY,
    RECEIVE_MAXIMUM,
    SESSION_EXPIRY,
    Properties,
    property_of,
)
from labs.things.mqtt.session import AS_PUBLISHED, Session
from labs.things.mqtt.sessions import Sessions
from labs.things.mqtt.topics import matches

__all__ = ["VERSION", "Broker", "Close", "Effect", "Log", "Send"]

SECOND = 1_000_000_000
MAX_SESSIONS = 4096
MAX_RETAINED = 4096
MAX_SUBSCRIPTIONS = 1000
ACCEPTED, BAD_VERSION, BAD_ID, NOT_AUTHORISED = 0, 1, 2, 5  # §3.2.2.3
MAX_ALIAS = 10  # mosquitto, max_topic_alias
# Reason codes, MQTT 5.0 §2.4
REASON_WITH_WILL, REASON_NOBODY, REASON_NO_SUBSCRIPTION = 4, 16, 17
REASON_BAD_ID, REASON_DENIED, REASON_TOO_LARGE = 133, 135, 149
READY, READ, WRITE = State.READY, Direction.READ, Direction.WRITE  # a global is found ten times faster
ACCEPTED_READY = ACCEPTS[READY]
FAULT_CODES = {Fault.MALFORMED: 129, Fault.PROTOCOL: 130, Fault.OVERSIZE: REASON_TOO_LARGE}


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
        self._connections: dict[int, Connection] = {}
        self._sessions = Sessions()
        self._out: list[Effect] = []
        self._started_ns = now
        self._next_check: int | None = None
        self._next_sys: int | None = None
        self._now = now
        self._debug = "debug" in config.log_types
        self._received = self._sent = 0
        self.retained = {message.topic: message for message in retained}
        self.changed = False
        """Set whenever a retained message changed; whoever stores them clears it."""
        self._handlers: dict[type, Callable[[Connection, Packet, int], None]] = {
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
        self._now = now
        connection = Connection(number, address, port, now, listener=listener)
        if self._config.max_packet_size:
            connection.decoder.limit = self._config.max_packet_size
        self._connections[number] = connection
        self._expect(connection)
        if self._config.connection_messages:
            self._log("notice", f"New connection from {address}:{port} on port {listener}.")
        return self._drain()

    def received(self, number: int, data: bytes, now: int) -> list[Effect]:
        """Bytes came from a client."""
        self._now = now
        connection = self._connections.get(number)
        if connection is None:
            return []
        connection.heard_ns = now
        decoder = connection.decoder
        try:
            packet = decoder.first(data)
            while packet is not None:
                self._packet(connection, packet, now)
                packet = decoder.next_packet() if number in self._connections else None
        except MqttError as error:
            if error.detail:
                self._log("notice", error.detail.format(client=connection.name, address=connection.address))
            if connection.level == LEVEL_5 and connection.state is State.READY:
                self._send(connection, Disconnect(FAULT_CODES[error.fault]))
            self._drop(connection, f"disconnected due to {error.fault}.")
        return self._drain()

    def closed(self, number: int, now: int, why: str = "closed its connection.") -> list[Effect]:
        """A client closed or lost its connection."""
        self._now = now
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
        self._now = now
        self._sessions.end(now)
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
        first = self._next_check
        for when in (self._next_sys, self._sessions.next_end()):
            if when is not None and (first is None or when < first):
                first = when
        return first

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

    def _expect(self, connection: Connection) -> None:
        deadline = connection.deadline
        if deadline is not None and (self._next_check is None or deadline < self._next_check):
            self._next_check = deadline

    def _send(self, connection: Connection, packet: Packet) -> None:
        self._sent += 1
        self._out.append(Send(connection.number, encode(packet, connection.level)))
        if self._debug:
            name = connection.name if connection.session is not None else connection.address
            self._log("debug", f"Sending {sent_line(name, packet)}")

    def _drop(self, connection: Connection, why: str, *, will: bool = True) -> None:
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
            elif session.lasts_s is not None:
                self._sessions.ends(session, self._now + session.lasts_s * SECOND)
        if will and connection.will is not None:
            lost = connection.will
            if session is not None and self._may(session, Direction.WRITE, lost.topic):
                self._route(Publish(lost.topic, lost.payload, lost.qos, lost.retain, properties=lost.properties))

    def _may(self, session: Session, direction: Direction, topic: str) -> bool:
        if direction is WRITE and topic.startswith("$SYS"):
            return False
        return self._access is None or self._access.permits(direction, topic, session.user, session.client_id)

    # Packets

    def _packet(self, connection: Connection, packet: Packet, now: int) -> None:
        self._received += 1
        if not isinstance(packet, ACCEPTED_READY if connection.state is READY else ACCEPTS[connection.state]):
            if isinstance(packet, Connect):
                self._log("notice", f"Bad client {connection.name} sending multiple CONNECT messages.")
            raise MqttError(Fault.PROTOCOL)
        self._handlers[type(packet)](connection, packet, now)

    def _connect(self, connection: Connection, packet: Connect, now: int) -> None:
        if packet.protocol not in ("MQTT", "MQIsdp"):
            self._log("notice", f'Invalid protocol "{packet.protocol}" in CONNECT from {connection.address}.')
            raise MqttError(Fault.PROTOCOL)
        connection.level = connection.decoder.level = packet.level & 0x7F
        five = connection.level == LEVEL_5
        if packet.level & 0x7F not in (3, LEVEL, LEVEL_5):
            connection.level = LEVEL
            self._log("notice", f"Invalid protocol version {packet.level} in CONNECT from {connection.address}.")
            self._send(connection, Connack(session_present=False, code=BAD_VERSION))
            raise MqttError(Fault.PROTOCOL)
        clean = packet.clean or five
        if not packet.client_id and (not clean or not self._config.allow_zero_length_clientid):
            self._send(connection, Connack(session_present=False, code=REASON_BAD_ID if five else BAD_ID))
            raise MqttError(Fault.PROTOCOL)
        if connection.certificate_name is not None and self._names_users(connection):
            packet = packet._replace(username=connection.certificate_name, password=None)
        elif not self._authentic(packet):
            self._send(connection, Connack(session_present=False, code=REASON_DENIED if five else NOT_AUTHORISED))
            self._drop(connection, "disconnected, not authorised.")
            return
        self._accept(connection, packet, now)

    def _names_users(self, connection: Connection) -> bool:
        """Whether the name in the certificate counts as the user (use_identity_as_username)."""
        return any(
            known.use_identity_as_username and known.port == connection.listener for known in self._config.listeners
        )

    def _authentic(self, packet: Connect) -> bool:
        if not packet.username or self._passwords is None:
            return self._config.anonymous
        return self._passwords.accepts(packet.username, packet.password)

    def _accept(self, connection: Connection, packet: Connect, now: int) -> None:
        origin = f"{connection.origin}/{self._started_ns}"
        client_id = packet.client_id or self._config.auto_id_prefix + automatic_id(origin)
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
        session.lasts(packet)
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
            version = {LEVEL_5: 5, LEVEL: 2}.get(connection.level, 1)
            self._log(
                "notice",
                f"New client connected from {connection.address}:{connection.port} as {client_id} "
                f"(p{version}, c{int(packet.clean)}, k{packet.keepalive_s}{user}).",
            )
        for line in will_lines(packet.will) if self._debug else ():
            self._log("debug", line)
        assigned: Properties = () if packet.client_id else ((ASSIGNED_ID, client_id),)
        limits = ((ALIAS_MAXIMUM, MAX_ALIAS), *assigned, (RECEIVE_MAXIMUM, self._config.max_inflight_messages))
        self._send(connection, Connack(present, ACCEPTED, limits if connection.level == LEVEL_5 else ()))
        for waiting in session.flight.again():
            self._send(connection, waiting)
        self._refill(connection, session)

    def _publish(self, connection: Connection, packet: Publish, now: int) -> None:
        del now
        session = connection.session
        assert session is not None
        if packet.properties:
            packet = self._named(connection, packet)
        limit = self._config.message_size_limit
        too_large = bool(limit) and len(packet.payload) > limit
        allowed = self._may(session, WRITE, packet.topic)
        if self._debug:
            verb = "Dropped too large" if too_large else "Received" if allowed else "Denied"
            self._log("debug", f"{verb} PUBLISH from {connection.name} {describe(packet)}")
        known = packet.qos == 2 and packet.packet_id in session.arriving
        code = REASON_TOO_LARGE if too_large else ACCEPTED if allowed else REASON_DENIED
        if packet.qos == 2:
            if code == ACCEPTED:
                session.arriving.add(packet.packet_id)
            self._send(connection, Ack(AckKind.PUBREC, packet.packet_id, code if connection.level == LEVEL_5 else 0))
        heard = False
        if code == ACCEPTED and not known:  # version 3.1.1 has no way to tell the client that it may not
            heard = self._route(packet, session)
        if packet.qos == 1:
            told = code or (ACCEPTED if heard else REASON_NOBODY)
            self._send(connection, Ack(AckKind.PUBACK, packet.packet_id, told if connection.level == LEVEL_5 else 0))

    def _named(self, connection: Connection, packet: Publish) -> Publish:
        """The message with its topic, where it came with a number for one (MQTT 5.0 §3.3.2.3.4)."""
        alias = property_of(packet.properties, ALIAS)
        if not isinstance(alias, int):
            return packet
        if not 0 < alias <= MAX_ALIAS or (not packet.topic and alias not in connection.aliases):
            raise MqttError(Fault.PROTOCOL)
        if packet.topic:
            connection.aliases[alias] = packet.topic
        return packet._replace(topic=connection.aliases[alias])

    def _ack(self, connection: Connection, packet: Ack, now: int) -> None:
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

    def _subscribe(self, connection: Connection, packet: Subscribe, now: int) -> None:
        session = connection.session
        assert session is not None
        self._log("debug", f"Received SUBSCRIBE from {connection.name}")
        fresh = []
        for (pattern, qos), options in zip(packet.filters, packet.options or (0,) * len(packet.filters), strict=True):
            self._log("debug", f"\t{pattern} (QoS {qos})")
            self._log("subscribe", f"{connection.name} {qos} {pattern}")
            handling = options >> 4 & 3  # 0: send what is kept, 1: to a new subscription, 2: never
            if handling == 0 or (handling == 1 and pattern not in session.subscriptions):
                fresh.append((pattern, qos))
            if len(session.subscriptions) >= MAX_SUBSCRIPTIONS and pattern not in session.subscriptions:
                raise MqttError(Fault.PROTOCOL)
            session.subscriptions[pattern] = options & ~3 | qos
            self._sessions.subscribed()
            if pattern.startswith("$SYS/") and self._config.sys_interval and self._next_sys is None:
                self._next_sys = now + self._config.sys_interval * SECOND
        self._send(connection, Suback(packet.packet_id, tuple(qos for _, qos in packet.filters)))
        for pattern, qos in fresh:
            for message in self._kept(pattern, now):
                if self._may(session, Direction.READ, message.topic):
                    again = Publish(
                        message.topic,
                        message.payload,
                        min(qos, message.qos),
                        retain=True,
                        properties=message.properties,
                    )
                    self._deliver(session, again, message.expires_ns)

    def _kept(self, pattern: str, now: int) -> list[Retained]:
        for topic, message in list(self.retained.items()):
            if message.expires_ns is not None and message.expires_ns <= now:
                del self.retained[topic]
                self.changed = True
        kept = [message for topic, message in self.retained.items() if matches(pattern, topic)]
        if pattern.startswith("$SYS/"):
            kept += [Retained(topic, value.encode()) for topic, value in self._sys() if matches(pattern, topic)]
        return kept

    def _unsubscribe(self, connection: Connection, packet: Unsubscribe, now: int) -> None:
        del now
        session = connection.session
        assert session is not None
        self._log("debug", f"Received UNSUBSCRIBE from {connection.name}")
        codes = []
        for pattern in packet.filters:
            self._log("debug", f"\t{pattern}")
            self._log("unsubscribe", f"{connection.name} {pattern}")
            codes.append(ACCEPTED if session.subscriptions.pop(pattern, None) is not None else REASON_NO_SUBSCRIPTION)
        self._sessions.subscribed()
        self._send(connection, Ack(AckKind.UNSUBACK, packet.packet_id, codes=tuple(codes)))

    def _ping(self, connection: Connection, packet: Pingreq, now: int) -> None:
        del packet, now
        self._log("debug", f"Received PINGREQ from {connection.name}")
        self._send(connection, Pingresp())

    def _disconnect(self, connection: Connection, packet: Disconnect, now: int) -> None:
        del now
        session = connection.session
        lasts_s = property_of(packet.properties, SESSION_EXPIRY)
        if session is not None and isinstance(lasts_s, int):
            session.keep_for(lasts_s)
        self._log("debug", f"Received DISCONNECT from {connection.name}")
        self._drop(connection, "disconnected.", will=packet.code == REASON_WITH_WILL)

    # Messages

    def _route(self, message: Publish, origin: Session | None = None) -> bool:
        """Keep a message where it asks for that, and hand it to every session that subscribed to its topic."""
        expires_ns = None
        if message.properties:
            seconds = property_of(message.properties, EXPIRY)
            expires_ns = self._now + seconds * SECOND if isinstance(seconds, int) else None
            message = message._replace(properties=passed_on(message.properties))
        if message.retain:
            self._retain(message, expires_ns)
        heard = False
        for session in self._sessions.hearing(message.topic):
            options = session.granted(message.topic, own=session is origin)
            if options is not None and self._may(session, READ, message.topic):
                heard = True
                retain = message.retain and bool(options & AS_PUBLISHED)
                sent = message._replace(qos=min(options & 3, message.qos), retain=retain, dup=False, packet_id=0)
                self._deliver(session, sent, expires_ns)
        return heard

    def _retain(self, message: Publish, expires_ns: int | None) -> None:
        """An empty message deletes what was kept (§3.3.1.3)."""
        if not message.payload:
            self.changed |= self.retained.pop(message.topic, None) is not None
        elif message.topic in self.retained or len(self.retained) < MAX_RETAINED:
            kept = Retained(message.topic, message.payload, message.qos, message.properties, expires_ns)
            self.retained[message.topic] = kept
            self.changed = True

    def _deliver(self, session: Session, message: Publish, expires_ns: int | None = None) -> None:
        connection = self._connections.get(session.connection) if session.connection is not None else None
        if not message.qos:
            if connection is not None:
                self._send(connection, aged(message, expires_ns, self._now))
        elif connection is not None and len(session.flight.waiting) < (self._config.max_inflight_messages or 0xFFFF):
            self._send(connection, session.flight.take_off(aged(message, expires_ns, self._now)))
        elif len(session.queue) < (self._config.max_queued_messages or 0xFFFF):
            session.queue.append((message, expires_ns))
        elif not session.dropping:
            session.dropping = True
            self._log("notice", f"Outgoing messages are being dropped for client {session.client_id}.")

    def _refill(self, connection: Connection, session: Session) -> None:
        """Send from the queue as far as the window allows."""
        while session.queue and len(session.flight.waiting) < (self._config.max_inflight_messages or 0xFFFF):
            message, expires_ns = session.queue.popleft()
            if expires_ns is None or expires_ns > self._now:
                self._send(connection, session.flight.take_off(aged(message, expires_ns, self._now)))
        session.dropping = False

    # The broker about itself

    def _sys(self) -> Iterator[tuple[str, str]]:
        return system_topics(
            uptime_s=(self._now - self._started_ns) // SECOND,
            sessions=list(self._sessions.values()),
            received=self._received,
            sent=self._sent,
            retained=len(self.retained),
        )

    def _publish_sys(self, now: int) -> None:
        listening = [
            session for session in self._sessions.values() if any(p.startswith("$SYS/") for p in session.subscriptions)
        ]
        if listening:
            self._next_sys = now + self._config.sys_interval * SECOND
            for topic, value in self._sys():
                self._route(Publish(topic, value.encode()))
