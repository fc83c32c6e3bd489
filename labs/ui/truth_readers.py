"""What a thing as it is set up now would have read at any moment: a sensor, an input of a module, a unit on a bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from labs.net.serial import received_with
from labs.shell.daemons.gateway import load_gateway
from labs.shell.daemons.inputs import load_inputs, read_one
from labs.shell.daemons.modbus import registers_of
from labs.shell.daemons.sensor import instrument_of, load_sensor
from labs.shell.instrument import read_instrument
from labs.things.lorawan.config import DEVICE as LORAWAN
from labs.things.lorawan.config import parse_device as parse_lorawan
from labs.things.modbus.config import GATEWAY, SLAVE, SlaveConfig, parse_slave_config
from labs.things.modbus.framing import FrameError, decode_rtu, encode_rtu
from labs.things.modbus.master import AnswerError, read_answer
from labs.things.modbus.pdu import Read, decode_values
from labs.things.modbus.slave import answer
from labs.things.modbus.values import decode_number, encode_number
from labs.things.rs485 import hearing
from labs.things.sensor import measure
from labs.things.thing_config import ThingConfigError
from labs.things.transmitter import parse_transmitter_config
from labs.things.units import BASE_UNITS
from labs.things.zigbee.config import DEVICE as ZIGBEE
from labs.things.zigbee.config import QUANTITIES
from labs.things.zigbee.config import parse_device as parse_zigbee
from labs.ui.style import Refusal

if TYPE_CHECKING:
    from labs.engines.sim import SimEngine
    from labs.model.bus import Bus
    from labs.net.linux.node import LinuxNode
    from labs.things.modbus.config import Poll, SlaveRegister

__all__ = ["Reader", "Source", "source_of"]

Reader = Callable[[int], float | None]


class Source(NamedTuple):
    """Where a thing measures, what, in which unit, and what it reads at a time. None is no reading."""

    room: str
    quantity: str
    unit: str
    read: Reader


def source_of(engine: SimEngine, device: str, part: str) -> Source:
    """The source that `DEVICE` or `DEVICE:PART` names. Raises Refusal."""
    files = engine.node(device).files
    try:
        if files.is_file("/etc/inputs.toml"):
            return _input(engine, device, part)
        if files.is_file(GATEWAY):
            return _poll(engine, device, part)
        if files.is_file(SLAVE):
            return _slave(engine, device, part)
        if not part and files.is_file(LORAWAN):
            return _instrument(engine, device, parse_lorawan(files.get(LORAWAN)).quantity, 1)
        if not part and files.is_file(ZIGBEE):
            quantity = parse_zigbee(files.get(ZIGBEE)).quantity
            return _instrument(engine, device, quantity, QUANTITIES[quantity])
        if not part and files.is_file("/etc/sensor.toml"):
            return _sensor(engine, device)
    except ThingConfigError as error:
        raise Refusal("{name}: {error}", name=device, error=str(error)) from None
    raise Refusal("{name} measures nothing; name a sensor, MODULE:INPUT or GATEWAY:POLL", name=device)


@contextmanager
def _at(node: LinuxNode, at: int) -> Iterator[None]:
    """A device at another time; what it reads then is a function of that time alone."""
    now, node.now = node.now, at
    try:
        yield
    finally:
        node.now = now


def _sensor(engine: SimEngine, device: str) -> Source:
    node = engine.node(device)
    config = load_sensor(node)
    instrument = instrument_of(node, config)

    def read(at: int) -> float | None:
        try:
            if instrument is not None:
                return instrument.read(at)
            return measure(config, node.world.sense(config.quantity, at), device)
        except (KeyError, ValueError):
            return None

    return Source(engine.site.devices[device].room, config.quantity, config.unit, read)


def _instrument(engine: SimEngine, device: str, quantity: str, decimals: int) -> Source:
    """A sensor that reports what its instrument reads, in the unit of the world."""
    node = engine.node(device)

    def read(at: int) -> float | None:
        try:
            with _at(node, at):
                return round(read_instrument(node, quantity), decimals)
        except ValueError:
            return None

    return Source(engine.site.devices[device].room, quantity, BASE_UNITS.get(quantity, ""), read)


def _input(engine: SimEngine, device: str, number: str) -> Source:
    node = engine.node(device)
    config = load_inputs(node)
    one = next((one for one in config.inputs if str(one.number) == number), None)
    if one is None:
        known = ", ".join(f"{device}:{one.number}" for one in config.inputs) or "-"
        raise Refusal("name an input that is in use: {known}", known=known)
    loop = engine.site.loop_at(device, one.number)
    if loop is None:
        raise Refusal("no line is connected to {name}", name=f"{device}:{number}")
    try:
        transmitter = parse_transmitter_config(engine.node(loop.source).files.get("/etc/transmitter.toml"))
    except ThingConfigError as error:
        raise Refusal("{name}: {error}", name=loop.source, error=str(error)) from None

    def read(at: int) -> float | None:
        with _at(node, at):
            return read_one(node, config, one).value

    return Source(engine.site.devices[loop.source].room, transmitter.channel.quantity, one.unit, read)


# What is read over a bus


def _slave(engine: SimEngine, device: str, name: str) -> Source:
    """A unit on a bus: the number in a register of it, in steps of that register."""
    node = engine.node(device)
    measuring = [one for one in parse_slave_config(node.files.get(SLAVE)).registers if one.quantity]
    found = [one for one in measuring if one.name == name] if name else measuring
    if len(found) != 1:
        known = ", ".join(f"{device}:{one.name}" for one in measuring) or "-"
        raise Refusal("name a register that measures something: {known}", known=known)
    register = found[0]
    place = register.place

    def read(at: int) -> float | None:
        try:
            with _at(node, at):
                value = read_instrument(node, register.quantity)
            return (
                decode_number(encode_number(value / place.scale, place.type, place.order), place.type, place.order)
                * place.scale
            )
        except ValueError:
            return None

    return Source(engine.site.devices[device].room, register.quantity, BASE_UNITS.get(register.quantity, ""), read)


def _poll(engine: SimEngine, device: str, name: str) -> Source:
    """A number that a gateway asks for, over the bus as it is wired now and with the switches as they stand now."""
    config = load_gateway(engine.node(device))
    poll = next((one for one in config.polls if one.name == name), None)
    if poll is None:
        known = ", ".join(f"{device}:{one.name}" for one in config.polls) or "-"
        raise Refusal("name a poll of {name}: {known}", name=device, known=known)
    bus = next((bus for bus in engine.site.buses if any(drop.device == device for drop in bus.drops)), None)
    meant = _meant(engine, bus, poll, device)
    if bus is None or meant is None:
        raise Refusal("nothing on the bus of {name} measures what {poll} asks for", name=device, poll=poll.name)
    slave, register = meant
    ask = _Asking(engine, bus, device, poll)
    unit = poll.measures or BASE_UNITS.get(register.quantity, "")
    return Source(engine.site.devices[slave].room, register.quantity, unit, ask.read)


def _units(engine: SimEngine, bus: Bus, gateway: str) -> list[tuple[str, str, SlaveConfig]]:
    """The slaves of a bus: device, port, and what its file says now."""
    return [
        (drop.device, drop.port, parse_slave_config(engine.node(drop.device).files.get(SLAVE)))
        for drop in bus.drops
        if drop.device != gateway and engine.node(drop.device).files.is_file(SLAVE)
    ]


def _meant(engine: SimEngine, bus: Bus | None, poll: Poll, gateway: str) -> tuple[str, SlaveRegister] | None:
    """Whose register a poll is meant for: the device that it is named after, else the one at its address."""
    units = _units(engine, bus, gateway) if bus is not None else []
    named = [unit for unit in units if poll.name == unit[0] or poll.name.startswith(f"{unit[0]}-")]
    for slave, _, config in [*named, *(unit for unit in units if unit[2].unit == poll.unit)]:
        for register in config.registers:
            if register.quantity and (register.place.table, register.place.address) == (
                poll.place.table,
                poll.place.address,
            ):
                return slave, register
        for register in config.registers:
            if register.quantity:
                return slave, register
    return None


class _Asking:
    """One question over a bus and what comes back. Bytes that the cable spoils are drawn, seeded by the moment."""

    def __init__(self, engine: SimEngine, bus: Bus, gateway: str, poll: Poll) -> None:
        self.engine, self.bus, self.gateway, self.poll = engine, bus, gateway, poll
        place = poll.place
        self.request = Read(place.table, place.address, place.count)
        self.frame = encode_rtu(poll.unit, self.request.encode())
        self.settings = load_gateway(engine.node(gateway)).settings
        self.units = _units(engine, bus, gateway)

    def read(self, at: int) -> float | None:
        """The number, or None where nobody answers, two do at once, or what came back is damaged."""
        random = Random(f"{self.engine.site.seed}/{self.bus.name}/{self.poll.name}/{at}")  # noqa: S311 - not a secret
        answers = [data for data in (self._asked(*unit, at, random) for unit in self.units) if data]
        if len(answers) != 1:
            return None
        place = self.poll.place
        try:
            pdu = read_answer(self.poll.unit, self.frame[1], answers[0])
            if pdu is None:
                return None
            return decode_number(decode_values(self.request, pdu), place.type, place.order) * place.scale
        except (AnswerError, ValueError):
            return None

    def _asked(self, slave: str, port: str, config: SlaveConfig, at: int, random: Random) -> bytes:
        """What the gateway hears of one unit; nothing where the unit does not feel asked."""
        node = self.engine.node(slave)
        own = node.serial[port].settings if node.powered else None
        if own is None:
            return b""
        there = hearing(self.bus, self.gateway, slave, self.settings.speed_bps)
        if not there.connected:
            return b""
        asked, _ = received_with(self.frame, self.settings, own, inverted=there.inverted)
        try:
            adu = decode_rtu(_spoilt(asked, there.byte_errors, random))
        except FrameError:
            return b""
        if adu.unit != config.unit:
            return b""
        with _at(node, at):
            reply = encode_rtu(config.unit, answer(adu.pdu, registers_of(node, config)))
        back = hearing(self.bus, slave, self.gateway, own.speed_bps)
        heard, _ = received_with(reply, own, self.settings, inverted=back.inverted)
        return _spoilt(heard, back.byte_errors, random)


def _spoilt(data: bytes, chance: float, random: Random) -> bytes:
    return bytes(byte ^ random.randrange(1, 256) if random.random() < chance else byte for byte in data)
