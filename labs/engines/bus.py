"""A serial bus in operation: who hears what somebody sends, when, and how much of it is spoilt."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from labs.net.serial import Chunk, received_with
from labs.things.rs485 import Hearing, hearing

if TYPE_CHECKING:
    from labs.model.bus import Bus
    from labs.net.actions import SerialSend
    from labs.net.serial import SerialSettings

__all__ = ["BusMedium", "Heard", "Talk"]


class Heard(NamedTuple):
    """Something that a serial port of a device hears at a moment."""

    at_ns: int
    device: str
    port: str
    chunk: Chunk


class Talk:
    """One transmission under way."""

    def __init__(self, sender: str, start_ns: int, end_ns: int, item: SerialSend) -> None:
        self.sender = sender
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.item = item
        self.collided = False


class BusMedium:
    """One bus. It hears everything and keeps what is under way."""

    def __init__(self, bus: Bus, seed: str, settings_of: Callable[[str, str], SerialSettings | None]) -> None:
        self._bus = bus
        self._ways: dict[tuple[str, str, int], Hearing] = {}
        self._random = Random(f"{seed}/{bus.name}")  # noqa: S311 - not a secret
        self._settings_of = settings_of
        self._under_way: list[Talk] = []

    @property
    def bus(self) -> Bus:
        """Its wiring as it now is."""
        return self._bus

    def rewire(self, bus: Bus) -> None:
        """Change the wiring."""
        self._bus = bus
        self._ways.clear()

    def _way(self, sender: str, receiver: str, speed_bps: int) -> Hearing:
        key = (sender, receiver, speed_bps)
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = hearing(self._bus, sender, receiver, speed_bps)
        return way

    def send(self, device: str, item: SerialSend, now: int) -> Talk:
        """A device begins to send; `deliver` is due at the end of it."""
        end = now + item.settings.duration_ns(len(item.data))
        talk = Talk(device, now, end, item)
        self._under_way = [other for other in self._under_way if other.end_ns > now]
        for other in self._under_way:
            if self._way(other.sender, device, item.settings.speed_bps).connected:
                other.collided = talk.collided = True
        self._under_way.append(talk)
        return talk

    def deliver(self, talk: Talk) -> list[Heard]:
        """What every other drop heard of a transmission that has ended."""
        item, heard = talk.item, []
        for drop in self.bus.drops:
            if drop.device == talk.sender:
                continue
            own = self._settings_of(drop.device, drop.port)
            if own is None:
                continue
            way = self._way(talk.sender, drop.device, item.settings.speed_bps)
            if not way.connected:
                continue
            data, errors = received_with(item.data, item.settings, own, inverted=way.inverted)
            data, spoilt = self._spoil(data, 1.0 if talk.collided else way.byte_errors)
            if data:
                heard.append(Heard(talk.end_ns, drop.device, drop.port, Chunk(talk.end_ns, data, errors + spoilt)))
        return heard

    def _spoil(self, data: bytes, chance: float) -> tuple[bytes, int]:
        """Bytes with some of them changed."""
        if not chance:
            return data, 0
        spoilt = [index for index in range(len(data)) if self._random.random() < chance]
        if not spoilt:
            return data, 0
        changed = bytearray(data)
        for index in spoilt:
            changed[index] ^= self._random.randrange(1, 256)
        return bytes(changed), len(spoilt)
