"""The program of an actuator: take commands, move something in the room, and report. Silence brings the fail-safe."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Routine, Wait
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.thing_unit import serve_thing
from labs.things.actuator import ActuatorConfig, Motion, parse_actuator_config, read_command, state_payload, state_word
from labs.things.mqtt.client import Received, Subscribed
from labs.things.mqtt.codec import SUBSCRIPTION_FAILED
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.mqtt.client import Event

__all__ = ["CONFIG", "STATUS", "actuator", "load_actuator"]

CONFIG = "/etc/actuator.toml"
STATUS = "/run/actuator.json"
SECOND = 1_000_000_000
PIECE_NS = 10 * SECOND  # how finely the way of a motor is cut


def load_actuator(node: LinuxNode) -> ActuatorConfig:
    """The configuration as the file says now. Raises ThingConfigError."""
    if not node.files.is_file(CONFIG):
        raise ThingConfigError("No such file or directory")
    return parse_actuator_config(node.files.read(CONFIG))


class _Actuator:
    def __init__(self, process: Process, config: ActuatorConfig) -> None:
        self.process = process
        self.config = config
        self.visit = BrokerVisit(process, config.mqtt)
        self.level = self._seen()
        self.switches = 0
        self.since_ns = self.commanded_ns = process.node.now
        self.report_ns = process.node.now
        self.safe = False
        self.why = "start"
        self.arrived = True
        self.motion = Motion(self.level, self.level, process.node.now, round(config.travel_s * SECOND))

    def _seen(self) -> float:
        level = self.process.node.world.level(self.config.drives, self.process.node.now)
        return 1.0 - level if self.config.inverted else level

    def write_status(self) -> None:
        status = {
            **self.visit.status(),
            "actuator": state_word(self.level),
            "level": self.level,
            "stands": self.motion.at(self.process.node.now),
            "drives": self.config.drives,
            "why": self.why,
            "changed_ns": self.since_ns,
            "commanded_ns": self.commanded_ns,
            "switches": self.switches,
        }
        self.process.node.files.write(STATUS, json.dumps(status) + "\n")

    def move(self, level: float, why: str) -> None:
        """Bring the world to a level and tell about it."""
        node, config = self.process.node, self.config
        if level != self.level:
            self.level = level
            self.switches += 1
            self.since_ns = self.report_ns = node.now
            self.process.print(f"{config.drives} {state_word(level)}: {why}")
            self.motion = Motion(self.motion.at(node.now), level, node.now, self.motion.stroke_ns)
            self.arrived = not self.motion.stroke_ns
        self.why = why
        self.place()

    def place(self) -> None:
        """Put into the world how far it has come."""
        node, config = self.process.node, self.config
        level = self.motion.at(node.now)
        node.world.drive(config.drives, 1.0 - level if config.inverted else level, node.now, stays=config.stays)
        self.write_status()

    @property
    def travel_ns(self) -> int | None:
        """When the next piece of its way is done; None where it stands still."""
        if self.arrived:
            return None
        return min(self.process.node.now + PIECE_NS, self.motion.arrives_ns)

    @property
    def silent_ns(self) -> int | None:
        """When the fail-safe is due."""
        after = self.config.fail_safe_after_s
        return None if not after or self.safe else self.commanded_ns + after * SECOND

    def watch(self) -> None:
        """Nobody said anything for too long."""
        due = self.silent_ns
        if due is None or due > self.process.node.now:
            return
        self.safe = True
        if self.config.fail_safe != "hold":
            self.process.error(f"no command for {self.config.fail_safe_after_s} s: fail-safe {self.config.fail_safe}")
            self.move(1.0 if self.config.fail_safe == "on" else 0.0, "fail-safe")
        else:
            self.process.error(f"no command for {self.config.fail_safe_after_s} s: stays {state_word(self.level)}")

    def travel(self) -> None:
        """Go on with the way, and note the end of it."""
        if not self.arrived:
            self.arrived = self.process.node.now >= self.motion.arrives_ns
            self.place()
            if self.arrived:
                self.report_ns = self.process.node.now

    def report(self) -> None:
        node, config = self.process.node, self.config
        if config.state_topic and node.now >= self.report_ns:
            self.report_ns = node.now + config.report_s * SECOND
            payload = state_payload(self.motion.at(node.now), node.wall_clock())
            self.visit.link.client.publish(config.state_topic, payload, node.now, qos=config.mqtt.qos)

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        self.move(self.level, "start")
        while True:
            connected = yield from self.visit.connect(self.write_status)
            self.watch()
            if not connected:
                continue
            mqtt = self.config.mqtt
            self.visit.link.client.subscribe([(mqtt.topic, mqtt.qos)], self.process.node.now)
            while self.visit.connected:
                self.watch()
                self.report()
                times = [self.silent_ns, self.report_ns if self.config.state_topic else None, self.travel_ns]
                events = yield from self.visit.events(min((t for t in times if t is not None), default=None))
                self.travel()
                for event in events:
                    self.take(event)

    def take(self, event: Event) -> None:
        if isinstance(event, Subscribed):
            if SUBSCRIPTION_FAILED in event.codes:
                self.visit.problem(f"the broker refuses the topic {self.config.mqtt.topic}")
        elif isinstance(event, Received):
            payload = event.message.payload
            try:
                level = read_command(payload)
            except (ValueError, AttributeError) as error:
                text = json.dumps(payload[:60].decode(errors="replace"), ensure_ascii=False)
                self.visit.problem(f"{event.message.topic}: no command: {text} ({error})")
                return
            self.commanded_ns = self.process.node.now
            self.safe = False
            self.move(level, f"command on {event.message.topic}")


def actuator(process: Process) -> Routine:
    """The unit `actuator`."""

    def hello(config: ActuatorConfig) -> str:
        return f"{config.name}: {config.drives}, commanded on {config.mqtt.topic}, fail-safe {config.fail_safe}"

    return serve_thing(process, (CONFIG, STATUS), load_actuator, _Actuator, hello)
