"""What a broker does to messages on their way, and what it says about itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from labs.things.mqtt.packets import Ack, AckKind, Connack, Disconnect, Packet, Publish, Will, describe
from labs.things.mqtt.properties import ALIAS, EXPIRY, Properties
from labs.things.mqtt.session import Session

__all__ = ["VERSION", "aged", "automatic_id", "passed_on", "sent_line", "system_topics", "will_lines"]

SECOND = 1_000_000_000
VERSION = "mosquitto version 2.0.11"
ENDS_HERE = frozenset({ALIAS, 11})  # a topic alias and a subscription identifier belong to one connection


def passed_on(properties: Properties) -> Properties:
    """What of a message goes on to its subscribers (MQTT 5.0 §3.3.2.3)."""
    return tuple(known for known in properties if known[0] not in ENDS_HERE) if properties else ()


def aged(message: Publish, expires_ns: int | None, now: int) -> Publish:
    """The message with the rest of its life in it (MQTT 5.0 §3.3.2.3.3)."""
    if expires_ns is None:
        return message
    left = max(1, -((now - expires_ns) // SECOND))
    others = tuple(known for known in message.properties if known[0] != EXPIRY)
    return message._replace(properties=(*others, (EXPIRY, left)))  # where mosquitto puts it


def system_topics(
    *, uptime_s: int, sessions: Sequence[Session], received: int, sent: int, retained: int
) -> Iterator[tuple[str, str]]:
    """The part of mosquitto's $SYS tree that means something here."""
    connected = sum(session.connection is not None for session in sessions)
    yield "$SYS/broker/version", VERSION
    yield "$SYS/broker/uptime", f"{uptime_s} seconds"
    yield "$SYS/broker/clients/total", str(len(sessions))
    yield "$SYS/broker/clients/connected", str(connected)
    yield "$SYS/broker/clients/disconnected", str(len(sessions) - connected)
    yield "$SYS/broker/messages/received", str(received)
    yield "$SYS/broker/messages/sent", str(sent)
    yield "$SYS/broker/retained messages/count", str(retained)
    yield "$SYS/broker/subscriptions/count", str(sum(len(session.subscriptions) for session in sessions))


def sent_line(name: str, packet: Packet) -> str:
    """What the log says of a packet on its way to a client."""
    match packet:
        case Connack():
            return f"CONNACK to {name} ({int(packet.session_present)}, {packet.code})"
        case Publish():
            return f"PUBLISH to {name} {describe(packet)}"
        case Ack(kind=AckKind.UNSUBACK):
            return f"UNSUBACK to {name}"
        case Ack():
            result = f", rc{packet.code}" if packet.kind in (AckKind.PUBACK, AckKind.PUBREC) else ""
            return f"{packet.kind} to {name} (m{packet.packet_id}{result})"
        case Disconnect():
            return f"DISCONNECT to {name} (rc{packet.code})"
        case _:
            return f"{type(packet).__name__.upper()} to {name}"


def will_lines(will: Will | None) -> Iterator[str]:
    """What the log says of the will of a new client."""
    if will is None:
        yield "No will message specified."
    else:
        yield f"Will message specified ({len(will.payload)} bytes) (r{int(will.retain)}, q{will.qos})."
        yield f"\t{will.topic}"


def automatic_id(origin: str) -> str:
    """An identifier for a client that brings none: a UUID, the same for the same origin."""
    digest = hashlib.sha256(origin.encode()).hexdigest().upper()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))
