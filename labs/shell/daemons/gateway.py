"""The program of a gateway: asks the units of a serial bus, publishes over MQTT, and lets TCP clients through.

What it counts stands in /run/gateway.json, per unit and for the whole bus.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.net.process import SIGKILL, Process, Routine, Wait
from labs.net.sockets import SocketError
from labs.shell.daemons.broker_visit import BrokerVisit
from labs.shell.daemons.modbus_tcp import serve_tcp
from labs.shell.daemons.thing_unit import EXIT_CONFIG, work_until_stopped
from labs.shell.serial_line import SerialLine, SerialLineError
from labs.things.modbus.config import GATEWAY, GatewayConfig, Poll, parse_gateway_config
from labs.things.modbus.master import AnswerError, Outcome
from labs.things.modbus.pdu import ModbusException, Read, decode_values, encode_exception
from labs.things.modbus.values import decode_number
from labs.things.sensor import sensor_payload
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.modbus.framing import Adu

__all__ = ["STATUS", "gateway", "load_gateway", "poll_once"]

STATUS = "/run/gateway.json"
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
DECIMALS = 3


def load_gateway(node: LinuxNode) -> GatewayConfig:
    """The configuration as the file says now. Raises ThingConfigError."""
    if not node.files.is_file(GATEWAY):
        raise ThingConfigError("No such file or directory")
    return parse_gateway_config(node.files.read(GATEWAY))


@dataclass(slots=True)
class _Counters:
    """What became of the requests to one unit."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    last_error: str = ""
    last_ok_ns: int | None = None

    def as_json(self) -> dict[str, object]:
        return {**self.counts, "last_error": self.last_error, "last_ok_ns": self.last_ok_ns}


def poll_once(
    line: SerialLine, poll: Poll, timeout_ns: int, process: Process | None = None
) -> Generator[Wait, None, float]:
    """Ask for one number. Raises AnswerError."""
    place = poll.place
    request = Read(place.table, place.address, place.count)
    pdu = yield from line.ask(poll.unit, request.encode(), timeout_ns, process)
    try:
        return decode_number(decode_values(request, pdu), place.type, place.order) * place.scale
    except ValueError as error:
        raise AnswerError(Outcome.CRC, f"Invalid data: {error}") from None


class _Gateway:
    def __init__(self, process: Process, config: GatewayConfig) -> None:
        self.process = process
        self.config = config
        self.visit = BrokerVisit(process, config.mqtt)
        self.line = SerialLine(process, config.serial_port, config.settings)
        self.units: dict[int, _Counters] = {poll.unit: _Counters() for poll in config.polls}
        self.values: dict[str, dict[str, object]] = {}
        self.published = 0

    def write_status(self) -> None:
        status = {
            **self.visit.status(),
            "published": self.published,
            "units": {str(unit): counters.as_json() for unit, counters in self.units.items()},
            "polls": self.values,
        }
        self.process.node.files.write(STATUS, json.dumps(status, ensure_ascii=False) + "\n")

    # The bus

    def poller(self, process: Process) -> Routine:
        """Ask for every number when it is due; one that nobody answers costs the timeout."""
        node = process.node
        due = [(node.now, index) for index in range(len(self.config.polls))]
        while due:
            when, index = heapq.heappop(due)
            while node.now < when:
                yield Wait((), when)
            poll = self.config.polls[index]
            yield from self._poll(poll, process)
            interval = poll.interval_s * SECOND
            heapq.heappush(due, (max(when + interval, node.now), index))
        while True:
            yield Wait()

    def _poll(self, poll: Poll, process: Process) -> Generator[Wait, None, None]:
        try:
            value = yield from poll_once(self.line, poll, self.config.timeout_ms * MILLISECOND, process)
        except AnswerError as error:
            self.count(poll.unit, error.outcome, str(error), poll.name)
            self.write_status()
            return
        self.count(poll.unit, Outcome.OK, "", poll.name)
        self.publish(poll, round(value, DECIMALS) + 0.0)
        self.write_status()

    def count(self, unit: int, outcome: Outcome, problem: str, name: str) -> None:
        """Count one request; a problem that is new stands in the journal."""
        counters = self.units.setdefault(unit, _Counters())
        counters.counts[outcome] += 1
        if outcome is Outcome.OK:
            counters.last_ok_ns = self.process.node.now
        elif problem != counters.last_error:
            counters.last_error = problem
            self.process.error(f"unit {unit} ({name}): {problem}" if name else f"unit {unit}: {problem}")

    def publish(self, poll: Poll, value: float) -> None:
        """Send a number on; while there is no broker it is lost."""
        node = self.process.node
        self.values[poll.name] = {
            "value": value,
            "unit": poll.measures,
            "at_ns": node.now,
            "sent": self.visit.connected,
        }
        if not self.visit.connected:
            return
        payload = sensor_payload(value, poll.measures, node.wall_clock())
        self.visit.link.client.publish(poll.topic, payload, node.now, qos=self.config.mqtt.qos)
        self.visit.link.flush()
        self.published += 1

    def pass_on(self, process: Process, adu: Adu) -> Generator[Wait, None, bytes]:
        """A request of a TCP client goes to the bus: no answer is exception 0B, an impossible unit 0A."""
        function = adu.pdu[0]
        if not 1 <= adu.unit <= 247:
            return encode_exception(function, ModbusException.GATEWAY_PATH)
        try:
            reply = yield from self.line.ask(adu.unit, adu.pdu, self.config.timeout_ms * MILLISECOND, process)
        except AnswerError as error:
            self.count(adu.unit, error.outcome, str(error), "")
            self.write_status()
            return encode_exception(function, error.code or ModbusException.GATEWAY_TARGET)
        self.count(adu.unit, Outcome.OK, "", "")
        self.write_status()
        return reply

    # MQTT

    def run(self) -> Generator[Wait, None, None]:
        """For ever."""
        while True:
            connected = yield from self.visit.connect(self.write_status)
            while connected and self.visit.connected:
                yield from self.visit.events(None)
                self.write_status()


def gateway(process: Process) -> Routine:
    """The unit `gateway`."""
    node = process.node
    try:
        config = load_gateway(node)
        thing = _Gateway(process, config)
        if config.tcp_port:
            server = node.spawn(["gatewayd"], serve_tcp(process, config.tcp_port, thing.pass_on), directory="/")
            process.cleanup.append(lambda: server.kill(SIGKILL))
    except ThingConfigError as error:
        process.error(f"{GATEWAY}: {error}")
        return EXIT_CONFIG
    except (SerialLineError, SocketError) as error:
        process.error(str(error) if isinstance(error, SocketError) else f"{config.serial_port}: {error}")
        return 1
    process.endless = True
    process.print(f"{config.serial_port}, {config.settings}: {len(config.polls)} numbers")
    if config.tcp_port:
        process.print(f"Modbus/TCP on port {config.tcp_port}")
    poller = node.spawn(["gatewayd"], thing.poller, directory="/")
    process.cleanup.append(lambda: poller.kill(SIGKILL))
    return (yield from work_until_stopped(process, thing, STATUS))
