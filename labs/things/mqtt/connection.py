"""A connection as the broker sees it, and what the broker asks of its owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from labs.things.mqtt.codec import Decoder
from labs.things.mqtt.packets import LEVEL, Ack, Connect, Disconnect, Pingreq, Publish, Subscribe, Unsubscribe, Will

if TYPE_CHECKING:
    from labs.things.mqtt.session import Session

__all__ = ["ACCEPTS", "Close", "Connection", "Effect", "Log", "Send", "State"]

SECOND = 1_000_000_000
CONNECT_WITHIN_S = 60  # mosquitto treats a new connection like one with this keepalive
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
class Connection:
    """One client that is connected."""

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

    level: int = LEVEL
    aliases: dict[int, str] = field(default_factory=dict)
    """Topics that a client of version 5 has given numbers."""

    @property
    def name(self) -> str:
        """The client identifier, once it is known."""
        return UNKNOWN if self.session is None else self.session.client_id

    @property
    def origin(self) -> str:
        """Who it is, before anybody said so."""
        return f"{self.address}:{self.port}/{self.number}"

    @property
    def deadline(self) -> int | None:
        """One and a half times the keepalive after the last packet (§3.1.2.10); 0 switches it off."""
        return self.heard_ns + self.keepalive_s * 3 * SECOND // 2 if self.keepalive_s else None
