"""Zigbee2MQTT: the coordinator on its stick, and what devices say as messages over MQTT.

Topics and sentences are those of Zigbee2MQTT 1.42, as far as a star of sensors needs them.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.net.process import SIGKILL, Interrupt, Process, Routine, Wait
from labs.net.zigbee import COORDINATOR
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.things.mqtt.client import Received
from labs.things.payload import read_json
from labs.things.thing_config import ThingConfigError
from labs.things.zigbee.association import Answer, Coordinator, Dropped, Joined, Reported
from labs.things.zigbee.config import BRIDGE, DATABASE, STICK, Bridge, database_of, named, parse_bridge, parse_database
from labs.things.zigbee.link import lqi

if TYPE_CHECKING:
    from labs.net.zigbee import ZigbeeEvent

__all__ = ["zigbee2mqtt"]

VERSION = "1.42.0"
SECOND = 1_000_000_000
WATCH_NS = 60 * SECOND
MOST_PERMIT_S = 254  # of the request to permit joining


class _Bridge:
    def __init__(self, process: Process, config: Bridge) -> None:
        self.process = process
        self.node = process.node
        self.config = config
        self.names = dict(config.names)
        self.base = config.mqtt.topic
        self.visit = BrokerVisit(process, config.mqtt)
        self.machine = Coordinator(config.network, parse_database(self.node.files.get(DATABASE)))
        self.machine.permit = config.permit_join
        self.permit_until: int | None = None
        self.heard_ns: dict[str, int] = {}
        self.available: dict[str, bool] = {}
        self.complained: dict[str, str] = {}
        self.begun_ns = self.node.now

    def say(self, text: str, level: str = "info") -> None:
        moment = datetime.fromtimestamp(int(self.node.wall_clock()), UTC).strftime("%Y-%m-%d %H:%M:%S")
        (self.process.error if level == "error" else self.process.print)(f"[{moment}] {level}: \t{text}")

    def name(self, ieee: str) -> str:
        return self.names.get(ieee, ieee)

    # MQTT

    def publish(self, topic: str, value: dict[str, object] | list[object], *, retain: bool = False) -> None:
        if not self.visit.connected:
            return
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        self.visit.link.client.publish(f"{self.base}/{topic}", text.encode(), self.node.now, retain=retain)
        self.visit.link.flush()
        if not topic.startswith("bridge/"):
            self.say(f"z2m:mqtt: MQTT publish: topic '{self.base}/{topic}', payload '{text}'")

    def introduce(self) -> None:
        """What the bridge keeps at the broker about itself."""
        network = self.config.network
        facts: dict[str, object] = {
            "version": VERSION,
            "coordinator": {"type": "zStack3x0"},
            "network": {"channel": network.channel, "pan_id": network.pan_id},
            "permit_join": self.machine.permit,
        }
        self.publish("bridge/info", facts, retain=True)
        devices: list[object] = [{"type": "Coordinator", "friendly_name": "Coordinator"}]
        devices += [
            {"ieee_address": ieee, "type": "EndDevice", "friendly_name": self.name(ieee), "power_source": "Battery"}
            for ieee in self.machine.members
        ]
        self.publish("bridge/devices", devices, retain=True)

    def request(self, event: Received) -> None:
        """permit_join and device/remove; everything else is not simulated and answered so."""
        topic = event.message.topic.removeprefix(f"{self.base}/bridge/request/")
        text = event.message.payload.decode(errors="replace")
        try:
            asked = read_json(text)
        except ValueError:
            asked = text
        if topic == "permit_join":
            problem = self.request_permit(asked)
        elif topic == "device/remove":
            problem = self.request_removal(asked)
        else:
            problem = f"request {topic} is not simulated"
        if problem:
            self.say(f"z2m: Request '{self.base}/bridge/request/{topic}' failed with error: '{problem}'", "error")
            self.publish(f"bridge/response/{topic}", {"data": {}, "error": problem, "status": "error"})

    def request_permit(self, asked: object) -> str:
        """What is wrong with it, or nothing."""
        if isinstance(asked, bool):
            seconds = MOST_PERMIT_S if asked else 0
        elif isinstance(asked, dict) and isinstance(asked.get("time", MOST_PERMIT_S), int):
            seconds = int(asked.get("time", MOST_PERMIT_S)) if asked.get("value", True) is True else 0
        else:
            return "Invalid payload"
        if not 0 <= seconds <= MOST_PERMIT_S:
            return f"time must be from 0 to {MOST_PERMIT_S}"
        self.permit(seconds)
        self.publish("bridge/response/permit_join", {"data": {"time": seconds, "value": seconds > 0}, "status": "ok"})
        return ""

    def request_removal(self, asked: object) -> str:
        """A device is forgotten; what it says from now on is dropped. What is wrong with the request, or nothing."""
        wanted = asked.get("id") if isinstance(asked, dict) else asked
        ieee = next((known for known in self.machine.members if wanted in (known, self.name(known))), None)
        if ieee is None:
            return f"Device '{wanted}' does not exist"
        name, files = self.name(ieee), self.node.files
        for table in (self.machine.members, self.names, self.available, self.heard_ns):
            table.pop(ieee, None)
        files.write(DATABASE, database_of(list(self.machine.members)))
        files.write(BRIDGE, named(files.read(BRIDGE), ieee, None))
        self.say(f"z2m: Successfully removed device '{name}'")
        self.publish("bridge/response/device/remove", {"data": {"id": wanted}, "status": "ok"})
        self.introduce()
        return ""

    def permit(self, seconds: int) -> None:
        self.machine.permit = seconds > 0
        self.permit_until = self.node.now + seconds * SECOND if seconds else None
        self.say(
            "z2m: Zigbee: allowing new devices to join." if seconds else "z2m: Zigbee: disabling joining new devices."
        )
        self.introduce()
        self.node.zigbee.signal.fire()

    def run(self) -> Generator[Wait, None, None]:
        """Stay in touch with the broker, for ever."""
        while True:
            connected = yield from self.visit.connect(lambda: None)
            if not connected:
                continue
            self.say("z2m: Connected to MQTT server")
            self.visit.link.client.subscribe([(f"{self.base}/bridge/request/#", 0)], self.node.now)
            self.visit.link.flush()
            self.publish("bridge/state", {"state": "online"}, retain=True)
            self.introduce()
            for ieee, there in self.available.items():
                self.tell_available(ieee, there=there)
            while self.visit.connected:
                for event in (yield from self.visit.events(None)):
                    if isinstance(event, Received):
                        self.request(event)

    # Radio

    def listener(self, process: Process) -> Routine:
        """Frames of devices, for ever."""
        del process
        radio = self.node.zigbee
        while True:
            while radio.events:
                event = radio.events.popleft()
                if event.sent is None:
                    self.take(event)
            if self.permit_until is not None and self.node.now >= self.permit_until:
                self.permit(0)
            self.watch()
            moments = [self.permit_until, self.node.now + WATCH_NS if self.config.passive_s else None]
            yield Wait((radio.signal,), min((moment for moment in moments if moment is not None), default=None))

    def take(self, event: ZigbeeEvent) -> None:
        for what in self.machine.receive(event.frame):
            match what:
                case Answer(frame):
                    self.node.zigbee.send(frame)
                case Joined(ieee, known):
                    self.joined(ieee, known=known)
                case Reported(ieee, values):
                    self.complained.pop(ieee, None)
                    self.seen(ieee)
                    message: dict[str, object] = {**values, "linkquality": lqi(event.rssi_dbm)}
                    if self.config.last_seen:
                        message["last_seen"] = (
                            datetime.fromtimestamp(self.node.wall_clock(), UTC)
                            .isoformat(timespec="milliseconds")
                            .replace("+00:00", "Z")
                        )
                    self.publish(self.name(ieee), message)
                case Dropped(ieee, reason):
                    if self.complained.get(ieee) != reason:
                        self.complained[ieee] = reason
                        self.say(f"zh:controller: frame of '{ieee}' dropped: the device {reason}", "warning")

    def joined(self, ieee: str, *, known: bool) -> None:
        files = self.node.files
        if ieee not in self.names:
            self.names[ieee] = ieee
            files.write(BRIDGE, named(files.read(BRIDGE), ieee, ieee))
        files.write(DATABASE, database_of(list(self.machine.members)))
        name = self.name(ieee)
        self.say(f"z2m: Device '{name}' {'re' if known else ''}joined")
        self.publish("bridge/event", {"data": {"friendly_name": name, "ieee_address": ieee}, "type": "device_joined"})
        self.introduce()
        self.seen(ieee)

    # Availability

    def seen(self, ieee: str) -> None:
        self.heard_ns[ieee] = self.node.now
        if self.config.passive_s and self.available.get(ieee) is not True:
            self.tell_available(ieee, there=True)

    def tell_available(self, ieee: str, *, there: bool) -> None:
        self.available[ieee] = there
        self.publish(f"{self.name(ieee)}/availability", {"state": "online" if there else "offline"}, retain=True)

    def watch(self) -> None:
        """Whoever was not heard for the time of passive devices is offline."""
        if not self.config.passive_s:
            return
        for ieee in self.machine.members:
            late = self.node.now - self.heard_ns.get(ieee, self.begun_ns) >= self.config.passive_s * SECOND
            if late and self.available.get(ieee) is not False:
                self.tell_available(ieee, there=False)

    def leave(self) -> None:
        self.publish("bridge/state", {"state": "offline"}, retain=True)
        self.visit.leave()


def zigbee2mqtt(process: Process) -> Routine:
    """The unit `zigbee2mqtt`."""
    node = process.node
    try:
        config = parse_bridge(node.files.get(BRIDGE))
        bridge = _Bridge(process, config)
    except (ThingConfigError, FileError) as error:
        process.error("Refusing to start because configuration is not valid, found the following errors:", f"- {error}")
        return 1
    bridge.say(f"z2m: Starting Zigbee2MQTT version {VERSION} (simulated)")
    if config.port != STICK:
        bridge.say(f"z2m: Error: Error: No such file or directory, cannot open {config.port}", "error")
        return 1
    radio, network = node.zigbee, config.network
    radio.address, radio.channel, radio.pan_id = COORDINATOR, network.channel, network.pan_id

    def silence() -> None:
        radio.channel = None

    process.cleanup.append(silence)
    bridge.say(f"zh:zstack: network 0x{network.pan_id:04x} on channel {network.channel}")
    bridge.say(f"z2m: Currently {len(bridge.machine.members)} devices are joined.")
    if config.permit_join:
        bridge.say("z2m: `permit_join` set to  `true` in configuration.yaml.", "warning")
        bridge.say("z2m: Allowing new devices to join.", "warning")
        bridge.say("z2m: Set `permit_join` to `false` once you joined all devices.", "warning")
    process.endless = True
    listener = node.spawn(["zigbee2mqtt"], bridge.listener, directory="/")
    process.cleanup.append(lambda: listener.kill(SIGKILL))
    try:
        yield from bridge.run()
    except Interrupt:
        bridge.leave()
    return 0
