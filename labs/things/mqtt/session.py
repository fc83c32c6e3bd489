"""What a broker remembers of one client: its subscriptions, and the messages that it has not acknowledged yet.

Before changing this file read MQTT 3.1.1 §4.1, §4.3 and §4.4.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from labs.things.mqtt.packets import LEVEL_5, Ack, AckKind, Connect, Packet, Publish
from labs.things.mqtt.properties import SESSION_EXPIRY, property_of
from labs.things.mqtt.topics import matches

__all__ = ["AS_PUBLISHED", "NO_LOCAL", "Flight", "Session", "next_packet_id"]

# The acknowledgement that a message of this QoS waits for first, and what answers an acknowledgement (§4.3.2, §4.3.3):
# the packet to send and the acknowledgement to wait for then.
FIRST_ACK = {1: AckKind.PUBACK, 2: AckKind.PUBREC}
NO_LOCAL, AS_PUBLISHED = 4, 8  # MQTT 5.0 §3.8.3.1
FOR_EVER = 0xFFFFFFFF
AFTER_ACK = {AckKind.PUBREC: (AckKind.PUBREL, AckKind.PUBCOMP)}


def next_packet_id(last: int, used: object = ()) -> int:
    """The identifier after `last` that is not in use (1 to 65535, §2.3.1)."""
    for _ in range(0xFFFF):
        last = last % 0xFFFF + 1
        if last not in used:  # type: ignore[operator]
            break
    return last


@dataclass(slots=True)
class Flight:
    """Messages sent with QoS 1 or 2 and not acknowledged to the end: identifier to message and awaited packet."""

    waiting: dict[int, tuple[Publish, AckKind]] = field(default_factory=dict)
    last_id: int = 0

    def take_off(self, message: Publish) -> Publish:
        """The message with its identifier, now waiting for its acknowledgement."""
        self.last_id = next_packet_id(self.last_id, self.waiting)
        message = message._replace(packet_id=self.last_id)
        self.waiting[self.last_id] = (message, FIRST_ACK[message.qos])
        return message

    def acknowledged(self, ack: Ack) -> tuple[Packet | None, bool]:
        """What to send in answer, and whether the message has landed. One that nobody waits for is ignored."""
        message, awaited = self.waiting.get(ack.packet_id, (None, None))
        if message is None or awaited is not ack.kind:
            return None, False
        if ack.code >= 128:  # MQTT 5.0 §4.3.3: a PUBREC that refuses is the last of it
            del self.waiting[ack.packet_id]
            return None, True
        if ack.kind not in AFTER_ACK:
            del self.waiting[ack.packet_id]
            return None, True
        answer, awaited = AFTER_ACK[ack.kind]
        self.waiting[ack.packet_id] = (message, awaited)
        return Ack(answer, ack.packet_id), False

    def again(self) -> list[Packet]:
        """What a new connection sends once more (§4.4)."""
        return [
            Ack(AckKind.PUBREL, number) if awaited is AckKind.PUBCOMP else message._replace(dup=True)
            for number, (message, awaited) in self.waiting.items()
        ]


@dataclass(slots=True)
class Session:
    """The state of one client identifier. It outlives the connection of a client that asked for that."""

    client_id: str
    clean: bool
    user: str | None = None
    connection: int | None = None
    subscriptions: dict[str, int] = field(default_factory=dict)
    """Filter to option byte: the lowest two bits are the QoS (MQTT 5.0 §3.8.3.1)."""
    queue: deque[tuple[Publish, int | None]] = field(default_factory=deque)
    """Messages that wait, each with the time at which it is of no use any more."""
    flight: Flight = field(default_factory=Flight)
    arriving: set[int] = field(default_factory=set)
    """Identifiers of QoS 2 messages that were taken and not released by the client yet."""
    dropping: bool = False

    lasts_s: int | None = None
    """How long it lasts without a connection; None is for ever."""
    expires_ns: int | None = None

    def lasts(self, packet: Connect) -> None:
        """Begin anew, or go on, as a CONNECT asks for."""
        self.expires_ns = None
        if packet.level != LEVEL_5:
            self.clean, self.lasts_s = packet.clean, None
            return
        seconds = property_of(packet.properties, SESSION_EXPIRY)
        self.keep_for(seconds if isinstance(seconds, int) else 0)

    def keep_for(self, seconds: int) -> None:
        """Last so long after the connection has ended (MQTT 5.0 §3.1.2.11.2)."""
        self.clean = not seconds
        self.lasts_s = None if seconds == FOR_EVER else seconds

    def granted(self, topic: str, *, own: bool = False) -> int | None:
        """The options under which a topic is subscribed to, with the highest QoS (§3.3.5), or None."""
        found = [
            options
            for pattern, options in self.subscriptions.items()
            if matches(pattern, topic) and not (own and options & NO_LOCAL)
        ]
        return max(found, key=lambda options: options & 3, default=None)
