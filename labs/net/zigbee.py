"""The 802.15.4 radio of a device: frames that it sends, and what it hears on the one channel it listens to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from labs.net.actions import ZigbeeSend
from labs.net.process import Signal

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["BROADCAST_PAN", "COORDINATOR", "Kind", "Sent", "ZigbeeEvent", "ZigbeeFrame", "ZigbeeRadio"]

BROADCAST_PAN = 0xFFFF  # IEEE 802.15.4-2006 §7.2.1.3
COORDINATOR = "0x0000"  # the short address of whoever made the network


class Kind(StrEnum):
    """What a frame is. Closed."""

    BEACON_REQUEST = "beacon request"
    BEACON = "beacon"
    ASSOCIATE_REQUEST = "association request"
    ASSOCIATE_RESPONSE = "association response"
    DATA = "data"


class Sent(StrEnum):
    """How the MAC sublayer ended a frame to one receiver (IEEE 802.15.4-2006, table 78)."""

    SUCCESS = "success"
    NO_ACK = "no acknowledgement (0xe9)"
    BUSY = "channel access failure (0xe1)"


class ZigbeeFrame(NamedTuple):
    """A frame. `target` is empty for a broadcast; `seal` is what only an owner of the network key can make."""

    kind: Kind
    channel: int
    pan_id: int
    source: str
    target: str = ""
    body: bytes = b""
    seal: bytes = b""


class ZigbeeEvent(NamedTuple):
    """A frame that arrived with its signal, or what became of a frame of one's own (`sent`)."""

    frame: ZigbeeFrame
    rssi_dbm: float = 0.0
    sent: Sent | None = None


@dataclass(slots=True, eq=False)
class ZigbeeRadio:
    """`channel` is None while the receiver is off: a sleepy end device listens only after it has sent."""

    node: LinuxNode
    address: str = ""
    channel: int | None = None
    pan_id: int | None = None
    events: deque[ZigbeeEvent] = field(default_factory=lambda: deque(maxlen=256))
    signal: Signal = field(default_factory=Signal)

    def send(self, frame: ZigbeeFrame) -> None:
        """Send a frame; a frame to one receiver is answered by an event with `sent`."""
        self.node.emit(ZigbeeSend(frame))

    def tell(self, event: ZigbeeEvent) -> None:
        """Something was heard, or sent."""
        self.events.append(event)
        self.signal.fire()
