"""Asynchronous serial ports: characters as bits on a line, and what a receiver with other settings makes of them.

A start bit (space), eight data bits from the lowest on, perhaps a parity bit, stop bits (mark). A receiver waits for a
falling edge and samples in the middle of each bit, at its own speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from labs.net.actions import SerialSend
from labs.net.process import Signal

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["Parity", "Sampled", "SerialPort", "SerialSettings", "received_with"]

SECOND = 1_000_000_000
QUEUE_LIMIT = 256
FRAME_GAP_CHARACTERS = 3.5  # Modbus over Serial Line V1.02 §2.5.1.1
FIXED_GAP_ABOVE_BPS = 19_200
FIXED_GAP_NS = 1_750_000


class Parity(StrEnum):
    """The parity bit."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"

    @property
    def letter(self) -> str:
        """As in 8N1."""
        return self.value[0].upper()


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Speed in bits per second, parity and stop bits; eight data bits always."""

    speed_bps: int = 9600
    parity: Parity = Parity.NONE
    stop_bits: int = 1

    @property
    def character_bits(self) -> int:
        """Bits of one character with start, parity and stop."""
        return 9 + (self.parity is not Parity.NONE) + self.stop_bits

    def duration_ns(self, count: int) -> int:
        """How long so many characters take."""
        return count * self.character_bits * SECOND // self.speed_bps

    @property
    def gap_ns(self) -> int:
        """The silence that ends a Modbus frame: 3.5 characters, or 1.75 ms above 19200 bit/s."""
        if self.speed_bps > FIXED_GAP_ABOVE_BPS:
            return FIXED_GAP_NS
        return int(FRAME_GAP_CHARACTERS * self.character_bits * SECOND / self.speed_bps)

    def __str__(self) -> str:
        return f"{self.speed_bps} 8{self.parity.letter}{self.stop_bits}"


class Sampled(NamedTuple):
    """What a receiver made of a line: bytes, and how many of them had a wrong stop or parity bit."""

    data: bytes
    errors: int


def _parity_bit(byte: int, parity: Parity) -> int:
    odd = byte.bit_count() & 1
    return odd if parity is Parity.EVEN else 1 - odd


def _bits(data: bytes, settings: SerialSettings) -> list[int]:
    """The line while data is sent, one entry per bit; 1 is mark."""
    line: list[int] = []
    for byte in data:
        line.append(0)
        line += [byte >> index & 1 for index in range(8)]
        if settings.parity is not Parity.NONE:
            line.append(_parity_bit(byte, settings.parity))
        line += [1] * settings.stop_bits
    return line


def received_with(data: bytes, sent: SerialSettings, own: SerialSettings, *, inverted: bool = False) -> Sampled:
    """What a receiver with its own settings reads of data that was sent with others.

    `inverted` where the wires are exchanged between the two. A character with a wrong stop or parity bit counts as an
    error and reads as 0, as the Linux terminal gives it.
    """
    if sent.speed_bps == own.speed_bps and sent.parity is own.parity and not inverted:  # it wants one stop bit alone
        return Sampled(data, 0)
    line = _bits(data, sent)
    if inverted:
        line = [1 - bit for bit in line]
    idle = 0 if inverted else 1
    ratio = sent.speed_bps / own.speed_bps  # sender's bits in one of the receiver's

    def level(at: float) -> int:
        return line[int(at)] if 0 <= at < len(line) else idle

    found, errors, at, previous = bytearray(), 0, 0.0, idle
    while at < len(line):
        now = level(at)
        if not (previous == 1 and now == 0):
            previous, at = now, float(int(at) + 1)
            continue
        samples = [level(at + (1.5 + index) * ratio) for index in range(8)]
        byte = sum(bit << index for index, bit in enumerate(samples))
        end = 9.5
        good = True
        if own.parity is not Parity.NONE:
            good = level(at + end * ratio) == _parity_bit(byte, own.parity)
            end += 1
        stop = level(at + end * ratio)
        good = good and stop == 1
        errors += not good
        found.append(byte if good else 0)
        at += end * ratio
        previous = stop
        at = at if at == int(at) else float(int(at) + 1)
    return Sampled(bytes(found), errors)


class Chunk(NamedTuple):
    """Bytes that arrived without a pause, and when the last of them did."""

    at_ns: int
    data: bytes
    errors: int


@dataclass(slots=True, eq=False)
class SerialPort:
    """A serial port of a device. Programs that have it open share what arrives."""

    node: LinuxNode
    name: str
    settings: SerialSettings | None = None
    """None while nobody has it open."""
    accepts: Callable[[bytes], bool] | None = None
    """What wakes the programs; everything where None."""
    queue: deque[Chunk] = field(default_factory=lambda: deque(maxlen=QUEUE_LIMIT))
    signal: Signal = field(default_factory=Signal)
    errors: int = 0
    busy: bool = False
    """A master waits for an answer; another one on the same port waits for `free`."""
    free: Signal = field(default_factory=Signal)
    _users: list[SerialSettings] = field(default_factory=list)

    def open(self, settings: SerialSettings) -> Callable[[], None]:
        """Open with settings, which count for everybody from now on; returns what closes it."""
        self._users.append(settings)
        self.settings = settings
        self.queue.clear()

        def close() -> None:
            if settings in self._users:
                self._users.remove(settings)
            self.settings = self._users[-1] if self._users else None

        return close

    def write(self, data: bytes) -> None:
        """Send."""
        assert self.settings is not None
        self.node.emit(SerialSend(self.name, data, self.settings))

    def deliver(self, chunk: Chunk) -> None:
        """Take what was heard on the line."""
        self.errors += chunk.errors
        if self.accepts is None or self.accepts(chunk.data):
            self.queue.append(chunk)
            self.signal.fire()


class SerialFiles:
    """The ports as files below /dev/tty: there to be seen, not to be read."""

    def __init__(self, ports: dict[str, SerialPort]) -> None:
        self._ports = ports

    def read(self, path: str) -> str | None:
        """Nothing waits in them."""
        return "" if path.removeprefix("/dev/") in self._ports else None

    def write(self, path: str, text: str) -> bool:
        """Text written there goes nowhere."""
        del text
        return path.removeprefix("/dev/") in self._ports

    def names(self) -> list[str]:
        """Every port."""
        return [f"/dev/{name}" for name in self._ports]
