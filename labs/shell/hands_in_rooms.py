"""What hands do to a room and to the probes in it: windows, a hair dryer, a look at the instruments on the wall."""

from __future__ import annotations

from collections.abc import Callable

from labs.model.world import Act
from labs.shell.workbench import HandsError, Workbench
from labs.things.thing_config import parse_number
from labs.things.units import BASE_UNITS, symbol
from labs.things.world import KELVIN

__all__ = ["ROOM_VERBS", "tell_quantities"]

COLDEST_BATH, HOTTEST_BATH = -40.0, 150.0
# What the instruments on the wall tell, to how many decimals.
DECIMALS = {"temperature": 1, "level": 2, "wind": 1, "energy": 1}
OPENED = ("window",)


def tell_quantities(bench: Workbench, room: str) -> list[str]:
    """A line for every quantity of a room, and one for a window that stands open."""
    living = bench.world
    if room not in bench.site.world.rooms:
        return []
    lines = []
    for quantity in living.quantities(room):
        value = living.value(room, quantity, bench.now)
        unit = symbol(BASE_UNITS.get(quantity, ""))
        text = f"{value:.{DECIMALS.get(quantity, 0)}f} {unit}".rstrip()
        what = "the thermometer on the wall reads" if quantity == "temperature" else f"{quantity}:"
        lines.append(f"  {what} {text}")
    for what in OPENED:
        level = living.level(room, what, bench.now)
        if level:
            lines.append(f"  the {what} is open{'' if level == 1 else f' for {level:.0%}'}")
    return lines


def _room(bench: Workbench, name: str) -> str:
    rooms = bench.site.world.rooms
    if name not in rooms:
        message = f'hands: there is no room "{name}"; rooms: {", ".join(rooms)}'
        raise HandsError(message)
    return name


def _set_window(bench: Workbench, words: list[str], verb: str) -> str:
    usage = f"hands: usage: {verb} window ROOM" + (" [50%]" if verb == "open" else "")
    if not 2 <= len(words) <= (3 if verb == "open" else 2) or words[0] not in OPENED:
        raise HandsError(usage)
    room = _room(bench, words[1])
    if bench.site.world.rooms[room].climate is None:
        message = f"hands: {room} has no window"
        raise HandsError(message, 1)
    level = 0.0
    if verb == "open":
        try:
            level = parse_number(words[2].removesuffix("%")) / 100 if len(words) == 3 else 1.0
        except ValueError:
            raise HandsError(usage) from None
        if not 0 < level <= 1:
            message = "hands: a window is open for more than 0 and at most 100 %"
            raise HandsError(message)
    if bench.world.level(room, "window", bench.now) == level:
        return f"The window of {room} is {'open' if level else 'closed'} already.\n"
    bench.world.act(Act(bench.now, room, "window", level, by="hands"))
    how = f"open{'' if level == 1 else f' for {level:.0%}'}" if level else "closed"
    return f"The window of {room} is {how}.\n"


def _open(bench: Workbench, words: list[str]) -> str:
    return _set_window(bench, words, "open")


def _close(bench: Workbench, words: list[str]) -> str:
    return _set_window(bench, words, "close")


def _heat(bench: Workbench, words: list[str]) -> str:
    """A hair dryer or a glass of ice water: the probe of a device is at a temperature until it is taken away."""
    if len(words) != 2:
        message = "hands: usage: heat DEVICE CELSIUS|off   (hair dryer or ice water on the probe of a device)"
        raise HandsError(message)
    name, text = words
    device = bench.site.devices.get(name)
    if device is None:
        message = f'hands: there is no device "{name}"; there are: {", ".join(bench.site.devices)}'
        raise HandsError(message)
    if text == "off":
        bench.world.act(Act(bench.now, device.room, "bath", 0.0, name, "hands"))
        return f"The probe of {name} hangs in the air again.\n"
    try:
        celsius = parse_number(text)
    except ValueError:
        message = f'hands: "{text}" is not a temperature in °C, nor off'
        raise HandsError(message) from None
    if not COLDEST_BATH <= celsius <= HOTTEST_BATH:
        message = f"hands: hair dryer and ice reach from {COLDEST_BATH:g} to {HOTTEST_BATH:g} °C"
        raise HandsError(message, 1)
    bench.world.act(Act(bench.now, device.room, "bath", celsius + KELVIN, name, "hands"))
    return f"The probe of {name} is kept at {celsius:g} °C.\n"


ROOM_VERBS: dict[str, tuple[Callable[[Workbench, list[str]], str], str]] = {
    "open": (_open, "open window ROOM [50%]           open a window, wide or in part"),
    "close": (_close, "close window ROOM                close it"),
    "heat": (_heat, "heat DEVICE CELSIUS|off          hair dryer or ice water on the probe of a device"),
}
