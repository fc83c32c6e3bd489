"""The client's side of one MQTT connection without I/O: bytes in, events out, bytes to send in between.

Before changing this file read MQTT 3.1.1 §3 and §4.3, MQTT 5.0 §3 and §4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from labs.things.mqtt.codec import (
    Ack,
    AckKind,
    Connack,
    Connect,
    Decoder,
    Disconnect,
    MqttError,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    describe,
    encode,
)
from labs.things.mqtt.properties import ASSIGNED_ID, REASONS, Properties, property_of
from labs.things.mqtt.session import Flight, next_packet_id

__all__ = [
    "Client",
    "Connected",
    "Event",
    "Lost",
    "Published",
    "Received",
    "Refused",
    "Subscribed",
    "Unsubscribed",
    "refusal",
]

SECOND = 1_000_000_000
# What the reasons of CONNACK (§3.2.2.3) are called by mosquitto's library.
REFUSALS = {
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "broker unavailable",
    4: "bad user name or password",
    5: "not authorised",
}


def refusal(code: int) -> str:
    """The sentence for a CONNACK that is not 0. Codes from 128 on are those of version 5."""
    if code >= 128:
        return REASONS.get(code, REASONS[128])
    return f"Connection Refused: {REFUSALS.get(code, 'unknown reason')}."


class Connected(NamedTuple):
    """The broker accepted the client."""

    session_present: bool


class Refused(NamedTuple):
    """The broker does not want the client; `code` is that of CONNACK."""

    code: int


class Received(NamedTuple):
    """A message arrived."""

    message: Publish


class Published(NamedTuple):
    """A message of ours has landed at the broker, as far as its QoS says so; `code` from 128 on: it was refused."""

    packet_id: int
    code: int = 0


class Subscribed(NamedTuple):
    """QoS granted per filter; 0x80 is a refusal."""

    packet_id: int
    codes: tuple[int, ...]


class Unsubscribed(NamedTuple):
    """The broker forgot the filters."""

    packet_id: int


class Lost(NamedTuple):
    """The connection is of no use any more."""

    reason: str


Event = Connected | Refused | Received | Published | Subscribed | Unsubscribed | Lost


class State(StrEnum):
    """Of the conversation."""

    CONNECTING = "connecting"
    READY = "ready"
    CLOSED = "closed"


_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long
CLOSED = State.CLOSED  # a global is found ten times faster


class Client:
    """One conversation. `outgoing()` is to be sent after every call; `trace` gets a line per packet."""

    def __init__(
        self, connect: Connect, now: int, trace: Callable[[str], None] | None = None, last_id: int = 0
    ) -> None:
        self.state = State.CONNECTING
        self.last_id = last_id
        self._connect = connect
        self._interval_ns = connect.keepalive_s * SECOND
        self._trace = trace
        self._decoder = Decoder(connect.level)
        self._flight = Flight()
        self._arriving: dict[int, Publish] = {}
        self.queued = bytearray()
        """Bytes that `outgoing` will return."""
        self._sent_ns = self._heard_ns = now
        self._pinged_ns: int | None = None
        self._send(connect, "CONNECT", now)

    # What the owner does

    def outgoing(self) -> bytes:
        """The bytes to send now."""
        data = bytes(self.queued)
        self.queued.clear()
        return data

    def publish(
        self,
        topic: str,
        payload: bytes,
        now: int,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Properties = (),
    ) -> int:
        """Send a message and return its number. With QoS 0 nobody will ever say that it arrived."""
        if qos:
            self._flight.last_id = self.last_id
            message = self._flight.take_off(Publish(topic, payload, qos, retain, properties=properties))
            self.last_id = message.packet_id
        else:
            self.last_id = self.last_id % 0xFFFF + 1
            message = _MAKE(Publish, (topic, payload, 0, retain, False, 0, properties))
        self._send(message, "PUBLISH " + describe(message._replace(packet_id=self.last_id)) if self._trace else "", now)
        return self.last_id

    def subscribe(self, filters: Sequence[tuple[str, int]], now: int) -> int:
        """Ask for topics and return the number of the request."""
        self.last_id = next_packet_id(self.last_id, self._flight.waiting)
        for pattern, qos in filters if self._trace else ():
            self._say(f"sending SUBSCRIBE (Mid: {self.last_id}, Topic: {pattern}, QoS: {qos}, Options: 0x00)")
        self._send(Subscribe(self.last_id, tuple(filters)), "", now)
        return self.last_id

    def unsubscribe(self, filters: Sequence[str], now: int) -> int:
        """Ask for topics no more and return the number of the request."""
        self.last_id = next_packet_id(self.last_id, self._flight.waiting)
        for pattern in filters if self._trace else ():
            self._say(f"sending UNSUBSCRIBE (Mid: {self.last_id}, Topic: {pattern})")
        self._send(Unsubscribe(self.last_id, tuple(filters)), "", now)
        return self.last_id

    def disconnect(self, now: int) -> None:
        """Take leave, so that the broker does not publish the will."""
        if self.state is not State.CLOSED:
            self._send(Disconnect(), "DISCONNECT", now)
            self.state = State.CLOSED

    def next_wake(self) -> int | None:
        """When to call `wake`: to ping after a keepalive without traffic in either direction, or to give up."""
        interval = self._interval_ns
        if not interval or self.state is CLOSED:
            return None
        since, heard = self._sent_ns, self._heard_ns
        if self._pinged_ns is not None:
            since = self._pinged_ns
        elif heard < since:
            since = heard
        return since + interval

    def wake(self, now: int) -> list[Event]:
        """The time asked for has come."""
        when = self.next_wake()
        if when is None or when > now:
            return []
        if self._pinged_ns is not None or self.state is State.CONNECTING:
            self.state = State.CLOSED
            return [Lost("the broker does not answer")]
        self._pinged_ns = now
        self._send(Pingreq(), "PINGREQ", now)
        return []

    def receive(self, data: bytes, now: int) -> list[Event]:
        """Bytes from the broker."""
        self._heard_ns = now
        self._decoder.feed(data)
        events: list[Event] = []
        try:
            while (packet := self._decoder.next_packet()) is not None:
                if self.state is CLOSED:
                    break
                self._packet(packet, now, events)
        except MqttError as error:
            self.state = State.CLOSED
            events.append(Lost(str(error)))
        return events

    # Inside

    def _say(self, text: str) -> None:
        if self._trace is not None:
            self._trace(f"Client {self._connect.client_id or '(null)'} {text}")

    def _send(self, packet: Packet, words: str, now: int) -> None:
        self._sent_ns = now
        self.queued += encode(packet, self._connect.level)
        if words:
            self._say(f"sending {words}")

    def _packet(self, packet: Packet, now: int, events: list[Event]) -> None:
        match packet:
            case Publish():
                self._message(packet, now, events)
            case Ack():
                self._acknowledged(packet, now, events)
            case Pingresp():
                self._pinged_ns = None
                self._say("received PINGRESP")
            case Connack():
                assigned = property_of(packet.properties, ASSIGNED_ID)
                if isinstance(assigned, str):
                    self._connect = self._connect._replace(client_id=assigned)
                self._say(f"received CONNACK ({packet.code})")
                self.state = State.CLOSED if packet.code else State.READY
                events.append(Refused(packet.code) if packet.code else Connected(packet.session_present))
            case Suback():
                self._say("received SUBACK")
                events.append(Subscribed(packet.packet_id, packet.codes))
            case Disconnect(code):
                self.state = State.CLOSED
                self._say(f"received DISCONNECT ({code})")
                events.append(Lost(REASONS.get(code, REASONS[128])))
            case _:
                self.state = State.CLOSED
                events.append(Lost("protocol error"))

    def _message(self, packet: Publish, now: int, events: list[Event]) -> None:
        if self._trace is not None:
            self._say(f"received PUBLISH {describe(packet)}")
        if packet.qos == 2:
            self._arriving[packet.packet_id] = packet
            self._send(Ack(AckKind.PUBREC, packet.packet_id), f"PUBREC (m{packet.packet_id}, rc0)", now)
            return
        if packet.qos == 1:
            self._send(Ack(AckKind.PUBACK, packet.packet_id), f"PUBACK (m{packet.packet_id}, rc0)", now)
        events.append(Received(packet))

    def _acknowledged(self, packet: Ack, now: int, events: list[Event]) -> None:
        number = packet.packet_id
        if packet.kind is AckKind.UNSUBACK:
            self._say("received UNSUBACK")
            events.append(Unsubscribed(number))
            return
        result = f", RC:{packet.code}" if packet.kind in (AckKind.PUBACK, AckKind.PUBCOMP) else ""
        self._say(f"received {packet.kind} (Mid: {number}{result})")
        if packet.kind is AckKind.PUBREL:
            self._send(Ack(AckKind.PUBCOMP, number), f"PUBCOMP (m{number})", now)
            message = self._arriving.pop(number, None)
            if message is not None:
                events.append(Received(message))
            return
        answer, landed = self._flight.acknowledged(packet)
        if answer is not None:
            self._send(answer, f"PUBREL (m{number})", now)
        if landed:
            events.append(Published(number, packet.code))
