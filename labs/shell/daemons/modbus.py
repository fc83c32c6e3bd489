"""The program of a Modbus slave: answers on a serial bus, on TCP, or on both, from /etc/modbus.toml."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING

from labs.net.process import SIGKILL, Interrupt, Process, Routine, Wait
from labs.net.sockets import SocketError
from labs.shell.daemons.modbus_tcp import serve_tcp
from labs.shell.daemons.thing_unit import EXIT_CONFIG
from labs.shell.instrument import read_instrument
from labs.shell.serial_line import SerialLineError, serial_port
from labs.things.modbus.config import SLAVE, SlaveConfig, SlaveRegister, parse_slave_config
from labs.things.modbus.framing import Adu, FrameError, decode_rtu, encode_rtu
from labs.things.modbus.slave import Registers, answer
from labs.things.modbus.values import encode_number
from labs.things.thing_config import ThingConfigError

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["STATUS", "modbus", "registers_of"]

STATUS = "/run/modbus.json"
BROADCAST = 0
MILLISECOND = 1_000_000
NO_READING = 0x8000  # what many makers put there for a sensor that is broken


def registers_of(node: LinuxNode, config: SlaveConfig) -> Registers:
    """The table of the slave; what it measures is measured when somebody asks."""
    table = Registers()
    for register in config.registers:
        place = register.place
        if register.quantity:
            for offset in range(place.count):
                table.provide(place.table, place.address + offset, _measured(node, register, offset))
        else:
            table.put(place.table, place.address, encode_number(register.value / place.scale, place.type, place.order))
    return table


def _measured(node: LinuxNode, register: SlaveRegister, offset: int) -> Callable[[], int]:
    place = register.place

    def measure() -> int:
        try:
            value = read_instrument(node, register.quantity)
        except ValueError:
            return NO_READING
        return encode_number(value / place.scale, place.type, place.order)[offset]

    return measure


class _Slave:
    def __init__(self, process: Process, config: SlaveConfig) -> None:
        self.process = process
        self.config = config
        self.table = registers_of(process.node, config)
        self.answered = 0
        self.damaged = 0

    def mine(self, data: bytes) -> bool:
        """Whether a frame on the bus is worth waking for."""
        if data[0] not in (self.config.unit, BROADCAST):
            return False
        try:
            decode_rtu(data)
        except FrameError:
            self.damaged += 1
            return False
        return True

    def reply(self, _process: Process, adu: Adu) -> Generator[Wait, None, bytes]:
        """The answer on TCP: whatever unit is asked for, there is one here alone."""
        yield from ()
        self.answered += 1
        return answer(adu.pdu, self.table)

    def write_status(self) -> None:
        status = {"unit": self.config.unit, "answered": self.answered, "damaged": self.damaged}
        self.process.node.files.write(STATUS, json.dumps(status) + "\n")

    def run(self) -> Generator[Wait, None, None]:
        """Answer on the bus, for ever."""
        config, node = self.config, self.process.node
        port = serial_port(self.process, config.serial_port)
        self.process.cleanup.append(port.open(config.settings))
        port.accepts = self.mine
        self.process.cleanup.append(partial(setattr, port, "accepts", None))
        wait_ns = config.settings.gap_ns + config.delay_ms * MILLISECOND
        while True:
            while port.queue:
                adu = decode_rtu(port.queue.popleft().data)
                reply = answer(adu.pdu, self.table)
                if adu.unit == BROADCAST:
                    continue
                until = node.now + wait_ns
                while node.now < until:
                    yield Wait((), until)
                port.write(encode_rtu(config.unit, reply))
                self.answered += 1
            self.write_status()
            yield Wait((port.signal,))


def modbus(process: Process) -> Routine:
    """The unit `modbus`."""
    node = process.node
    try:
        config = parse_slave_config(node.files.get(SLAVE))
    except ThingConfigError as error:
        process.error(f"{SLAVE}: {error}")
        return EXIT_CONFIG
    slave = _Slave(process, config)
    process.endless = True
    try:
        if config.tcp_port:
            server = node.spawn(["modbusd"], serve_tcp(process, config.tcp_port, slave.reply), directory="/")
            process.cleanup.append(lambda: server.kill(SIGKILL))
            process.print(f"unit {config.unit} answers on TCP port {config.tcp_port}")
        if config.serial_port:
            process.print(f"unit {config.unit} answers on {config.serial_port}, {config.settings}")
            yield from slave.run()
        while True:
            yield Wait()
    except (SerialLineError, SocketError) as error:
        process.error(f"{config.serial_port if isinstance(error, SerialLineError) else config.tcp_port}: {error}")
        return 1
    except Interrupt:
        return 0
