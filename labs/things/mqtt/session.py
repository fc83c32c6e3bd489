"""What a broker remembers of one client: its subscriptions, and the messages that it has not acknowledged yet.

Before changing this file read MQTT 3.1.1 §4.1, §4.3 and §4.4.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from labs.things.mqtt.codec import Ack, AckKind, Packet, Publish
from labs.things.mqtt.topics import matches

__all__ = ["Flight", "Session", "next_packet_id"]

# The acknowledgement that a message of this QoS waits for first, and what answers an acknowledgement (§4.3.2, §4.3.3):
# the packet to send and the acknowledgement to wait for then.
FIRST_ACK = {1: AckKind.PUBACK, 2: AckKind.PUBREC}
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
    queue: deque[Publish] = field(default_factory=deque)
    flight: Flight = field(default_factory=Flight)
    arriving: set[int] = field(default_factory=set)
    """Identifiers of QoS 2 messages that were taken and not released by the client yet."""
    dropping: bool = False

    def granted(self, topic: str) -> int | None:
        """The highest QoS at which a topic is subscribed to (§3.3.5), or None."""
        found = [qos for pattern, qos in self.subscriptions.items() if matches(pattern, topic)]
        return max(found, default=None)
