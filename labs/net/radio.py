"""The LoRa radio of a device: it sends frames, and hears those it listens for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from labs.net.actions import RadioSend
from labs.net.process import Signal

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["HeardFrame", "LoraRadio", "Modulation"]

QUEUE_LIMIT = 256


class Modulation(NamedTuple):
    """How a frame is sent at 125 kHz. `inverted` for downlinks, which devices hear and gateways do not."""

    sf: int
    mhz: float
    power_dbm: float = 14.0
    inverted: bool = False


class HeardFrame(NamedTuple):
    """A frame that arrived whole."""

    at_ns: int
    data: bytes
    how: Modulation
    rssi_dbm: float


@dataclass(slots=True, eq=False)
class LoraRadio:
    """`hears` says whether it would catch a transmission that begins now; None while it sleeps."""

    node: LinuxNode
    hears: Callable[[Modulation], bool] | None = None
    queue: deque[HeardFrame] = field(default_factory=lambda: deque(maxlen=QUEUE_LIMIT))
    signal: Signal = field(default_factory=Signal)

    def send(self, data: bytes, how: Modulation) -> None:
        """Send a frame."""
        self.node.emit(RadioSend(data, how))

    def tell(self, frame: HeardFrame) -> None:
        """A frame arrived."""
        self.queue.append(frame)
        self.signal.fire()
