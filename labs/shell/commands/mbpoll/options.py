"""The command line of mbpoll 1.0, with its words for mistakes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from labs.net.serial import Parity, SerialSettings
from labs.shell.options import UsageError, parse_options
from labs.things.modbus.config import SPEEDS
from labs.things.modbus.pdu import Table
from labs.things.modbus.values import RegisterType, WordOrder

__all__ = ["HELP", "MbpollError", "Options", "parse"]

MAX_COUNT = 125
SECOND = 1_000_000_000
SHORT = "m:a:r:c:ut:0B1l:o:p:b:d:s:P:RFhVvw"


class MbpollError(Exception):
    """A wrong command line: what stands behind `mbpoll: `."""


class Format(Enum):
    """How values are shown."""

    DECIMAL = ""
    HEX = "hex"
    INT = "int"
    FLOAT = "float"


TABLES = {"0": Table.COIL, "1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}
TABLE_NAMES = {
    Table.COIL: "discrete output (coil)",
    Table.DISCRETE: "discrete input",
    Table.INPUT: "input register",
    Table.HOLDING: "output (holding) register",
}


@dataclass(slots=True)
class Options:
    """What was asked for."""

    target: str = ""
    rtu: bool = False
    units: tuple[int, ...] = (1,)
    start: int = 1
    count: int = 1
    table: Table = Table.HOLDING
    format: Format = Format.DECIMAL
    first: int = 1
    order: WordOrder = WordOrder.LITTLE
    once: bool = False
    rate_ms: int = 1000
    timeout_ns: int = SECOND
    port: int = 502
    settings: SerialSettings = field(default_factory=lambda: SerialSettings(19_200, Parity.EVEN))
    writes: tuple[float, ...] = ()
    verbose: bool = False

    @property
    def type(self) -> RegisterType:
        """How registers are read."""
        if self.table.bits:
            return RegisterType.BOOL
        return {Format.INT: RegisterType.INT32, Format.FLOAT: RegisterType.FLOAT32}.get(
            self.format, RegisterType.UINT16
        )

    @property
    def described(self) -> str:
        """The line `Data type`."""
        if self.table.bits:
            return TABLE_NAMES[self.table]
        order = "big" if self.order is WordOrder.BIG else "little"
        width = {Format.INT: f"32-bit integer ({order} endian)", Format.FLOAT: f"32-bit float ({order} endian)"}
        return f"{width.get(self.format, '16-bit register')}, {TABLE_NAMES[self.table]} table"


def _integer(text: str, what: str) -> int:
    if not re.fullmatch(r"[+-]?\d+|0[xX][0-9a-fA-F]+", text):
        raise MbpollError(f"Illegal {what} value: {text}")
    return int(text, 0) if text.lower().startswith("0x") else int(text)


def _ranged(text: str, what: str, low: int, high: int) -> int:
    number = _integer(text, what)
    if not low <= number <= high:
        raise MbpollError(f"{what} out of range ({number})")
    return number


def _units(text: str, *, rtu: bool) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        ends = [_ranged(end, "slave address", 1 if rtu else 0, 255) for end in part.split(":")]
        found += range(ends[0], ends[-1] + 1)
    return tuple(found)


def _type(options: Options, text: str) -> None:
    number, _, name = text.partition(":")
    if number not in TABLES:
        raise MbpollError(f"Illegal function: {number}")
    options.table = TABLES[number]
    try:
        options.format = Format(name)
    except ValueError:
        raise MbpollError(f"Illegal format: {name}") from None


def _timeout(text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        raise MbpollError(f"Illegal timeout value: {text}") from None
    if not 0.01 <= seconds <= 10:
        raise MbpollError(f"timeout out of range ({seconds:g})")
    return int(seconds * SECOND)


def _serial(given: dict[str, str]) -> SerialSettings:
    speed = _ranged(given.get("-b", "19200"), "rtu baudrate", 1200, 921_600)
    if given.get("-d", "8") not in ("7", "8"):
        raise MbpollError(f"Illegal rtu data bits: {given['-d']}")
    if given.get("-d") == "7":
        raise MbpollError("7 data bits are not simulated: Modbus RTU has 8")
    if speed not in SPEEDS:
        raise MbpollError(f"a baudrate of {speed} is not simulated; known are {', '.join(map(str, SPEEDS))}")
    if given.get("-s", "1") not in ("1", "2"):
        raise MbpollError(f"Illegal rtu stop bits: {given['-s']}")
    try:
        parity = Parity(given.get("-P", "even"))
    except ValueError:
        raise MbpollError(f"Illegal rtu parity: {given['-P']}") from None
    return SerialSettings(speed, parity, int(given.get("-s", "1")))


def _writes(options: Options, words: list[str]) -> tuple[float, ...]:
    if words and options.table in (Table.DISCRETE, Table.INPUT):
        raise MbpollError("Unable to write read-only element")
    values = []
    for word in words:
        if options.format is Format.FLOAT:
            try:
                values.append(float(word))
            except ValueError:
                raise MbpollError(f"Illegal data value: {word}") from None
            continue
        limit = (0, 1) if options.table.bits else (0, 65535)
        if options.format is Format.INT:
            limit = (-(2**31), 2**31 - 1)
        values.append(_ranged(word, "data", *limit))
    return tuple(values)


def parse(arguments: list[str]) -> Options:
    """Read the command line. Raises MbpollError."""
    tail = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    head = arguments[: len(arguments) - len(tail) - 1] if "--" in arguments else arguments
    try:
        pairs, operands = parse_options(head, SHORT)
    except UsageError:
        raise MbpollError("Unrecognized option or missing option parameter") from None
    given = dict(pairs)
    operands += tail
    options = Options()
    mode = given.get("-m", "rtu" if operands and operands[0].startswith("/") else "tcp")
    if mode not in ("rtu", "tcp"):
        raise MbpollError(f"Illegal mode: {mode}")
    options.rtu = mode == "rtu"
    if "-t" in given:
        _type(options, given["-t"])
    options.first = 0 if "-0" in given else 1
    options.start = _ranged(given.get("-r", "1"), "start reference", options.first, 65535 + options.first)
    options.count = _ranged(given.get("-c", "1"), "number of values", 1, MAX_COUNT)
    options.units = _units(given.get("-a", "1"), rtu=options.rtu)
    options.order = WordOrder.BIG if "-B" in given else WordOrder.LITTLE
    options.once, options.verbose = "-1" in given, "-v" in given
    options.rate_ms = _integer(given.get("-l", "1000"), "poll rate")
    if options.rate_ms <= 10:
        raise MbpollError(f"Illegal poll rate: {options.rate_ms}")
    options.timeout_ns = _timeout(given.get("-o", "1"))
    options.port = _integer(given.get("-p", "502"), "port")
    options.settings = _serial(given)
    for refused in ("-u", "-R", "-F"):
        if refused in given:
            raise MbpollError(f"{refused} is not simulated")
    if not operands:
        raise MbpollError("device or host parameter missing")
    options.target = operands[0]
    options.writes = _writes(options, operands[1:])
    if options.writes:
        if "-c" in given:
            raise MbpollError("-c parameter must not be specified for writing")
        options.count = len(options.writes)
    return options


HELP = """usage : mbpoll [ options ] device|host [ writevalues... ] [ options ]

ModBus Master Simulator. It allows to read and write in ModBus slave registers
                         connected by serial (RTU only) or TCP.

Arguments :
  device        Serial port when using ModBus RTU protocol
                  /dev/ttyS0, /dev/ttyS1 ...  on Linux
  host          Host name or dotted IP address when using ModBus/TCP protocol
  writevalues   List of values to be written.
                If none specified (default) mbpoll reads data.
                If negative numbers are provided, it will precede the list of
                data to be written by two dashes ('--'). for example :
                mbpoll -t4:int /dev/ttyUSB0 -- 123 -1568 8974 -12
General options :{space}
  -m #          mode (rtu or tcp, TCP is default)
  -a #          Slave address (1-255 for rtu, 0-255 for tcp, 1 is default)
                for reading, it is possible to give an address list
                separated by commas or colons, for example :
                -a 32,33,34,36:40 read [32,33,34,36,37,38,39,40]
  -r #          Start reference (1 is default)
  -c #          Number of values to read (1-125, 1 is default)
  -t 0          Discrete output (coil) data type (binary 0 or 1)
  -t 1          Discrete input data type (binary 0 or 1)
  -t 3          16-bit input register data type
  -t 3:hex      16-bit input register data type with hex display
  -t 3:int      32-bit integer data type in input register table
  -t 3:float    32-bit float data type in input register table
  -t 4          16-bit output (holding) register data type (default)
  -t 4:hex      16-bit output (holding) register data type with hex display
  -t 4:int      32-bit integer data type in output (holding) register table
  -t 4:float    32-bit float data type in output (holding) register table
  -0            First reference is 0 (PDU addressing) instead 1
  -B            Big endian word order for 32-bit integer and float
  -1            Poll only once only, otherwise every poll rate interval
  -l #          Poll rate in ms, ( > 10, 1000 is default)
  -o #          Time-out in seconds (0.01 - 10.00, 1.00 s is default)
Options for ModBus / TCP :{space}
  -p #          TCP port number (502 is default)
Options for ModBus RTU :{space}
  -b #          Baudrate (1200-921600, 19200 is default)
  -d #          Databits (7 or 8, 8 for RTU)
  -s #          Stopbits (1 or 2, 1 is default)
  -P #          Parity (none, even, odd, even is default)

  -h            Print this help summary page
  -V            Print version and exit
  -v            Verbose mode.  Causes mbpoll to print debugging messages about
                its progress.  This is helpful in debugging connection...""".replace("{space}", " ")
