"""What hands do to analogue lines and probes: terminals, resistors, cables, where a probe hangs, its battery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from labs.hands.workbench import HandsError, Told, Verb, Workbench, no_device
from labs.messages import Message, message
from labs.model.field import Extension, Loop, Signal
from labs.model.world import Act
from labs.things.thing_config import parse_number
from labs.things.world import SPOTS

__all__ = ["WIRE_VERBS", "spot_of", "tell_lines"]

REWIRE = message(
    """usage: rewire LINE swap            the two conductors change places at the input
                rewire LINE swap-head       the same in the head of a thermocouple
                rewire LINE mend            look for the break or short, and mend it
                rewire LINE dry             open the junction box, dry and seal it
                rewire LINE shunt           a new 250 ohm resistor at the input
                rewire LINE wires 2|3|4     connect a resistive probe with that many conductors
                rewire LINE terminals       clean and tighten all terminals
                rewire LINE cable           a new cable of the right kind
                rewire LINE supply VOLT     feed the loop with this voltage
                rewire LINE to MODULE:N     onto another input"""
)
NEW_SHUNT_OHM = 250.0
SPOT_WORDS = {
    "shade": message("hangs in the shade, free in the air"),
    "sun": message("hangs in the sun"),
    "heater": message("hangs above the heater"),
    "draught": message("hangs in a draught"),
}


def tell_lines(bench: Workbench, device: str) -> Told:
    """What one sees of the lines at a device: which conductor sits on which terminal."""
    lines = []
    for loop in bench.site.loops:
        if device not in (loop.source, loop.target):
            continue
        here = device == loop.target
        shown = {
            "end": message("input {number}", number=loop.input) if here else message("terminals"),
            "line": loop.name,
            "far": loop.source if here else f"{loop.target}:{loop.input}",
            "colours": _colours(loop),
        }
        lines.append(
            message("  {end:<10} line {line} to {far}: {colours}", **shown)
            if loop.wires == 2
            else message("  {end:<10} line {line} to {far}: {colours}, {wires} wires", wires=loop.wires, **shown)
        )
    return lines


def _colours(loop: Loop) -> Message:
    return message("brown on -, white on +") if loop.polarity_reversed else message("brown on +, white on -")


def _loop(bench: Workbench, name: str) -> Loop:
    try:
        return bench.site.loop(name)
    except KeyError:
        known = ", ".join(loop.name for loop in bench.site.loops) or message("none")
        raise HandsError(message('there is no line "{name}"; lines: {known}', name=name, known=known)) from None


def _rewire(bench: Workbench, words: list[str]) -> Told:
    if len(words) not in (2, 3) or words[1] not in CHANGES or (len(words) == 3) != (words[1] in WITH_VALUE):
        raise HandsError(REWIRE)
    loop = _loop(bench, words[0])
    changed, told = CHANGES[words[1]](bench, loop, words[2] if len(words) == 3 else "")
    if changed != loop:
        bench.rewire_line(changed)
    return [told]


Change = tuple[Loop, Message]


def _swap(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    changed = replace(loop, polarity_reversed=not loop.polarity_reversed)
    return changed, message(
        "The conductors of {line} have changed places: {colours}.", line=loop.name, colours=_colours(changed)
    )


def _swap_head(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.signal is not Signal.THERMOCOUPLE_K:
        raise HandsError(message("{line} is no thermocouple: only in its head are there joints", line=loop.name), 1)
    changed = replace(loop, head_reversed=not loop.head_reversed)
    return changed, message("The joints in the head of {line} are swapped.", line=loop.name)


def _mend(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    name = loop.name
    if loop.broken:
        told = message("A conductor of {line} had come loose under its terminal. It is tight now.", line=name)
        return replace(loop, broken=False), told
    if loop.shorted:
        told = message("Two strands of {line} touched each other. They are apart now.", line=name)
        return replace(loop, shorted=False), told
    return loop, message("The line {line} is neither broken nor shorted.", line=name)


def _dry(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.leak_ohm:
        told = message("There was water in the junction box of {line}. It is dry and sealed.", line=loop.name)
        return replace(loop, leak_ohm=0.0), told
    return loop, message("The junction box of {line} is dry.", line=loop.name)


def _shunt(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.signal is not Signal.CURRENT:
        raise HandsError(message("{line} is no current loop: there is no resistor at its input", line=loop.name), 1)
    told = message("A new resistor of 250 ohm 0.1 % sits at the input of {line}.", line=loop.name)
    return replace(loop, shunt_ohm=NEW_SHUNT_OHM), told


def _wires(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench
    if value not in ("2", "3", "4"):
        raise HandsError(REWIRE)
    if loop.signal not in (Signal.PT100, Signal.PT1000):
        why = message("{line} carries {signal}: more wires change nothing", line=loop.name, signal=str(loop.signal))
        raise HandsError(why, 1)
    return replace(loop, wires=int(value)), message(
        "{line} is connected with {wires} wires.", line=loop.name, wires=value
    )


def _terminals(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    if loop.mismatch_ohm:
        told = message("One terminal of {line} was corroded. All are clean and tight.", line=loop.name)
        return replace(loop, mismatch_ohm=0.0), told
    return loop, message("The terminals of {line} are clean and tight.", line=loop.name)


def _cable(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench, value
    changed = replace(loop, extension=Extension.COMPENSATING, leak_ohm=0.0)
    return changed, message("A new cable runs for {line}.", line=loop.name)


def _supply(bench: Workbench, loop: Loop, value: str) -> Change:
    del bench
    try:
        volt = parse_number(value)
    except ValueError:
        raise HandsError(REWIRE) from None
    if not 0 <= volt <= 30:
        raise HandsError(message("the power supply of the cabinet gives 0 to 30 V"), 1)
    return replace(loop, supply_v=volt), message("{line} is fed with {volt} V.", line=loop.name, volt=f"{volt:g}")


def _to(bench: Workbench, loop: Loop, value: str) -> Change:
    device, colon, number = value.partition(":")
    if not colon or not number.isdecimal() or not 1 <= int(number) <= 64:
        raise HandsError(REWIRE)
    if device not in bench.site.devices or not bench.node(device).files.is_file("/etc/inputs.toml"):
        raise HandsError(message('"{device}" has no analogue inputs', device=device))
    other = bench.site.loop_at(device, int(number))
    if other is not None and other.name != loop.name:
        raise HandsError(message("the line {line} is on {end} already", line=other.name, end=value), 1)
    changed = replace(loop, target=device, input=int(number))
    return changed, message("{line} is on {end} now.", line=loop.name, end=value)


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


def _room_of(bench: Workbench, name: str) -> str:
    device = bench.site.devices.get(name)
    if device is None:
        raise no_device(name, bench)
    return device.room


def _move(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 2 or words[1] not in SPOTS:
        raise HandsError(
            message("usage: move DEVICE {places}   (where in its room the probe hangs)", places="|".join(SPOTS))
        )
    name, spot = words
    room = _room_of(bench, name)
    bench.world.act(Act(bench.now, room, "spot", float(SPOTS.index(spot)), name, "hands"))
    return [Message("{name} {where}.", {"name": name, "where": SPOT_WORDS[spot]})]


def _replace(bench: Workbench, words: list[str]) -> Told:
    if len(words) != 2 or words[0] != "battery":
        raise HandsError(message("usage: replace battery DEVICE"))
    room = _room_of(bench, words[1])
    bench.world.act(Act(bench.now, room, "battery", 1.0, words[1], "hands"))
    return [message("A new battery is in {name}; the old one goes into the box for batteries.", name=words[1])]


WIRE_VERBS: dict[str, Verb] = {
    "rewire": (
        _rewire,
        message("rewire LINE swap|mend|shunt …    put an analogue line right; rewire alone tells more"),
    ),
    "move": (_move, message("move DEVICE {places}    hang a probe elsewhere in its room", places="|".join(SPOTS))),
    "replace": (_replace, message("replace battery DEVICE           a new battery")),
}


def spot_of(bench: Workbench, name: str) -> Told:
    """Where a probe hangs; nothing where there is nothing to be said."""
    spot = SPOTS[int(bench.world.level(bench.site.devices[name].room, "spot", bench.now, name))]
    return [] if spot == "shade" else [message("  it {where}", where=SPOT_WORDS[spot])]
