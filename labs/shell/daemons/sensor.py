"""The program of a sensor: measure, publish, and come back whenever the broker is away."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.thing_unit import serve_thing
from labs.things.mqtt.client import Published
from labs.things.sensing import Instrument, battery_of
from labs.things.sensor import SensorConfig, measure, parse_sensor_config, sensor_payload
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.battery import Charge
    from labs.things.mqtt.client import Event

__all__ = ["CONFIG", "STATUS", "battery_now", "instrument_of", "load_sensor", "read_sensor", "sensor"]

CONFIG = "/etc/sensor.toml"
STATUS = "/run/sensor.json"
SECOND = 1_000_000_000


def load_sensor(node: LinuxNode) -> SensorConfig:
    """The configuration as the file says now. Raises ThingConfigError."""
    if not node.files.is_file(CONFIG):
        raise ThingConfigError("No such file or directory")
    return parse_sensor_config(node.files.read(CONFIG))


def instrument_of(node: LinuxNode, config: SensorConfig) -> Instrument | None:
    """The instrument of a sensor that has a model."""
    return None if config.model is None else Instrument(config, config.model, node.world)


def read_sensor(node: LinuxNode, config: SensorConfig, instrument: Instrument | None = None) -> float:
    """Measure now. Raises ValueError where there is nothing to measure."""
    instrument = instrument or instrument_of(node, config)
    try:
        if instrument is not None:
            return instrument.read(node.now)
        truth = node.world.sense(config.quantity, node.now)
    except KeyError:
        message = f"there is no {config.quantity} to measure here"
        raise ValueError(message) from None
    return measure(config, truth, node.name)


def battery_now(node: LinuxNode, config: SensorConfig) -> Charge | None:
    """What is in the battery; None for a device on the mains."""
    if config.model is None:
        return None
    return battery_of(config.model, config.mah_per_day, node.world.battery(node.now), node.now)


class _Sensor:
    def __init__(self, process: Process, config: SensorConfig) -> None:
        self.process = process
        self.config = config
        self.visit = BrokerVisit(process, config.mqtt)
        self.due_ns = process.node.now
        self.last: dict[str, object] = {}
        self.published = 0
        self.unacknowledged = 0
        self.instrument = instrument_of(process.node, config)
        self.flat = False

    def write_status(self) -> None:
        visit, last, published, waiting = self.visit.status(), self.last, self.published, self.unacknowledged
        self.process.node.files.write_later(
            STATUS,
            lambda: json.dumps({**visit, **last, "published": published, "waiting": waiting}) + "\n",
        )

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        while True:
            connected = yield from self.visit.connect(self.write_status)
            if not connected:
                continue
            self.due_ns = max(self.due_ns, self.process.node.now)
            self.unacknowledged = 0
            while self.visit.connected:
                if self.process.node.now >= self.due_ns:
                    self.publish()
                for event in (yield from self.visit.events(self.due_ns)):
                    self.take(event)

    def take(self, event: Event) -> None:
        if isinstance(event, Published):
            self.unacknowledged = max(0, self.unacknowledged - 1)
            self.write_status()

    def go_flat(self, charge: Charge) -> None:
        """The voltage breaks down when it wants to send: nothing leaves the device."""
        if not self.flat:
            self.flat = True
            self.visit.problem(f"brown-out while sending: battery {charge.loaded_v:.1f} V under load")
            self.write_status()

    def publish(self) -> None:
        """Measure and send; the next time is a whole interval later, whatever the connection did in between."""
        node, config = self.process.node, self.config
        self.due_ns += config.interval_s * SECOND
        if self.due_ns <= node.now:
            self.due_ns = node.now + config.interval_s * SECOND
        more: dict[str, float] = {}
        charge = battery_now(node, config)
        if charge is not None:
            if charge.share <= 0:
                self.go_flat(charge)
                return
            more["battery"] = round(charge.share * 100)
        try:
            value = read_sensor(node, config, self.instrument)
            if self.instrument is not None:
                more = {**self.instrument.others(node.now), **more}
        except ValueError as error:
            self.visit.problem(f"no reading: {error}")
            self.write_status()
            return
        payload = sensor_payload(value, config.unit, node.wall_clock(), more)
        self.visit.link.client.publish(config.mqtt.topic, payload, node.now, qos=config.mqtt.qos, retain=config.retain)
        self.published += 1
        self.unacknowledged += config.mqtt.qos > 0
        self.last = {"value": value, "unit": config.unit, "published_ns": node.now}
        self.write_status()


def sensor(process: Process) -> Routine:
    """The unit `sensor`."""

    def hello(config: SensorConfig) -> str:
        return f"{config.name}: {config.quantity} in {config.unit}, every {config.interval_s} s"

    return serve_thing(process, (CONFIG, STATUS), load_sensor, _Sensor, hello)
