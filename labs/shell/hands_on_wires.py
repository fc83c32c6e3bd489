"""What hands do to analogue lines and probes: terminals, resistors, cables, where a probe hangs, its battery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from labs.model.field import Extension, Loop, Signal
from labs.model.world import Act
from labs.shell.workbench import HandsError, Workbench
from labs.things.thing_config import parse_number
from labs.things.world import SPOTS

__all__ = ["WIRE_VERBS", "spot_of", "tell_lines"]

REWIRE = """hands: usage: rewire LINE swap            the two conductors change places at the input
                rewire LINE swap-head       the same in the head of a thermocouple
                rewire LINE mend            look for the break or short, and mend it
                rewire LINE dry             open the junction box, dry and seal it
                rewire LINE shunt           a new 250 ohm resistor at the input
                rewire LINE wires 2|3|4     connect a resistive probe with that many conductors
                rewire LINE terminals       clean and tighten all terminals
                rewire LINE cable           a new cable of the right kind
                rewire LINE supply VOLT     feed the loop with this voltage
                rewire LINE to MODULE:N     onto another input"""
NEW_SHUNT_OHM = 250.0
SPOT_WORDS = {
    "shade": "hangs in the shade, free in the air",
    "sun": "hangs in the sun",
    "heater": "hangs above the heater",
    "draught": "hangs in a draught",
}


def tell_lines(bench: Workbench, device: str) -> list[str]:
    """What one sees of the lines at a device: which conductor sits on which terminal."""
    lines = []
    for loop in bench.site.loops:
        if device not in (loop.source, loop.target):
            continue
        colours = "brown on -, white on +" if loop.polarity_reversed else "brown on +, white on -"
        more = f", {loop.wires} wires" if loop.wires != 2 else ""
        end = f"input {loop.input}" if device == loop.target else "terminals"
        far = loop.source if device == loop.target else f"{loop.target}:{loop.input}"
        lines.append(f"  {end:<10} line {loop.name} to {far}: {colours}{more}")
    return lines


def _loop(bench: Workbench, name: str) -> Loop:
    try:
        return bench.site.loop(name)
    except KeyError:
        known = ", ".join(loop.name for loop in bench.site.loops) or "none"
        message = f'hands: there is no line "{name}"; lines: {known}'
        raise HandsError(message) from None


def _rewire(bench: Workbench, words: list[str]) -> str:
    if len(words) not in (2, 3) or words[1] not in CHANGES or (len(words) == 3) != (words[1] in WITH_VALUE):
        raise HandsError(REWIRE)
    loop = _loop(bench, words[0])
    changed, told = CHANGES[words[1]](bench, loop, words[2] if len(words) == 3 else "")
    if changed != loop:
        bench.rewire_line(changed)
    return told + "\n"


Change = tuple[Loop, str]


def _swap(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    changed = replace(loop, polarity_reversed=not loop.polarity_reversed)
    colours = "brown on -, white on +" if changed.polarity_reversed else "brown on +, white on -"
    return changed, f"The conductors of {loop.name} have changed places: {colours}."


def _swap_head(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.signal is not Signal.THERMOCOUPLE_K:
        message = f"hands: {loop.name} is no thermocouple: only in its head are there joints"
        raise HandsError(message, 1)
    return replace(loop, head_reversed=not loop.head_reversed), f"The joints in the head of {loop.name} are swapped."


def _mend(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.broken:
        return replace(
            loop, broken=False
        ), f"A conductor of {loop.name} had come loose under its terminal. It is tight now."
    if loop.shorted:
        return replace(loop, shorted=False), f"Two strands of {loop.name} touched each other. They are apart now."
    return loop, f"The line {loop.name} is neither broken nor shorted."


def _dry(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.leak_ohm:
        return replace(loop, leak_ohm=0.0), f"There was water in the junction box of {loop.name}. It is dry and sealed."
    return loop, f"The junction box of {loop.name} is dry."


def _shunt(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.signal is not Signal.CURRENT:
        message = f"hands: {loop.name} is no current loop: there is no resistor at its input"
        raise HandsError(message, 1)
    return replace(loop, shunt_ohm=NEW_SHUNT_OHM), f"A new resistor of 250 ohm 0.1 % sits at the input of {loop.name}."


def _wires(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench
    if value not in ("2", "3", "4"):
        raise HandsError(REWIRE)
    if loop.signal not in (Signal.PT100, Signal.PT1000):
        message = f"hands: {loop.name} carries {loop.signal}: more wires change nothing"
        raise HandsError(message, 1)
    return replace(loop, wires=int(value)), f"{loop.name} is connected with {value} wires."


def _terminals(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.mismatch_ohm:
        return replace(loop, mismatch_ohm=0.0), f"One terminal of {loop.name} was corroded. All are clean and tight."
    return loop, f"The terminals of {loop.name} are clean and tight."


def _cable(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    return replace(loop, extension=Extension.COMPENSATING, leak_ohm=0.0), f"A new cable runs for {loop.name}."


def _supply(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench
    try:
        volt = parse_number(value)
    except ValueError:
        raise HandsError(REWIRE) from None
    if not 0 <= volt <= 30:
        message = "hands: the power supply of the cabinet gives 0 to 30 V"
        raise HandsError(message, 1)
    return replace(loop, supply_v=volt), f"{loop.name} is fed with {volt:g} V."


def _to(bench: Workbench, loop: Loop, value: str) -> Change:
    device, colon, number = value.partition(":")
    if not colon or not number.isdecimal() or not 1 <= int(number) <= 64:
        raise HandsError(REWIRE)
    if device not in bench.site.devices or not bench.node(device).files.is_file("/etc/inputs.toml"):
        message = f'hands: "{device}" has no analogue inputs'
        raise HandsError(message)
    other = bench.site.loop_at(device, int(number))
    if other is not None and other.name != loop.name:
        message = f"hands: the line {other.name} is on {value} already"
        raise HandsError(message, 1)
    return replace(loop, target=device, input=int(number)), f"{loop.name} is on {value} now."


CHANGES: dict[str, Callable[[Workbench, Loop, str], Change]] = {
    "swap": _swap,
    "swap-head": _swap_head,
    "mend": _mend,
    "dry": _dry,
    "shunt": _shunt,
    "wires": _wires,
    "terminals": _terminals,
    "cable": _cable,
    "supply": _supply,
    "to": _to,
}
WITH_VALUE = frozenset({"wires", "supply", "to"})


def _device_room(bench: Workbench, name: str) -> str:
    device = bench.site.devices.get(name)
    if device is None:
        message = f'hands: there is no device "{name}"; there are: {", ".join(bench.site.devices)}'
        raise HandsError(message)
    return device.room


def _move(bench: Workbench, words: list[str]) -> str:
    if len(words) != 2 or words[1] not in SPOTS:
        message = f"hands: usage: move DEVICE {'|'.join(SPOTS)}   (where in its room the probe hangs)"
        raise HandsError(message)
    name, spot = words
    room = _device_room(bench, name)
    bench.world.act(Act(bench.now, room, "spot", float(SPOTS.index(spot)), name, "hands"))
    return f"{name} {SPOT_WORDS[spot]}.\n"


def _replace(bench: Workbench, words: list[str]) -> str:
    if len(words) != 2 or words[0] != "battery":
        message = "hands: usage: replace battery DEVICE"
        raise HandsError(message)
    room = _device_room(bench, words[1])
    bench.world.act(Act(bench.now, room, "battery", 1.0, words[1], "hands"))
    return f"A new battery is in {words[1]}; the old one goes into the box for batteries.\n"


WIRE_VERBS: dict[str, tuple[Callable[[Workbench, list[str]], str], str]] = {
    "rewire": (_rewire, "rewire LINE swap|mend|shunt …    put an analogue line right; rewire alone tells more"),
    "move": (_move, f"move DEVICE {'|'.join(SPOTS)}    hang a probe elsewhere in its room"),
    "replace": (_replace, "replace battery DEVICE           a new battery"),
}


def spot_of(bench: Workbench, name: str) -> str:
    """Where a probe hangs, in words; empty where nothing is to be said."""
    spot = SPOTS[int(bench.world.level(bench.site.devices[name].room, "spot", bench.now, name))]
    return "" if spot == "shade" else f"  it {SPOT_WORDS[spot]}"
