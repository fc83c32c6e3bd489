"""The dashboard: listen to the topics of its tiles and keep their last values and a history in /run/dashboard.json."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.thing_unit import serve_thing
from labs.things.dashboard import DashboardConfig, Reading, Tile, parse_dashboard_config
from labs.things.display import EMPTY, read_field
from labs.things.mqtt.client import Received, Subscribed
from labs.things.mqtt.codec import SUBSCRIPTION_FAILED
from labs.things.payload import read_json
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.mqtt.client import Event
    from labs.things.mqtt.packets import Publish

__all__ = ["CONFIG", "STATUS", "dashboard", "load_dashboard"]

CONFIG = "/etc/dashboard.toml"
STATUS = "/run/dashboard.json"
HISTORY = 300  # points per tile
CLOSEST_S = 60  # one point a minute
SECOND = 1_000_000_000


def load_dashboard(node: LinuxNode) -> DashboardConfig:
    """The configuration as the file says now. Raises ThingConfigError."""
    if not node.files.is_file(CONFIG):
        raise ThingConfigError("No such file or directory")
    return parse_dashboard_config(node.files.read(CONFIG))


class _Dashboard:
    def __init__(self, process: Process, config: DashboardConfig) -> None:
        self.process = process
        self.config = config
        self.visit = BrokerVisit(process, config.mqtt)
        self.last: dict[str, Reading] = {}
        self.history: dict[str, deque[tuple[int, float]]] = {tile.name: deque(maxlen=HISTORY) for tile in config.tiles}

    def write_status(self) -> None:
        last = dict(self.last)
        history = {name: tuple(points) for name, points in self.history.items()}
        visit = self.visit.status()

        def text() -> str:
            readings = {
                name: {"value": known.value, "text": known.text, "at_s": known.at_s, "unit": known.unit}
                for name, known in last.items()
            }
            return json.dumps({**visit, "readings": readings, "history": history}, ensure_ascii=False) + "\n"

        self.process.node.files.write_later(STATUS, text)

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        while True:
            connected = yield from self.visit.connect(self.write_status)
            if not connected:
                continue
            topics = dict.fromkeys(tile.topic for tile in self.config.tiles)
            qos = self.config.mqtt.qos
            if topics:
                self.visit.link.client.subscribe([(topic, qos) for topic in topics], self.process.node.now)
            while self.visit.connected:
                events = yield from self.visit.events(None)
                for event in events:
                    self.take(event)
                self.write_status()

    def take(self, event: Event) -> None:
        if isinstance(event, Subscribed) and SUBSCRIPTION_FAILED in event.codes:
            self.visit.problem("the broker refuses a topic")
        if isinstance(event, Received):
            for tile in self.config.tiles:
                if tile.topic == event.message.topic:
                    self.put(tile, event.message)

    def put(self, tile: Tile, message: Publish) -> None:
        node = self.process.node
        value = read_field(message.payload, tile.field)
        text, unit = message.payload.decode(errors="replace"), ""
        try:
            found = read_json(message.payload)
        except ValueError:
            found = None
        if isinstance(found, dict):
            unit = str(found.get("unit", ""))
            text = EMPTY if found.get(tile.field, text) is None else str(found.get("state", text))
        now_s = node.wall_clock()
        self.last[tile.name] = Reading(value, text, now_s, unit)
        points = self.history[tile.name]
        if value is not None and (not points or now_s - points[-1][0] >= CLOSEST_S):
            points.append((int(now_s), value))


def dashboard(process: Process) -> Routine:
    """The unit `dashboard`."""

    def hello(config: DashboardConfig) -> str:
        return f"{config.title or 'dashboard'}: {len(config.tiles)} tiles"

    return serve_thing(process, (CONFIG, STATUS), load_dashboard, _Dashboard, hello)
