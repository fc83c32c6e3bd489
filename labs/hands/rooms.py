"""What hands do to a room and to the probes in it: windows, a hair dryer, a look at the instruments on the wall."""

from __future__ import annotations

from labs.hands.workbench import HandsError, Told, Verb, Workbench, no_device
from labs.messages import Message, message
from labs.model.world import Act
from labs.things.thing_config import parse_number
from labs.things.units import BASE_UNITS, symbol
from labs.things.world import KELVIN

__all__ = ["ROOM_VERBS", "tell_quantities"]

COLDEST_BATH, HOTTEST_BATH = -40.0, 150.0
# What the instruments on the wall tell, to how many decimals.
DECIMALS = {"temperature": 1, "level": 2, "wind": 1, "energy": 1}


def tell_quantities(bench: Workbench, room: str) -> Told:
    """A line for every quantity of a room, and one for a window that stands open."""
    living = bench.world
    if room not in bench.site.world.rooms:
        return []
    lines = []
    for quantity in living.quantities(room):
        value = living.value(room, quantity, bench.now)
        unit = symbol(BASE_UNITS.get(quantity, ""))
        text = f"{value:.{DECIMALS.get(quantity, 0)}f} {unit}".rstrip()
        lines.append(
            message("  the thermometer on the wall reads {text}", text=text)
            if quantity == "temperature"
            else Message("  {quantity}: {text}", {"quantity": Message(quantity), "text": text})
        )
    level = living.level(room, "window", bench.now)
    if level == 1:
        lines.append(message("  the window is open"))
    elif level:
        lines.append(message("  the window is open for {share}", share=f"{level:.0%}"))
    return lines


def _room(bench: Workbench, name: str) -> str:
    rooms = bench.site.world.rooms
    if name not in rooms:
        raise HandsError(message('there is no room "{name}"; rooms: {known}', name=name, known=", ".join(rooms)))
    return name


def _open(bench: Workbench, words: list[str]) -> Told:
    usage = message("usage: open window ROOM [50%]")
    if len(words) not in (2, 3):
        raise HandsError(usage)
    try:
        level = parse_number(words[2].removesuffix("%")) / 100 if len(words) == 3 else 1.0
    except ValueError:
        raise HandsError(usage) from None
    if not 0 < level <= 1:
        raise HandsError(message("a window is open for more than 0 and at most 100 %"))
    return _set_window(bench, words, level, usage)


def _close(bench: Workbench, words: list[str]) -> Told:
    usage = message("usage: close window ROOM")
    if len(words) != 2:
        raise HandsError(usage)
    return _set_window(bench, words, 0.0, usage)


def _set_window(bench: Workbench, words: list[str], level: float, usage: Message) -> Told:
    if words[0] != "window":
        raise HandsError(usage)
    room = _room(bench, words[1])
    if bench.site.world.rooms[room].climate is None:
        raise HandsError(message("{room} has no window", room=room), 1)
    if bench.world.level(room, "window", bench.now) == level:
        if level:
            return [message("The window of {room} is open already.", room=room)]
        return [message("The window of {room} is closed already.", room=room)]
    bench.world.act(Act(bench.now, room, "window", level, by="hands"))
    if level == 1:
        return [message("The window of {room} is open.", room=room)]
    if level:
        return [message("The window of {room} is open for {share}.", room=room, share=f"{level:.0%}")]
    return [message("The window of {room} is closed.", room=room)]


def _heat(bench: Workbench, words: list[str]) -> Told:
    """A hair dryer or a glass of ice water: the probe of a device is at a temperature until it is taken away."""
    if len(words) != 2:
        raise HandsError(message("usage: heat DEVICE CELSIUS|off   (hair dryer or ice water on the probe of a device)"))
    name, text = words
    device = bench.site.devices.get(name)
    if device is None:
        raise no_device(name, bench)
    if text == "off":
        bench.world.act(Act(bench.now, device.room, "bath", 0.0, name, "hands"))
        return [message("The probe of {name} hangs in the air again.", name=name)]
    try:
        celsius = parse_number(text)
    except ValueError:
        raise HandsError(message('"{text}" is not a temperature in °C, nor off', text=text)) from None
    if not COLDEST_BATH <= celsius <= HOTTEST_BATH:
        limits = {"low": f"{COLDEST_BATH:g}", "high": f"{HOTTEST_BATH:g}"}
        raise HandsError(message("hair dryer and ice reach from {low} to {high} °C", **limits), 1)
    bench.world.act(Act(bench.now, device.room, "bath", celsius + KELVIN, name, "hands"))
    return [message("The probe of {name} is kept at {celsius} °C.", name=name, celsius=f"{celsius:g}")]


ROOM_VERBS: dict[str, Verb] = {
    "open": (_open, message("open window ROOM [50%]           open a window, wide or in part")),
    "close": (_close, message("close window ROOM                close it")),
    "heat": (_heat, message("heat DEVICE CELSIUS|off          hair dryer or ice water on the probe of a device")),
}
