"""The sensor and the screen on the real kernel: paho's client, and what `labs.things` says a thing is."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from labs.engines.kernel.machine import Machine
from labs.engines.kernel.things.journal import hear, reason, say
from labs.shell.daemons import display as simulated_display
from labs.shell.daemons import sensor as simulated_sensor
from labs.things.display import EMPTY, DisplayConfig, Screen, read_payload, shown, stale_at
from labs.things.mqtt.client import refusal
from labs.things.mqtt.codec import Publish
from labs.things.sensor import SensorConfig, sensor_payload
from labs.things.thing_config import MqttConfig, ThingConfigError
from labs.things.units import symbol

__all__ = ["display", "sensor"]

SECOND = 1_000_000_000
CONNECT_TIMEOUT_S = 10.0
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
STEP_S = 0.5
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h
# paho gives the codes of MQTT 5; these are the CONNACK codes of MQTT 3.1.1 (§3.2.2.3) that they stand for.
OLD_CODES = {132: 1, 133: 2, 136: 3, 134: 4, 135: 5}


class _Leave(Exception):
    """SIGTERM."""


class _Visit:
    """The connection of a thing to its broker: it tells the journal and waits longer after each failure."""

    def __init__(self, machine: Machine, config: MqttConfig) -> None:
        self.machine = machine
        self.config = config
        self.client: paho.Client | None = None
        self.connected = False
        self.messages: list[Publish] = []
        self.granted: list[int] = []
        self.published = 0
        self._state, self._detail = "connecting", ""
        self._since_ns = machine.now
        self._errors = 0
        self._delay_s = FIRST_DELAY_S
        self._answer: int | None = None

    @property
    def broker(self) -> str:
        """Host and port."""
        return f"{self.config.host}:{self.config.port}"

    def status(self) -> dict[str, object]:
        """For the status file."""
        return {
            "broker": self.broker,
            "state": self._state,
            "detail": self._detail,
            "since_ns": self._since_ns,
            "errors": self._errors,
        }

    def problem(self, text: str) -> None:
        """Count and log a mistake."""
        self._errors += 1
        say(text)

    def _become(self, state: str, detail: str = "") -> None:
        if (state, detail) != (self._state, self._detail):
            self._since_ns = self.machine.now
        self._state, self._detail = state, detail
        self.connected = state == "connected"

    def _fail(self, state: str, detail: str) -> None:
        self._become(state, detail)
        self.problem(detail)

    def connect(self) -> bool:
        """Try once; the caller waits `pause` after a failure."""
        config = self.config
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=config.client_id, reconnect_on_failure=False)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if config.username:
            client.username_pw_set(config.username, config.password or None)
        client.on_connect = self._welcomed
        client.on_message = self._received
        client.on_subscribe = self._subscribed
        client.on_publish = self._acknowledged
        self.client, self._answer = client, None
        try:
            client.connect(config.host, config.port, config.keepalive_s)
            until = time.monotonic() + CONNECT_TIMEOUT_S
            while self._answer is None and time.monotonic() < until and client.loop(STEP_S) in (0, 5):
                pass
        except socket.gaierror as error:
            self._fail("failed", f"cannot resolve {config.host}: {error.strerror}")
            return False
        except OSError as error:
            self._fail("failed", f"cannot connect to {self.broker}: {reason(error)}")
            return False
        if self._answer == 0:
            self._become("connected")
            self._delay_s = FIRST_DELAY_S
            say(f"connected to {self.broker} as {config.client_id}")
        elif self._answer is None:
            self._fail("failed", f"{self.broker}: no answer")
        else:
            self._fail("refused", f"{self.broker}: {refusal(self._answer)}")
        return self.connected

    def _welcomed(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        value = int(code.value)
        self._answer = OLD_CODES.get(value, value)

    def _received(self, client: Any, userdata: Any, message: Any) -> None:
        self.messages.append(Publish(message.topic, message.payload, qos=message.qos, retain=message.retain))

    def _subscribed(self, client: Any, userdata: Any, number: Any, codes: Any, properties: Any) -> None:
        self.granted += [int(code.value) for code in codes]

    def _acknowledged(self, *arguments: Any) -> None:
        self.published += 1

    def step(self, timeout_s: float) -> None:
        """Let the connection work for a while."""
        assert self.client is not None
        if self.client.loop(max(0.0, min(timeout_s, STEP_S))) != paho.MQTT_ERR_SUCCESS:
            self._fail("failed", f"connection to {self.broker} lost: the broker closed the connection")

    def pause(self) -> None:
        """Wait after a failure: 1, 2, 4 … 60 s."""
        delay_s, self._delay_s = self._delay_s, min(2 * self._delay_s, LONGEST_DELAY_S)
        time.sleep(delay_s)

    def leave(self) -> None:
        """Say goodbye."""
        if self.client is not None and self.connected:
            self.client.disconnect()


def _on_term(number: int, frame: object) -> None:
    raise _Leave


def _live(machine: Machine, visit: _Visit, status: str, life: Any) -> int:
    """Run until SIGTERM, then leave politely."""
    signal.signal(signal.SIGTERM, _on_term)
    try:
        life()
    except _Leave:
        visit.leave()
        if machine.files.is_file(status):
            machine.files.remove(status)
    return 0


def sensor(machine: Machine) -> int:
    """Measure and publish."""
    try:
        config = simulated_sensor.load_sensor(machine)  # type: ignore[arg-type]
    except ThingConfigError as error:
        say(f"{simulated_sensor.CONFIG}: {error}")
        return EXIT_CONFIG
    say(f"{config.name}: {config.quantity} in {config.unit}, every {config.interval_s} s")
    visit = _Visit(machine, config.mqtt)
    return _live(machine, visit, simulated_sensor.STATUS, lambda: _measure(machine, config, visit))


def _measure(machine: Machine, config: SensorConfig, visit: _Visit) -> None:
    due_ns, sent = ticking(machine), 0
    last: dict[str, object] = {}

    def write_status() -> None:
        waiting = sent - visit.published if config.mqtt.qos else 0
        state = {**visit.status(), **last, "published": sent, "waiting": max(0, waiting)}
        machine.files.write(simulated_sensor.STATUS, json.dumps(state) + "\n")

    while True:
        connected = visit.connect()
        write_status()
        if not connected:
            visit.pause()
            continue
        due_ns = max(due_ns, ticking(machine))
        while visit.connected:
            if ticking(machine) >= due_ns:
                due_ns = max(due_ns + config.interval_s * SECOND, ticking(machine))
                hear(machine)
                try:
                    value = simulated_sensor.read_sensor(machine, config)  # type: ignore[arg-type]
                except ValueError as error:
                    visit.problem(f"no reading: {error}")
                    write_status()
                    continue
                payload = sensor_payload(value, config.unit, machine.wall_clock())
                assert visit.client is not None
                visit.client.publish(config.mqtt.topic, payload, config.mqtt.qos, config.retain)
                sent += 1
                last = {"value": value, "unit": config.unit, "published_ns": machine.now}
                write_status()
            visit.step((due_ns - ticking(machine)) / 1e9)
        write_status()
        visit.pause()


def ticking(machine: Machine) -> int:
    """The clock by which a sensor keeps its interval: it stands still while others are put forward."""
    return machine.now - machine.elapsed_ns


def display(machine: Machine) -> int:
    """Subscribe and show."""
    try:
        config = simulated_display.load_display(machine)  # type: ignore[arg-type]
    except ThingConfigError as error:
        say(f"{simulated_display.CONFIG}: {error}")
        return EXIT_CONFIG
    say(f"{config.title or EMPTY}: {config.mqtt.topic}, shown in {config.unit}")
    visit = _Visit(machine, config.mqtt)
    return _live(machine, visit, simulated_display.STATUS, _Panel(machine, config, visit).live)


class _Panel:
    def __init__(self, machine: Machine, config: DisplayConfig, visit: _Visit) -> None:
        self.machine = machine
        self.config = config
        self.visit = visit
        self.screen: Screen | None = None
        self._stale_unix_s: float | None = None
        self._received_unix_s = 0.0

    @property
    def stale(self) -> bool:
        return self._stale_unix_s is not None and self.machine.wall_clock() >= self._stale_unix_s

    def draw(self) -> None:
        screen = self.screen
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
        self.machine.files.write(simulated_display.STATUS, json.dumps(state, ensure_ascii=False) + "\n")

    def live(self) -> None:
        self.draw()
        while True:
            connected = self.visit.connect()
            self.draw()
            if connected:
                self._watch()
                self.draw()
            self.visit.pause()

    def _watch(self) -> None:
        mqtt = self.config.mqtt
        assert self.visit.client is not None
        self.visit.granted.clear()
        self.visit.client.subscribe(mqtt.topic, mqtt.qos)
        was_stale = self.stale
        while self.visit.connected:
            self.visit.step(STEP_S)
            for code in self.visit.granted:
                if code >= 0x80:
                    self.visit.problem(f"the broker refuses the topic {mqtt.topic}")
                else:
                    say(f"subscribed to {mqtt.topic}")
            self.visit.granted.clear()
            for message in self.visit.messages:
                self._take(message)
            self.visit.messages.clear()
            if self.stale != was_stale:
                was_stale = self.stale
                self.draw()

    def _take(self, message: Publish) -> None:
        self.screen = screen = read_payload(message, self.machine.now)
        self._received_unix_s = self.machine.wall_clock()
        if screen.problem:
            text = message.payload[: simulated_display.PAYLOAD_SHOWN].decode(errors="replace")
            self.visit.problem(f"{screen.topic}: cannot show {json.dumps(text, ensure_ascii=False)}: {screen.problem}")
        self._stale_unix_s = stale_at(self.config, screen, self._received_unix_s)
        self.draw()
