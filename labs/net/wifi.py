"""The Wi-Fi radio of a device: what its daemons ask of the air, and what the air tells them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from labs.net.actions import WifiAsk
from labs.net.process import Signal

if TYPE_CHECKING:
    from labs.model.addresses import Mac
    from labs.net.linux.node import LinuxNode

__all__ = ["Bss", "WifiEvent", "WifiRadio"]


class Bss(NamedTuple):
    """A network that was seen."""

    mac: Mac
    ssid: str
    channel: int
    rssi_dbm: float
    flags: str
    pmf: int = 0


class WifiEvent(NamedTuple):
    """What the air tells: "scan" with a list of Bss, "outcome" with what `decide` said, "lost", "station"."""

    what: str
    value: Any


@dataclass(slots=True, eq=False)
class WifiRadio:
    """`point` is the configuration of a running hostapd, `scan` the last result, `link` the present association."""

    node: LinuxNode
    point: Any = None
    scan: tuple[Bss, ...] = ()
    scan_count: int = 0
    link: dict[str, Any] = field(default_factory=dict)
    stations: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: deque[WifiEvent] = field(default_factory=lambda: deque(maxlen=256))
    signal: Signal = field(default_factory=Signal)
    state: str = "DISCONNECTED"

    def ask(self, what: str, value: Any = None) -> None:
        """scan, join (a Bss and a network), leave, up (a hostapd began), down."""
        self.node.emit(WifiAsk(what, value))

    def tell(self, event: WifiEvent) -> None:
        """Something happened in the air."""
        if event.what == "scan":
            self.scan = tuple(event.value)
            self.scan_count += 1
        self.events.append(event)
        self.signal.fire()
