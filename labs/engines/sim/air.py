"""The air in operation: which radio hears a frame, how strong, and which frames spoil each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from labs.net.radio import HeardFrame
from labs.things.lorawan.airtime import airtime_ns, margin_db
from labs.things.radio import received_dbm

if TYPE_CHECKING:
    from labs.model.radio import RadioPlan
    from labs.net.actions import RadioSend
    from labs.net.linux.node import LinuxNode

__all__ = ["Air", "Frame"]

CAPTURE_DB = 6.0  # the stronger of two frames with one spreading factor survives by so much (Goursaud and Gorce, 2015)


class Frame(NamedTuple):
    """One transmission: who hears it and how strong was settled when it began."""

    sender: str
    start_ns: int
    end_ns: int
    item: RadioSend
    heard_by: dict[str, float]
    spoilt_at: set[str]


class Air:
    """Every LoRa transmission of a site."""

    def __init__(
        self, nodes: Mapping[str, LinuxNode], plan: Callable[[], RadioPlan], room: Callable[[str], str]
    ) -> None:
        self._nodes = nodes
        self._plan = plan
        self._room = room
        self._under_way: list[Frame] = []

    def send(self, sender: str, item: RadioSend, now: int) -> Frame:
        """A transmission begins; `deliver` is due at its end."""
        how = item.how
        frame = Frame(sender, now, now + airtime_ns(len(item.data), how.sf), item, {}, set())
        place = (sender, self._room(sender))
        for name, node in self._nodes.items():
            hears = node.lora.hears
            if hears is None or name == sender or not node.powered or not hears(how):
                continue
            rssi = received_dbm(self._plan(), place, (name, self._room(name)), how.power_dbm, how.mhz)
            if margin_db(rssi, how.sf) >= 0:
                frame.heard_by[name] = rssi
        self._under_way = [other for other in self._under_way if other.end_ns > now]
        for other in self._under_way:
            if (other.item.how.mhz, other.item.how.sf) == (how.mhz, how.sf):
                self._collide(frame, other)
        self._under_way.append(frame)
        return frame

    @staticmethod
    def _collide(a: Frame, b: Frame) -> None:
        for name in a.heard_by.keys() & b.heard_by.keys():
            difference = a.heard_by[name] - b.heard_by[name]
            if difference < CAPTURE_DB:
                a.spoilt_at.add(name)
            if difference > -CAPTURE_DB:
                b.spoilt_at.add(name)

    @staticmethod
    def deliver(frame: Frame) -> list[tuple[str, HeardFrame]]:
        """Who has it whole."""
        return [
            (name, HeardFrame(frame.end_ns, frame.item.data, frame.item.how, rssi))
            for name, rssi in frame.heard_by.items()
            if name not in frame.spoilt_at
        ]
