"""The program of a screen: subscribe, and show the last message in /run/display.json.

What it has shown is kept in /var/lib/display.json: pairs of a time in nanoseconds, and a number or null.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.thing_unit import serve_thing
from labs.things.display import EMPTY, DisplayConfig, Screen, parse_display_config, read_payload, shown, stale_at
from labs.things.mqtt.client import Received, Subscribed
from labs.things.mqtt.codec import SUBSCRIPTION_FAILED
from labs.things.thing_config import ThingConfigError
from labs.things.units import symbol

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.mqtt.client import Event

__all__ = ["CONFIG", "KEPT", "STATUS", "display", "load_display"]

CONFIG = "/etc/display.toml"
STATUS = "/run/display.json"
KEPT = "/var/lib/display.json"
HISTORY = 300  # points
CLOSEST_NS = 60_000_000_000  # one point a minute
PAYLOAD_SHOWN = 60


def load_display(node: LinuxNode) -> DisplayConfig:
    """The configuration as the file says now. Raises ThingConfigError."""
    if not node.files.is_file(CONFIG):
        raise ThingConfigError("No such file or directory")
    return parse_display_config(node.files.read(CONFIG))


class _Display:
    def __init__(self, process: Process, config: DisplayConfig) -> None:
        self.process = process
        self.config = config
        self.visit = BrokerVisit(process, config.mqtt)
        self.screen: Screen | None = None
        self._stale_ns: int | None = None
        self._received_unix_s = 0.0
        self.history: deque[tuple[int, float | None]] = deque(_kept(process), maxlen=HISTORY)

    @property
    def stale(self) -> bool:
        return self._stale_ns is not None and self.process.node.now >= self._stale_ns

    def draw(self) -> None:
        """Write what is on the screen."""
        screen = self.screen
        self._remember(screen.value if screen else None)
        state = {
            "title": self.config.title,
            "text": shown(self.config, screen, self._received_unix_s, stale=self.stale),
            "value": screen.value if screen else None,
            "unit": symbol(self.config.unit),
            "topic": screen.topic if screen else None,
            "received_ns": screen.received_ns if screen else None,
            "retain": screen.retain if screen else None,
            "payload_at": screen.payload_at if screen else None,
            **self.visit.status(),
        }
        self.process.node.files.write(STATUS, json.dumps(state, ensure_ascii=False) + "\n")

    def _remember(self, value: float | None) -> None:
        now, history = self.process.node.now, self.history
        if history and now - history[-1][0] < CLOSEST_NS and (value is None) == (history[-1][1] is None):
            return
        history.append((now, value))
        points = tuple(history)
        self.process.node.files.write_later(KEPT, lambda: json.dumps(points) + "\n")

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        self.draw()
        while True:
            connected = yield from self.visit.connect(self.draw)
            if not connected:
                continue
            mqtt = self.config.mqtt
            self.visit.link.client.subscribe([(mqtt.topic, mqtt.qos)], self.process.node.now)
            while self.visit.connected:
                until = None if self.stale else self._stale_ns
                events = yield from self.visit.events(until)
                for event in events:
                    self.take(event)
                if not self.visit.connected or (not events and self.stale):
                    self.draw()

    def take(self, event: Event) -> None:
        """Show a message, or tell why nothing will come."""
        if isinstance(event, Subscribed):
            if SUBSCRIPTION_FAILED in event.codes:
                self.visit.problem(f"the broker refuses the topic {self.config.mqtt.topic}")
            else:
                self.process.print(f"subscribed to {self.config.mqtt.topic}")
        elif isinstance(event, Received):
            node = self.process.node
            self.screen = screen = read_payload(event.message, node.now)
            self._received_unix_s = node.wall_clock()
            if screen.problem:
                text = event.message.payload[:PAYLOAD_SHOWN].decode(errors="replace")
                self.visit.problem(
                    f"{screen.topic}: cannot show {json.dumps(text, ensure_ascii=False)}: {screen.problem}"
                )
            moment = stale_at(self.config, screen, self._received_unix_s)
            self._stale_ns = (
                None if moment is None else node.now + int((moment - self._received_unix_s) * 1_000_000_000)
            )
            self.draw()


def _kept(process: Process) -> list[tuple[int, float | None]]:
    """What was shown before the program was restarted; nothing where the file is gone or somebody spoilt it."""
    try:
        return [
            (int(at), None if value is None else float(value)) for at, value in json.loads(process.node.files.get(KEPT))
        ]
    except (TypeError, ValueError):
        return []


def display(process: Process) -> Routine:
    """The unit `display`."""

    def hello(config: DisplayConfig) -> str:
        return f"{config.title or EMPTY}: {config.mqtt.topic}, shown in {config.unit}"

    return serve_thing(process, (CONFIG, STATUS), load_display, _Display, hello)
