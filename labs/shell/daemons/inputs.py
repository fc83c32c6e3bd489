"""The program of an input module: read every input, publish what it says, and whether it can be trusted."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.thing_unit import serve_thing
from labs.things.inputs import InputConfig, InputReading, InputsConfig, parse_inputs_config, read_input
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["CONFIG", "STATUS", "inputs", "load_inputs", "read_one"]

CONFIG = "/etc/inputs.toml"
STATUS = "/run/inputs.json"
SECOND = 1_000_000_000
WARMTH_K = 5.0  # a module in its cabinet is warmer than the room
CABINET_C = 25.0  # where nobody knows how warm the room is


def load_inputs(node: LinuxNode) -> InputsConfig:
    """The configuration as the file says now. Raises ThingConfigError."""
    if not node.files.is_file(CONFIG):
        raise ThingConfigError("No such file or directory")
    return parse_inputs_config(node.files.read(CONFIG))


def read_one(node: LinuxNode, config: InputsConfig, one: InputConfig) -> InputReading:
    """One input now."""
    try:
        cold = node.world.sense("temperature", node.now) + WARMTH_K
    except KeyError:
        cold = CABINET_C
    world = node.world
    return read_input(
        one,
        config.model.bits,
        lambda at: world.terminal(one.number, at, mode=one.type, cold_c=cold),
        cold,
        node.now,
    )


class _Module:
    def __init__(self, process: Process, config: InputsConfig) -> None:
        self.process = process
        self.config = config
        self.visit = BrokerVisit(process, config.mqtt)
        self.due_ns = process.node.now
        self.published = 0
        self.last: dict[str, object] = {}
        self.told: dict[int, str] = {}

    def write_status(self) -> None:
        status = {**self.visit.status(), **self.last, "published": self.published}
        self.process.node.files.write(STATUS, json.dumps(status) + "\n")

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        while True:
            connected = yield from self.visit.connect(self.write_status)
            if not connected:
                continue
            self.due_ns = max(self.due_ns, self.process.node.now)
            while self.visit.connected:
                if self.process.node.now >= self.due_ns:
                    self.publish()
                yield from self.visit.events(self.due_ns)

    def publish(self) -> None:
        """Every input once; the next time is a whole interval later."""
        node, config = self.process.node, self.config
        interval = config.interval_s * SECOND
        self.due_ns += interval * max(1, (node.now - self.due_ns) // interval + 1)
        at = datetime.fromtimestamp(int(node.wall_clock()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for one in config.inputs:
            reading = read_one(node, config, one)
            self.tell(one, reading)
            if not one.topic:
                continue
            body = {"value": reading.value, "unit": one.unit, "at": at, "quality": reading.quality.text}
            payload = json.dumps(body, ensure_ascii=False).encode()
            self.visit.link.client.publish(one.topic, payload, node.now, qos=config.mqtt.qos, retain=config.retain)
            self.published += 1
        self.last = {"published_ns": node.now}
        self.write_status()

    def tell(self, one: InputConfig, reading: InputReading) -> None:
        """A change of quality goes to the journal."""
        before = self.told.get(one.number, "good")
        if reading.quality.text != before:
            self.process.print(f"input {one.number} ({one.name}): {reading.quality.text}, was {before}")
        self.told[one.number] = reading.quality.text


def inputs(process: Process) -> Routine:
    """The unit `inputs`."""

    def hello(config: InputsConfig) -> str:
        return f"{config.name}: {len(config.inputs)} inputs, every {config.interval_s} s"

    return serve_thing(process, (CONFIG, STATUS), load_inputs, _Module, hello)
